"""Files of models with 8 bits: what is in them, their way back, and damaged ones."""

from __future__ import annotations

import copy
import io
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist import migrations
from fastlstm.persist.container import read_container, write_container
from fastlstm.persist.model_file import read_model
from fastlstm.persist.small_arrays import enlarged, packed_pairs, unpacked_pairs

TEXTS = ["a good film", "a bad film", "fine 好看 film", "dull 难看", "so so film"] * 6
LABELS = ["good", "bad", "good", "bad", "neutral"] * 6
SMALL = {
    "embedding_dim": 32, "hidden_size": 16, "max_epochs": 2, "random_state": 0, "n_jobs": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def original():
    options = {**SMALL, "n_estimators": 2, "word_vectors": None}
    return LSTMSentimentClassifier(**options).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def model(original):
    return original.quantize()


def written(model) -> bytes:
    box = io.BytesIO()
    model.save(box)
    return box.getvalue()


@pytest.fixture(scope="module")
def content(model):
    return read_container(io.BytesIO(written(model)))


def weights(model):
    """Bytes of all the weights of a FittedModel."""
    found = [{name: a.tobytes() for name, a in p.arrays().items()} for p in model.networks]
    if model.linear is not None:
        found.append([part.tobytes() for part in (model.linear.weights, model.linear.bias)])
    return found


# -- what a file holds -------------------------------------------------------------------


def by_hand(codes) -> list[int]:
    """Numbers in LEB128, a byte at a time."""
    numbers, number, shift = [], 0, 0
    for byte in codes.tolist():
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number, shift = 0, 0
    assert shift == 0
    return numbers


def test_the_file_as_its_description_says(model):
    """Read with the safetensors library alone."""
    found = load(written(model))
    for number, network in enumerate(model.networks_):
        for name, array in network.arrays().items():
            stored = found.pop(f"network.{number}.{name}")
            if stored.dtype == np.float32:
                assert name.endswith(".b") or name == "dense.w"
            else:
                assert stored.dtype == np.int8
                scales = found.pop(f"network.{number}.{name}.scales")
                stored = stored * (scales[:, None] if name == "embedding" else scales)
            assert stored.astype(np.float32).tobytes() == array.tobytes()
    assert found["wide.weights"].dtype == np.float16
    np.testing.assert_array_equal(found.pop("wide.weights").astype(np.float32), model.wide_.weights)
    np.testing.assert_array_equal(found.pop("wide.bias"), model.wide_.bias)
    for name, ngrams in (("ngrams", model.ngrams_), ("wide.ngrams", model.wide_.ngrams)):
        assert len(ngrams) > 2
        keys = [key % 2**64 for key in accumulate(by_hand(found.pop(name)))]
        assert [list(divmod(key, 2**32)) for key in keys] == ngrams.pairs.tolist()
    assert found == {}


def test_it_is_smaller(original, model):
    tables = sum(network.embedding.size for network in model.networks_)
    assert len(written(original)) - len(written(model)) > 2.5 * tables


@pytest.mark.parametrize("wide", ["nb", None])
def test_round_trip(original, tmp_path, wide):
    if wide is None:
        original = LSTMSentimentClassifier(**SMALL, wide=None, ngrams=1).fit(TEXTS, LABELS)
    model, path = original.quantize(), tmp_path / "model.fastlstm"
    model.save(path)
    again = fastlstm.load(path)
    assert again.model_.quantized
    assert weights(again.model_) == weights(model.model_)
    assert again.get_params() == model.get_params()
    assert written(again) == path.read_bytes()
    predictor = fastlstm.Predictor(path)
    for read in (again, predictor):
        np.testing.assert_array_equal(read.predict_proba(TEXTS), model.predict_proba(TEXTS))
        assert read.scorer_.precision == model.scorer_.precision


def test_round_trip_of_token_ids(tmp_path):
    X = np.array([[2, 3, 0], [4, 3, 0], [5, 0, 0], [6, 5, 2]] * 4)
    model = LSTMClassifier(**SMALL, early_stopping=False).fit(X, [0, 1] * 8).quantize()
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert again.n_features_in_ == 3 and again.model_.quantized
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_release_before_names_the_version(model, tmp_path, monkeypatch):
    model.save(tmp_path / "model.fastlstm")
    monkeypatch.setattr(migrations, "CURRENT_VERSION", 4)
    with pytest.raises(ModelFormatError, match=r"version 10.* up to 4; upgrade fastlstm"):
        fastlstm.load(tmp_path / "model.fastlstm")


@pytest.mark.parametrize("name", ["embedding", "lstm.0.reverse.w_h"])
def test_changed_weights_are_not_rounded_in_silence(original, name, tmp_path):
    model = original.quantize()
    array = model.networks_[1].arrays()[name]
    array[array.shape[0] - 1, 1] += np.abs(array).max() / 300
    with pytest.raises(ValueError, match=f"'network.1.{name}' of this quantized model were"):
        model.save(tmp_path / "model.fastlstm")
    assert list(tmp_path.iterdir()) == []


# -- pairs ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(0, 40), st.just(2)),
              elements=st.integers(0, 300) | st.integers(0, 2**31 - 1)))  # fmt: skip
def test_pairs_come_back(pairs):
    codes = packed_pairs(pairs)
    assert len(by_hand(codes)) == len(pairs)
    found = unpacked_pairs("ngrams", codes)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, pairs)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_pairs_or_refused(codes):
    codes = np.frombuffer(codes, dtype=np.uint8)
    try:
        pairs = unpacked_pairs("ngrams", codes)
    except ModelFormatError:
        return
    assert pairs.shape == (np.count_nonzero(codes < 128), 2)
    assert (pairs >= 0).all()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([3, 200], "does not end"),
        ([128] * 10 + [0], "does not end"),
        ([255] * 9 + [1], "beyond 32 bits"),
        ([128, 128, 128, 128, 8], "beyond 32 bits"),
    ],
)
def test_codes_of_no_pairs(codes, message):
    with pytest.raises(ModelFormatError, match=message):
        unpacked_pairs("ngrams", np.array(codes, dtype=np.uint8))


# -- damage that a right checksum covers ------------------------------------------------------

TABLE, MATRIX = "network.0.embedding", "network.1.lstm.0.forward.w_x"


def change(name, make):
    def edit(arrays, metadata):
        arrays[name] = make(arrays[name])

    return edit


def put(name, place, value):
    def edit(arrays, metadata):
        arrays[name][place] = value

    return edit


def drop(name):
    return lambda arrays, metadata: arrays.pop(name)


def as_floats(arrays, metadata):
    arrays.update(enlarged(arrays))
    del arrays[f"{TABLE}.scales"]


def no_row(arrays, metadata):
    arrays[TABLE], arrays[f"{TABLE}.scales"] = arrays[TABLE][:-1], arrays[f"{TABLE}.scales"][:-1]


INCONSISTENT = {
    "no_mark": (lambda _, metadata: metadata.pop("quantized"), "inconsistent: 'quantized'"),
    "mark_number": (lambda _, metadata: metadata.update(quantized=1), "quantized is 1, which"),
    "mark_none": (lambda _, metadata: metadata.update(quantized=None), "quantized is None"),
    "not_marked": (lambda _, metadata: metadata.update(quantized=False), "n-grams are uint8"),
    "floats": (as_floats, "wide.ngrams are int32|ngrams are int32|without scales"),
    "no_scales": (drop(f"{TABLE}.scales"), f"'{TABLE}' are without scales"),
    "no_numbers": (drop(TABLE), r"unexpected weights \['embedding', 'embedding.scales'\]"),
    "more_scales": (
        lambda arrays, _: arrays.update({"network.0.dense.w.scales": np.ones(3, np.float32)}),
        r"unexpected weights \['dense.w.scales'\]",
    ),
    "scales_short": (change(f"{TABLE}.scales", lambda a: a[1:]), "scales' are float32"),
    "scales_column": (change(f"{TABLE}.scales", lambda a: a[:, None]), "scales' are float32"),
    "scales_double": (change(f"{TABLE}.scales", lambda a: a.astype(float)), "scales' are float64"),
    "scales_of_rows": (
        change(f"{MATRIX}.scales", lambda a: np.ones(32, np.float32)), r"not float32 \(64,\)",
    ),
    "numbers_float": (change(TABLE, lambda a: a.astype(np.float32)), "are float32 .* not int8"),
    "numbers_wide": (change(TABLE, lambda a: a.astype(np.int16)), "are int16 .* not int8"),
    "numbers_unsigned": (change(TABLE, lambda a: a.view(np.uint8)), "are uint8 .* not int8"),
    "numbers_flat": (change(TABLE, np.ravel), "not int8"),
    "numbers_deep": (change(TABLE, lambda a: a[None]), "not int8"),
    "numbers_none": (change(TABLE, lambda a: a[:0]), r"not float32 \(0,\)"),
    "other_size": (no_row, "weights 'embedding' are float32"),
    "lowest": (put(TABLE, (2, 0), -128), f"'{TABLE}' are not rounded"),
    "none_at_an_end": (put(TABLE, 2, 3), f"'{TABLE}' are not rounded"),
    "numbers_without_scale": (put(f"{TABLE}.scales", 2, 0), "are not rounded"),
    "scale_of_nothing": (put(TABLE, 2, 0), "are not rounded"),
    "scale_negative": (put(f"{MATRIX}.scales", 0, -0.5), f"'{MATRIX}' are not rounded"),
    "scale_long": (put(f"{MATRIX}.scales", 0, np.float32(0.1)), "are not rounded"),
    "scale_huge": (put(f"{MATRIX}.scales", 0, 2.0**125), "are not rounded"),
    "scale_tiny": (put(f"{MATRIX}.scales", 0, 2.0**-140), "are not rounded"),
    "linear_float32": (change("wide.weights", lambda a: a.astype(np.float32)), "not float16"),
    "linear_int16": (change("wide.weights", lambda a: a.view(np.int16)), "not float16"),
    "linear_short": (change("wide.weights", lambda a: a[:, 1:]), "wide.weights is float32"),
    "no_linear": (drop("wide.weights"), "inconsistent: 'wide.weights'"),
    "pairs": (change("ngrams", lambda a: np.zeros((1, 2), np.int32)), "ngrams are int32"),
    "pairs_cut": (change("wide.ngrams", lambda a: a[:-1]), "wide.ngrams are damaged|wide.weights"),
    "pairs_order": (change("ngrams", lambda a: np.zeros(len(a), np.uint8)), "n-grams"),
    "pairs_signed": (change("ngrams", lambda a: a.view(np.int8)), "ngrams are int8"),
    "no_pairs": (drop("ngrams"), r"unexpected weights \['ngrams'\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", INCONSISTENT)
def test_inconsistent_arrays_are_refused(content, tmp_path, name):
    edit, message = INCONSISTENT[name]
    arrays, metadata = copy.deepcopy(content)
    edit(arrays, metadata)
    path = tmp_path / "model.fastlstm"
    write_container(path, arrays, metadata)
    for read in (read_model, fastlstm.load, fastlstm.Predictor):
        with pytest.raises(ModelFormatError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


DTYPES = st.sampled_from([np.int8, np.uint8, np.int16, np.float16, np.float32, np.int32])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_other_arrays_are_read_or_refused(content, data):
    """Whatever takes the place of an array, the answer is a model or a ModelFormatError."""
    arrays_, metadata = copy.deepcopy(content)
    name = data.draw(st.sampled_from(sorted(arrays_)))
    old = arrays_[name]
    shape = data.draw(st.sampled_from([old.shape, old.shape[::-1], (old.size,), (0,), (1, 2, 3)]))
    dtype = data.draw(DTYPES)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    arrays_[name] = rng.integers(0, 120, size=shape).astype(dtype)
    box = io.BytesIO()
    write_container(box, arrays_, metadata)
    box.seek(0)
    try:
        saved = read_model(box)
    except ModelFormatError:
        return
    again = io.BytesIO()
    LSTM = fastlstm.load(io.BytesIO(box.getvalue()))
    LSTM.save(again)
    assert weights(read_model(io.BytesIO(again.getvalue())).model) == weights(saved.model)

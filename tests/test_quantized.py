"""Rounding to 8 bits, against NumPy's arithmetic in double precision."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from fastlstm import LSTMSentimentClassifier
from fastlstm.classifier import fitted
from fastlstm.classifier.fitted import Scorer, predicting_precision, usable_precision
from fastlstm.classifier.quantized import Change, EightBits, quantized, rounding_errors
from fastlstm.core.errors import BackendError

TEXTS = ["a good film", "a bad film", "fine 好看 film", "dull 难看", "so so film"] * 6
LABELS = ["good", "bad", "good", "bad", "neutral"] * 6
SMALL = {
    "embedding_dim": 6, "hidden_size": 5, "max_epochs": 2, "n_estimators": 2, "random_state": 0,
    "word_vectors": None, "n_jobs": 1, "num_layers": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return LSTMSentimentClassifier(**SMALL).fit(TEXTS, LABELS).model_


# Sizes that weights have, and the ends of what float32 has.
WEIGHTS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(-4, 4, width=32)
MATRICES = arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 5)), elements=WEIGHTS)


@settings(max_examples=300, deadline=None)
@given(MATRICES, st.sampled_from([0, 1]))
def test_numbers_are_the_nearest_and_their_weights_exact(weights, axis):
    found = EightBits.of(weights, axis)
    assert found.numbers.dtype == np.int8 and found.scales.dtype == np.float32
    assert found.numbers.shape == weights.shape
    assert found.scales.shape == (weights.shape[1 - axis],)
    scales = np.expand_dims(found.scales.astype(np.float64), axis)
    exact = found.numbers * scales
    np.testing.assert_array_equal(found.weights().astype(np.float64), exact)
    largest = np.abs(weights.astype(np.float64)).max(axis=axis, initial=0, keepdims=True)
    usual = (largest > 1e-28) & (largest < 1e37)
    away = np.abs(exact - weights)
    # Half a step; the largest ones may lie a little beyond 127 of them.
    assert (away <= np.where(usual, scales * (0.5 + 2**-10), largest)).all()
    np.testing.assert_allclose(scales[usual], largest[usual] / 127, rtol=2**-17)


@settings(max_examples=300, deadline=None)
@given(MATRICES, st.sampled_from([0, 1]))
def test_rounding_twice_is_rounding_once(weights, axis):
    once = EightBits.of(weights, axis)
    again = EightBits.of(once.weights(), axis)
    np.testing.assert_array_equal(again.numbers, once.numbers)
    np.testing.assert_array_equal(again.scales, once.scales)
    assert once.is_as_rounded


@settings(max_examples=200, deadline=None)
@given(arrays(np.float32, (6, 3), elements=st.floats(-4, 4, width=32)))
def test_the_usual_rule_finds_numbers_and_scales_again(weights):
    """Scale max|w| / 127 in float32, halves to even: what a kernel does that packs weights."""
    once = EightBits.of(weights, 0)
    rounded = once.weights()
    scales = np.abs(rounded).max(axis=0) / np.float32(127)
    np.testing.assert_array_equal(scales, once.scales)
    used = scales > 0
    numbers = np.rint(rounded[:, used] / scales[used])
    np.testing.assert_array_equal(numbers, once.numbers[:, used])


def test_halves_go_to_the_even_number():
    weights = np.array([[127, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5]], dtype=np.float32)
    found = EightBits.of(weights, 1)
    assert found.scales.tolist() == [1]
    assert found.numbers.tolist() == [[127, 0, 2, 2, 0, -2, 126]]


@pytest.mark.parametrize(
    ("row", "numbers"),
    [([0, 0], [0, 0]), ([1e-40, -1e-44], [0, 0]), ([3e38, -3.4e38], [127, -127])],
)
def test_ends_of_the_range(row, numbers):
    found = EightBits.of(np.array([row], dtype=np.float32), 1)
    assert found.numbers.tolist() == [numbers]
    assert np.isfinite(found.weights()).all()
    assert found.is_as_rounded


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(model, value):
    model.networks[0].named["lstm.1.forward.w_h"][0, 0], kept = (
        value, model.networks[0].named["lstm.1.forward.w_h"][0, 0].copy(),
    )  # fmt: skip
    try:
        with pytest.raises(ValueError, match="NaN or infinite.*lower learning_rate"):
            quantized(model)
    finally:
        model.networks[0].named["lstm.1.forward.w_h"][0, 0] = kept


def test_what_is_rounded_and_what_is_not(model):
    before = [{name: a.tobytes() for name, a in p.arrays().items()} for p in model.networks]
    rounded = quantized(model)
    assert rounded.quantized and not model.quantized
    for old, new, bits in zip(model.networks, rounded.networks, before, strict=True):
        assert {name: array.tobytes() for name, array in old.arrays().items()} == bits
        for name, array in new.arrays().items():
            same = array.tobytes() == bits[name]
            assert same == (name.endswith(".b") or name == "dense.w"), name
            if not same:
                axis = 1 if name == "embedding" else 0
                distinct = EightBits.of(array, axis)
                np.testing.assert_array_equal(distinct.weights(), array)
        assert new.table.parents is old.table.parents
    np.testing.assert_array_equal(
        rounded.linear.weights, model.linear.weights.astype(np.float16).astype(np.float32)
    )
    for name in ("encoder", "config", "ngrams", "blend", "classes", "class_prior", "record"):
        assert getattr(rounded, name) is getattr(model, name)
    assert quantized(rounded) is rounded
    again = quantized(replace(rounded, quantized=False))
    for one, other in zip(again.networks, rounded.networks, strict=True):
        np.testing.assert_array_equal(one.flat, other.flat)
        np.testing.assert_array_equal(one.embedding, other.embedding)


def test_a_weight_beyond_16_bits_is_refused(model):
    weights = model.linear.weights.copy()
    weights[0, 2] = 7e4
    with pytest.raises(ValueError, match="linear part is beyond 65504"):
        quantized(replace(model, linear=model.linear._replace(weights=weights)))


def test_rounding_errors(model):
    rounded = quantized(model)
    errors = rounding_errors(model, rounded)
    assert set(errors) == {"vectors", "lstm", "linear_part"}
    assert 0.0005 < errors["vectors"] < 0.01 and 0.0005 < errors["lstm"] < 0.01
    old, new = (m.linear.weights.astype(np.float64) for m in (model, rounded))
    expected = np.linalg.norm(new - old) / np.linalg.norm(old)
    assert errors["linear_part"] == pytest.approx(expected) and expected < 2**-11
    assert set(rounding_errors(rounded, rounded).values()) == {0.0}


def test_change():
    before = np.array([[0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
    after = np.array([[0.45, 0.55], [0.2, 0.8], [0.5, 0.5]])
    assert Change.between(before, after) == (3, 1, pytest.approx(0.15))
    assert Change.between(before[:0], after[:0]) == (0, 0, 0.0)


def test_probabilities_of_a_scorer():
    two = LSTMSentimentClassifier(**SMALL).fit(TEXTS[:2] * 9, LABELS[:2] * 9)
    encoded = two.encoder_.encode(TEXTS)
    found = two.scorer_.probabilities(encoded)
    np.testing.assert_allclose(found[:, 1], expit(two.decision_function(TEXTS)), rtol=1e-12)


# -- the precision that a model predicts in ----------------------------------------------


def backend(packed):
    """Stands for a backend that packs weights of 8 bits so, or refuses to."""

    def packed_dtype(dtype, precision, training):
        if packed is None or (precision == "int8" and training):
            raise BackendError("no such products")
        return np.dtype(packed if precision == "int8" else dtype)

    return SimpleNamespace(packed_dtype=packed_dtype)


@pytest.mark.parametrize(
    ("packed", "precision"), [(np.int8, "int8"), (np.float32, "float32"), (None, "float32")]
)
def test_int8_is_taken_where_the_backend_has_it(model, monkeypatch, packed, precision):
    monkeypatch.setattr(fitted, "load_backend", lambda name: backend(packed))
    assert usable_precision("auto", "int8") == precision
    assert usable_precision("auto", "float32") == "float32"
    assert predicting_precision(quantized(model), "auto") == precision
    assert predicting_precision(quantized(model), "auto", "bfloat16") == precision
    assert predicting_precision(model, "auto") == "float32"


def test_int8_that_is_not_there_is_refused(model, monkeypatch):
    without = SimpleNamespace(NAME="plain", packed_dtype=backend(np.float32).packed_dtype)
    monkeypatch.setattr(fitted, "load_backend", lambda name: without)
    with pytest.raises(BackendError, match="8-bit numbers, which backend='plain' has not"):
        Scorer(model, precision="int8")


def test_an_unknown_precision_is_refused(model):
    with pytest.raises(ValueError, match="'int4' is not known; use one of 'float32', 'bfloat16'"):
        Scorer(model, precision="int4")


def test_slopes_are_taken_in_float32(model):
    rounded = quantized(model)
    plain = Scorer(rounded)
    assert plain.with_slopes() is plain
    quick = Scorer(rounded)
    quick.precision = "int8"
    slow = quick.with_slopes()
    assert slow.precision == "float32" and slow.model is rounded
    assert slow.backend == quick.backend

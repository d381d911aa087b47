"""``partial_fit``: whole or not at all, the same bits however its memory is kept, and drift."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, NonFiniteLossWarning, datasets
from fastlstm.classifier import linear_further
from fastlstm.classifier.fitted import Scorer
from fastlstm.kernels.registry import load_backend
from fastlstm.training.loop import Trainer
from tests.helpers import has_bfloat16

REVIEWS = datasets.load_reviews("en", split="train")
TEXTS, LABELS = list(REVIEWS.texts), list(REVIEWS.labels)
N = 80  # documents of the fit; the stream is of those behind
NEW = TEXTS[200:230]
SETTINGS = {
    "embedding_dim": 8, "hidden_size": 8, "word_vectors": None, "max_epochs": 2,
    "n_estimators": 2, "random_state": 0,
}  # fmt: skip


def fit(**settings):
    return LSTMSentimentClassifier(**{**SETTINGS, **settings}).fit(TEXTS[:N], LABELS[:N])


def parts(n=6, size=3, first=N):
    """Parts of the stream, as arguments of ``partial_fit``."""
    for begin in range(first, first + n * size, size):
        yield TEXTS[begin : begin + size], LABELS[begin : begin + size]


def state(clf):
    """Every number that ``partial_fit`` goes on from, in bytes."""
    arrays = [array for network in clf.networks_ for array in network.arrays().values()]
    for each in clf._states.networks if clf._states else ():
        arrays += [each.parameters.embedding, each.parameters.flat]
        arrays += [slot for slots in each.slots or () for slot in slots]
        arrays += each.moments.arrays if each.moments else ()
        arrays.append(np.frombuffer(repr((each.step, each.rng.bit_generator.state)).encode(), "u1"))
    if getattr(clf, "wide_", None) is not None:
        arrays += [clf.wide_.weights, clf.wide_.bias]
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


def stream_of_ids(n=6, size=3):
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 60, (n * size, 9)), rng.integers(0, 3, n * size)
    return [(X[i : i + size], y[i : i + size]) for i in range(0, n * size, size)]


CASES = {
    "adam": (fit, {}, parts),
    "adamw": (fit, {"optimizer": "adamw"}, parts),
    "sgd": (fit, {"optimizer": "sgd"}, parts),
    "one network": (fit, {"n_estimators": 1, "wide": None, "calibrate": False}, parts),
    "one document": (fit, {}, lambda: parts(8, 1)),
    "many minibatches": (fit, {"batch_size": 1, "n_estimators": 1}, lambda: parts(2, 70, 0)),
    "bfloat16": (fit, {"precision": "bfloat16"}, parts),
    "ids": (
        lambda **settings: LSTMClassifier(
            vocabulary_size=60, ngrams=2, embedding_dim=8, hidden_size=8, random_state=0
        ).partial_fit(*stream_of_ids()[0], classes=[0, 1, 2]),
        {}, stream_of_ids,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_as_with_copies_of_everything(name):
    """What comes back from a pickle has no memory of older versions: all is copied anew."""
    begin, settings, stream = CASES[name]
    if name == "bfloat16" and not has_bfloat16(load_backend("auto")):
        pytest.skip("no bfloat16 products on this machine")
    one, other = begin(**settings), begin(**settings)
    for X, y in stream():
        weight = np.linspace(0, 2, len(y)) if len(y) > 1 else None
        one.partial_fit(X, y, sample_weight=weight)
        other = pickle.loads(pickle.dumps(other)).partial_fit(X, y, sample_weight=weight)
        assert state(one) == state(other)


def test_tables_are_not_copied_from_the_third_call_on():
    clf, places = fit(), []
    for X, y in parts(8):
        clf.partial_fit(X, y)
        arrays = [
            clf.networks_[0].embedding,
            *clf._states.networks[1].moments.arrays,
            clf.wide_.weights,
        ]
        places.append([array.ctypes.data for array in arrays])
    assert places[2:] == places[:-2]


def test_models_that_somebody_holds_do_not_change():
    clf, held = fit(), []
    for X, y in parts(7):
        clf.partial_fit(X, y)
        held.append((copy.copy(clf), state(clf), clf.predict_proba(NEW)))
        held.append((clf.scorer_, None, clf.decision_function(NEW)))
    for one, expected, answer in held:
        if expected is None:
            found = one.logits(one.model.encoder.encode(NEW))
            assert np.array_equal(found, answer)
        else:
            assert state(one) == expected
            assert np.array_equal(one.predict_proba(NEW), answer)


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_copies_go_on_apart(twin):
    clf, alone = fit(), fit()
    for X, y in parts(3):
        clf.partial_fit(X, y)
        alone.partial_fit(X, y)
    other, expected = twin(clf), pickle.loads(pickle.dumps(clf))
    for (X, y), (others, labels) in zip(parts(5, 3, 100), parts(5, 3, 130), strict=True):
        clf.partial_fit(X, y)
        other.partial_fit(others, labels)
        alone.partial_fit(X, y)
        expected.partial_fit(others, labels)
    assert state(clf) == state(alone)
    assert state(other) == state(expected)


@pytest.mark.parametrize("where", ["second network", "linear part", "scorer"])
def test_a_call_that_fails_changes_nothing(where, monkeypatch):
    clf, alone = fit(), fit()
    for X, y in parts(4):
        clf.partial_fit(X, y)
        alone.partial_fit(X, y)
    before, answer = state(clf), clf.predict_proba(NEW)
    calls = []

    def failing(real, at):
        def function(*arguments, **options):
            result = real(*arguments, **options)
            calls.append(at)
            if len(calls) == at:
                raise KeyboardInterrupt
            return result

        return function

    with monkeypatch.context() as patch:
        if where == "second network":
            patch.setattr(Trainer, "_update", failing(Trainer._update, 2))
        elif where == "linear part":
            patch.setattr(linear_further, "features", failing(linear_further.features, 1))
        else:
            patch.setattr("fastlstm.estimator.base.Scorer", failing(Scorer, 1))
        with pytest.raises(KeyboardInterrupt):
            clf.partial_fit(TEXTS[150:153], LABELS[150:153])
    assert state(clf) == before
    assert np.array_equal(clf.predict_proba(NEW), answer)
    for X, y in parts(3, 3, 160):
        clf.partial_fit(X, y)
        alone.partial_fit(X, y)
    assert state(clf) == state(alone)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_a_loss_that_is_not_finite_keeps_the_weights_before(batch_size):
    clf = fit(wide=None, calibrate=False, batch_size=batch_size)
    for X, y in parts(4):
        clf.partial_fit(X, y)
    before = [network.copy() for network in clf.networks_]
    clf.set_params(learning_rate=1e39, max_grad_norm=None)
    with pytest.warns(NonFiniteLossWarning), np.errstate(all="ignore"):
        clf.partial_fit(TEXTS[150:154], LABELS[150:154])
    assert clf.stopped_by_ == "non_finite_loss"
    for one, other in zip(before, clf.networks_, strict=True):
        assert np.array_equal(one.flat, other.flat)
        assert np.array_equal(one.embedding, other.embedding)
    clf.set_params(learning_rate=0.003)
    twin = pickle.loads(pickle.dumps(clf))
    for X, y in parts(4, 3, 160):
        clf.partial_fit(X, y)
        twin.partial_fit(X, y)
    assert clf.stopped_by_ == "max_epochs"
    assert state(clf) == state(twin)


def test_predictions_beside_it_are_of_one_whole_model():
    clf, alone = fit(), fit()
    stream = list(parts(12, 2))
    answers = [alone.predict_proba(NEW).tobytes()]
    for X, y in stream:
        answers.append(alone.partial_fit(X, y).predict_proba(NEW).tobytes())
    seen, stop = set(), threading.Event()

    def predict():
        while not stop.is_set():
            seen.add(clf.predict_proba(NEW).tobytes())

    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(predict) for _ in range(2)]
        for X, y in stream:
            clf.partial_fit(X, y)
        stop.set()
        for each in work:
            each.result()
    assert seen <= set(answers)
    assert clf.predict_proba(NEW).tobytes() == answers[-1]
    assert state(clf) == state(alone)


def test_calls_beside_each_other_leave_what_one_of_them_made():
    clf = fit()
    for X, y in parts(3):
        clf.partial_fit(X, y)
    part = TEXTS[150:153], LABELS[150:153]
    twin = pickle.loads(pickle.dumps(clf))
    after = [state(twin.partial_fit(*part)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: clf.partial_fit(*part), range(4)))
    assert state(clf) in after


def test_after_load_it_goes_on_as_before(tmp_path):
    clf = fit()
    for X, y in parts(3):
        clf.partial_fit(X, y)
    clf.save(tmp_path / "model.fastlstm")
    one, other = (fastlstm.load(tmp_path / "model.fastlstm") for _ in range(2))
    assert np.array_equal(one.predict_proba(NEW), clf.predict_proba(NEW))
    for X, y in parts(5, 3, 120):
        one.partial_fit(X, y)
        other = pickle.loads(pickle.dumps(other)).partial_fit(X, y)
    assert state(one) == state(other)


def test_documents_without_a_token_change_no_weight():
    clf = fit()
    clf.partial_fit(TEXTS[:3], LABELS[:3])
    networks, wide = [network.copy() for network in clf.networks_], clf.wide_
    weights, bias = wide.weights.copy(), wide.bias.copy()
    clf.partial_fit(["", " "], [LABELS[0]] * 2)
    for one, other in zip(networks, clf.networks_, strict=True):
        assert np.array_equal(one.flat, other.flat)
        assert np.array_equal(one.embedding, other.embedding)
    assert np.array_equal(clf.wide_.weights, weights)
    assert np.array_equal(clf.wide_.bias, bias)


# -- drift -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_that_change_change_the_answers(n_classes):
    """A linear part that is sure must not keep the old answer for ever."""
    rng = np.random.default_rng(0)
    classes = np.array(["bad", "good", "so so"])[:n_classes]
    words = [[f"{name.replace(' ', '')}{i}" for i in range(6)] for name in classes]
    y = np.arange(240) % n_classes
    texts = [" ".join([*rng.choice(words[label], 4), "a", "film"]) for label in y]
    clf = LSTMSentimentClassifier(**{**SETTINGS, "max_epochs": 6}).fit(texts, classes[y])
    assert (clf.predict(texts) == classes[y]).mean() > 0.95
    other = classes[(y + 1) % n_classes]
    for _ in range(20):
        for first in range(0, 40, 8):
            clf.partial_fit(texts[first : first + 8], other[first : first + 8])
    assert (clf.predict(texts[:40]) == other[:40]).all()
    assert (clf.predict(texts[40:]) == other[40:]).mean() > 0.95


def test_one_document_whose_label_changes():
    clf = fit(max_epochs=6)
    text, label = TEXTS[0], clf.predict(TEXTS[:1])[0]
    other = next(each for each in clf.classes_ if each != label)
    for _ in range(20):
        clf.partial_fit([text], [other])
    assert clf.predict([text])[0] == other


def test_the_linear_part_learns_its_documents_and_nothing_else():
    clf = fit()
    before = clf.wide_.weights.copy()
    clf.partial_fit(TEXTS[100:101], LABELS[100:101])
    whole = clf.encoder_.encode(TEXTS[100:101]).whole
    _, ids = linear_further.features(clf.wide_.ngrams, whole)
    changed = np.flatnonzero((clf.wide_.weights != before).any(axis=0))
    assert changed.tolist() == ids.tolist()
    step = (clf.wide_.weights - before)[:, changed]
    np.testing.assert_allclose(step, np.tile(step[:, :1], len(changed)), rtol=1e-4, atol=1e-7)
    assert ((step > 0).all(axis=1) == (clf.classes_ == LABELS[100])).all()
    assert ((step < 0).all(axis=1) == (clf.classes_ != LABELS[100])).all()


def test_weights_of_documents_count_in_the_linear_part():
    def moved(weight):
        clf = fit()
        before = clf.wide_.logits(clf.encoder_.encode(TEXTS[100:102]).whole)[:, 0]
        clf.partial_fit(TEXTS[100:102], LABELS[100:102], sample_weight=weight)
        return np.abs(clf.wide_.logits(clf.encoder_.encode(TEXTS[100:102]).whole)[:, 0] - before)

    even, first, all_of_first = moved(None), moved([3, 1]), moved([1, 0])
    assert first[0] > even[0]
    assert all_of_first[0] > first[0]
    assert moved([2, 2]) == pytest.approx(even)

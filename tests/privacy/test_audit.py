"""Audits: bounds against mechanisms whose promise is known, and attacks on models."""

import math

import numpy as np
import pytest

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Privacy
from fastlstm.privacy import audit
from fastlstm.privacy.audit import _best_bound
from fastlstm.privacy.bounds import epsilon_at_least, surprise

RNG = np.random.default_rng(0)


def test_all_guesses_right():
    # Without delta: q^100 = 0.05 for the chance q = e^eps / (1 + e^eps) of a right guess.
    q = 0.05**0.01
    found = epsilon_at_least(1000, 100, 100, 0.0)
    assert found == pytest.approx(math.log(q / (1 - q)), abs=1e-5)
    assert epsilon_at_least(1000, 100, 50, 0.0) == 0.0
    assert epsilon_at_least(1000, 0, 0, 0.0) == 0.0
    assert epsilon_at_least(1000, 100, 100, 1e-3) < found


def test_delta_by_hand():
    # Two guesses, both right, at epsilon 0: 1/4, and what delta adds: the larger of
    # P[1] / 1 = 1/2 and P[0 or 1] / 2 = 3/8.
    assert surprise(10, 2, 2, 0.0, 1e-3) == pytest.approx(1 / 4 + 2 * 10 * 1e-3 / 2)
    # One right of two: 3/4, and P[0] / 1 = 1/4.
    assert surprise(10, 2, 1, 0.0, 1e-3) == pytest.approx(3 / 4 + 2 * 10 * 1e-3 / 4)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
@pytest.mark.parametrize("delta", [0.0, 1e-2])
def test_a_true_promise_is_refuted_in_no_more_runs_than_is_said(epsilon, delta):
    # Randomised response: each bit is told as it is with the chance e^eps / (1 + e^eps), and
    # with delta always: exactly (epsilon, delta).
    n, runs = 100, 2000
    told = 1 / (1 + math.exp(-epsilon))
    right = RNG.random((runs, n)) < told
    right |= RNG.random((runs, n)) < delta
    bound = {k: epsilon_at_least(n, n, k, delta, 0.95) for k in range(n + 1)}
    refuted = np.mean([bound[k] > epsilon for k in right.sum(axis=1)])
    assert refuted < 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)
    # And nearly as often as is said: the bound is no idle one.
    if not delta:
        assert refuted > 0.01
        assert np.mean([bound[k] for k in right.sum(axis=1)]) > 0.3 * epsilon


@pytest.mark.parametrize("epsilon", [0.5, 1.0])
def test_the_best_of_some_ways_to_guess_is_wrong_no_more_often(epsilon):
    n, runs = 200, 3000
    given = RNG.random((runs, n)) < 0.5
    right = RNG.random((runs, n)) < 1 / (1 + math.exp(-epsilon))
    score = np.where(right == given, 1.0, -1.0) + RNG.uniform(-0.1, 0.1, (runs, n))
    bounds = [_best_bound(s, g, 0.0, 0.8).epsilon for s, g in zip(score, given, strict=True)]
    refuted = np.mean(np.array(bounds) > epsilon)
    assert refuted < 0.2 and np.mean(bounds) > 0.2 * epsilon
    # Without sharing the confidence out among the ways it would be wrong more often than is said.
    assert refuted > 0.01


WORDS = np.array([f"w{i}" for i in range(300)])
TEXTS = [" ".join(RNG.choice(WORDS, 12)) for _ in range(300)]
LABELS = RNG.choice(["good", "bad"], 300)
SMALL = {"n_estimators": 1, "max_epochs": 30, "embedding_dim": 16, "hidden_size": 16,
         "word_vectors": None, "random_state": 0}  # fmt: skip

BY_HEART = {**SMALL, "wide": None, "calibrate": False, "dropout": 0.0, "embedding_dropout": 0.0,
            "token_dropout": 0.0}  # fmt: skip


@pytest.fixture(scope="module")
def ordinary():
    clf = LSTMSentimentClassifier(**BY_HEART)
    return audit(clf, TEXTS, LABELS, n_canaries=100, random_state=1)


def test_a_model_that_learns_by_heart_is_found_out(ordinary):
    assert ordinary.epsilon > 1.0 and ordinary.promised is None and ordinary.holds
    assert ordinary.n_correct > 0.8 * ordinary.n_guesses
    # Labels are by chance, so what it knows of its own documents it has from them alone.
    assert ordinary.membership > 0.8
    assert ordinary.exposure.shape == (10,)
    assert 0 <= ordinary.exposure.min() <= ordinary.exposure.max() <= ordinary.largest_exposure
    assert ordinary.exposure.mean() > 3
    assert ordinary.estimator.predict(TEXTS[:2]).shape == (2,)


def test_it_can_be_repeated(ordinary):
    clf = LSTMSentimentClassifier(**BY_HEART)
    again = audit(clf, TEXTS, LABELS, n_canaries=100, random_state=1)
    assert again._replace(estimator=None, exposure=None) == ordinary._replace(
        estimator=None, exposure=None
    )
    assert not hasattr(clf, "model_")


def test_a_private_model_keeps_its_promise():
    pytest.importorskip("dp_accounting")
    pytest.importorskip("randomgen")
    clf = LSTMSentimentClassifier.private(
        2.0, vocabulary=list(WORDS), max_epochs=3, embedding_dim=8, hidden_size=8
    )
    found = audit(clf, TEXTS, LABELS, n_canaries=100, random_state=1)
    assert found.promised <= 2.0 and found.holds
    assert found.membership < 0.75 and found.exposure.mean() < 3.5


def test_where_nothing_tells_secrets_apart_none_is_exposed():
    pytest.importorskip("dp_accounting")
    # The words of secrets are unknown to the model, so that all of them are alike.
    clf = LSTMSentimentClassifier.private(
        Privacy(noise_multiplier=5.0, delta=1e-3), vocabulary=["other"], wide=None, max_epochs=1,
        embedding_dim=2, hidden_size=2, random_state=0,
    )  # fmt: skip
    found = audit(clf, TEXTS, LABELS, n_canaries=10, random_state=1)
    assert found.exposure == pytest.approx(np.full(10, 1.0), abs=0.01)
    assert found.promised is None  # the noise can be repeated
    assert found.estimator.privacy_.repeatable


def test_token_ids_and_persons():
    pytest.importorskip("dp_accounting")
    X = RNG.integers(2, 40, (120, 6))
    y = X[:, 0] > 20
    clf = LSTMClassifier.private(
        Privacy(noise_multiplier=1.0, delta=1e-3, unit=np.arange(120) // 3), vocabulary_size=40,
        max_epochs=1, embedding_dim=4, hidden_size=4, random_state=0,
    )  # fmt: skip
    found = audit(clf, X, y, n_canaries=10, n_secrets=2, random_state=0)
    record = found.estimator.privacy_
    # 108 documents of at most 40 persons, and each planted one is a person of its own.
    assert record.unit == "array" and 2 < record.n_units - len(np.unique(np.arange(120) // 3)) <= 12
    assert found.n_canaries == 10 and found.holds
    assert len(set(found.exposure)) > 1  # rows of 6 ids have secrets, too


@pytest.mark.parametrize(
    ("X", "y", "options", "match"),
    [
        (["a"] * 30, ["x"] * 29, {}, "30 documents and y has the shape"),
        (["a"] * 10, ["x"] * 10, {}, "20 documents or more, got 10"),
        ([1] * 30, [1] * 30, {}, "takes texts, a list of str"),
        (TEXTS, LABELS, {"n_canaries": 0}, "n_canaries must be an int of at least 1, got 0"),
        (TEXTS, LABELS, {"confidence": 95}, "confidence must be a number between 0 and 1, got 95"),
        ([""] * 30, [0, 1] * 15, {}, "X has none"),
        (np.zeros((30, 4), int), [0, 1] * 15, {}, "X has none"),
        (TEXTS, LABELS, {"n_secrets": 1.5}, "n_secrets must be an int of at least 1, got 1.5"),
    ],
)
def test_what_cannot_be(X, y, options, match):
    with pytest.raises(ValueError, match=match):
        audit(LSTMSentimentClassifier(**SMALL), X, y, **options)

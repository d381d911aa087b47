"""The search in a time budget, on the bundled reviews."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score

from fastlstm import LSTMSentimentClassifier, datasets, tune
from fastlstm.classifier.held_out import hold_out
from fastlstm.estimator import tuning

START = {"max_epochs": 2, "max_length": None, "max_features": 300}


@pytest.fixture(scope="module")
def reviews():
    data = datasets.load_reviews(split="train")
    return data.texts[:300], np.asarray(data.labels)[:300]


def fit_nothing(monkeypatch, score):
    """Trials whose score is made up from parameters and number of documents, in no time."""
    seen = []

    def made_up(self, params, rows):
        seen.append((params, rows))
        return score(params, len(rows))

    monkeypatch.setattr(tuning._Search, "_score", made_up)
    return seen


def test_a_real_search(reviews):
    steps = []
    started = time.perf_counter()
    found = tune(
        *reviews, minutes=0.03, estimator=LSTMSentimentClassifier(**START), metric="macro_f1",
        report=lambda trials: steps.append(len(trials)),
    )  # fmt: skip
    assert time.perf_counter() - started < 60
    assert steps == sorted(steps) and steps[0] == 1
    first = found.trials[0]
    assert first.params == {} and first.share == 1
    assert found.best_score == max(t.score for t in found.trials if t.share == 1)
    # The score is that of a fit by hand.
    train, held_out = hold_out(reviews[1], 0.2, 0)
    rows = np.random.default_rng(0).permutation(train)
    clf = LSTMSentimentClassifier(**START, **tuning._ALONE, random_state=0)
    clf.fit([reviews[0][i] for i in rows], reviews[1][rows])
    predicted = clf.predict([reviews[0][i] for i in held_out])
    expected = f1_score(reviews[1][held_out], predicted, average="macro")
    assert first.score == pytest.approx(expected)
    start = LSTMSentimentClassifier(**START)
    assert clone(start).set_params(**found.best_params).get_params()


def test_worse_trials_end_early_and_the_best_one_is_found(reviews, monkeypatch):
    texts, labels = reviews
    texts, labels = texts * 4, np.tile(labels, 4)

    def score(params, n):
        rate = params.get("learning_rate", 3e-3)
        return 0.5 - 10 * abs(rate - 5e-3) + n * 1e-5

    seen = fit_nothing(monkeypatch, score)
    found = tune(texts, labels, minutes=0.02)
    full = max(len(rows) for _, rows in seen)
    assert full == 960
    assert [len(rows) for _, rows in seen[:3]] == [240, 480, 960]  # the first is finished
    assert set(seen[0][1]) < set(seen[1][1]) < set(seen[2][1])
    shares = [trial.share for trial in found.trials]
    assert shares.count(0.25) > 10 < shares.count(1.0)
    far = [abs(t.params["learning_rate"] - 5e-3) for t in found.trials[1:] if t.share < 1]
    near = [abs(t.params["learning_rate"] - 5e-3) for t in found.trials[1:] if t.share == 1]
    assert np.mean(near) < np.mean(far)
    assert abs(found.best_params["learning_rate"] - 5e-3) < 1e-3
    assert [trial.number for trial in found.trials] == list(range(len(found.trials)))


def test_nothing_better_than_the_beginning(reviews, monkeypatch):
    fit_nothing(monkeypatch, lambda params, n: 0.9 if not params else 0.5)
    found = tune(*reviews, minutes=0.005)
    assert found.best_params == {} and found.best_score == 0.9
    assert len(found.trials) > 1


def test_no_time_is_one_trial(reviews, monkeypatch):
    fit_nothing(monkeypatch, lambda params, n: 0.5)
    assert len(tune(*reviews, minutes=1e-9).trials) == 1


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((["a"], ["x", "y"]), {}, "1 documents and labels has 2"),
        ((["a", "b"], ["x", "y"]), {}, "none can be held out"),
        ((["a", "b"], ["x", "x"]), {"metric": "f2"}, "metric='f2' is not known"),
        ((["a", "b"], ["x", "x"]), {"minutes": 0}, "minutes=0 must be above 0"),
    ],
)
def test_mistakes(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        tune(*arguments, **options)


def test_without_optuna(reviews, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[tune\]'"):
        tune(*reviews)

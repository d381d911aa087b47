"""The search in a time budget, on the bundled reviews."""

from __future__ import annotations

import math
import signal
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score

from fastlstm import LSTMSentimentClassifier, WordVectors, datasets, tune
from fastlstm.classifier.held_out import hold_out
from fastlstm.estimator import tuning
from fastlstm.training.interrupts import InterruptGuard, guarded_by
from fastlstm.training.loop import Trainer
from fastlstm.vectors import learned

START = {"max_epochs": 2, "max_length": None, "max_features": 300}


@pytest.fixture(scope="module")
def reviews():
    data = datasets.load_reviews(split="train")
    return data.texts[:300], np.asarray(data.labels)[:300]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(tuning, "time", self)

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def fit_nothing(monkeypatch, clock, score):
    """Trials whose score is made up from parameters and number of documents, a second each."""
    seen = []

    def made_up(self, params, rows):
        seen.append((params, rows))
        clock.now += 1
        return score(params, len(rows))

    monkeypatch.setattr(tuning._Search, "_score", made_up)
    return seen


def search(*arguments, **options):
    """As from a program without a loop."""
    with guarded_by(InterruptGuard()):
        return tune(*arguments, **options)


def after_trials(count, then):
    """A report that does something once there are so many trials."""
    return lambda trials: then() if len(trials) == count else None


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_a_real_search(reviews, clock):
    steps = []

    def report(trials):
        steps.append(len(trials))
        clock.now += 1

    found = search(
        *reviews, minutes=3 / 60, estimator=LSTMSentimentClassifier(**START), metric="macro_f1",
        report=report,
    )  # fmt: skip
    assert steps == [1, 2, 3]
    assert found.stopped_by == "minutes"
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


def test_worse_trials_end_early_and_the_best_one_is_found(reviews, monkeypatch, clock):
    texts, labels = reviews
    texts, labels = texts * 4, np.tile(labels, 4)

    def score(params, n):
        rate = params.get("learning_rate", 3e-3)
        return 0.5 - 10 * abs(rate - 5e-3) + n * 1e-5

    seen = fit_nothing(monkeypatch, clock, score)
    found = search(texts, labels, minutes=2)
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


def test_nothing_better_than_the_beginning(reviews, monkeypatch, clock):
    fit_nothing(monkeypatch, clock, lambda params, n: 0.9 if not params else 0.5)
    found = search(*reviews, minutes=5 / 60)
    assert found.best_params == {} and found.best_score == 0.9
    assert len(found.trials) == 5


@pytest.mark.parametrize("left", [0, 3], ids=["word vectors", "training"])
def test_time_that_ends_in_the_first_trial_ends_it(reviews, monkeypatch, clock, left):
    """Not after a fit: within a step of training, and between two of the word vectors."""
    update, steps, vectors = Trainer._update, [], learned._subsampled

    def step(self, *arguments):
        update(self, *arguments)
        steps.append(self)
        clock.now += 1

    def part(*arguments):
        clock.now += 60 * (left == 0)
        return vectors(*arguments)

    monkeypatch.setattr(Trainer, "_update", step)
    monkeypatch.setattr(learned, "_subsampled", part)
    start = LSTMSentimentClassifier(max_epochs=10**6)
    with pytest.warns(UserWarning, match="no trial of the search came to its end"):
        found = search(*reviews, minutes=3 / 60, estimator=start)
    assert (found.best_params, found.trials, found.stopped_by) == ({}, [], "minutes")
    assert math.isnan(found.best_score)
    assert len(steps) == left


def test_time_that_ends_in_a_later_trial_keeps_what_was_found(reviews, monkeypatch, clock):
    fit, fits = LSTMSentimentClassifier.fit, []

    def timed(self, *arguments, **others):
        fits.append(self)
        if len(fits) == 3:
            clock.now += 60
        return fit(self, *arguments, **others)

    monkeypatch.setattr(LSTMSentimentClassifier, "fit", timed)
    start = LSTMSentimentClassifier(**START)
    found = search(*reviews, minutes=1, estimator=start)
    assert [trial.share for trial in found.trials] == [1, 1]
    assert found.best_score == max(trial.score for trial in found.trials)


def test_ctrl_c_ends_the_search_and_keeps_its_best(reviews):
    start = LSTMSentimentClassifier(**START)
    before = signal.getsignal(signal.SIGINT)
    found = search(*reviews, minutes=600, estimator=start, report=after_trials(3, interrupt))
    assert found.stopped_by == "interrupt"
    assert len(found.trials) == 3
    assert found.best_score == max(trial.score for trial in found.trials)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_within_a_trial(reviews, monkeypatch, early_stopping):
    """It raises at once: nobody needs what an unfinished trial has learned."""
    update, trainers = Trainer._update, []

    def step(self, *arguments):
        update(self, *arguments)
        if self not in trainers:
            trainers.append(self)
            if len(trainers) == 2:
                interrupt()
                raise AssertionError("the signal had no effect")

    monkeypatch.setattr(Trainer, "_update", step)
    start = LSTMSentimentClassifier(**START, early_stopping=early_stopping)
    found = search(*reviews, minutes=600, estimator=start)
    assert (found.best_params, len(found.trials), found.stopped_by) == ({}, 1, "interrupt")


@pytest.mark.filterwarnings("ignore::fastlstm.SideColumnWarning")
def test_columns_and_vectors_beside_the_texts(reviews):
    """The label stands beside a text that says nothing; each row keeps its own."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    table = pandas.DataFrame(
        {"text": ["so it is"] * 200, "told": labels + rng.normal(0, 0.1, 200)},
        index=rng.permutation(200),
    )
    options = {"minutes": 600, "report": after_trials(2, interrupt)}
    of_table = LSTMSentimentClassifier(**START, text_column="text")
    found = search(table, labels, estimator=of_table, **options)
    assert found.trials[0].score == 1
    texts, vectors = table["text"].tolist(), table[["told"]].to_numpy()
    options["estimator"] = LSTMSentimentClassifier(**START)
    found = search(texts, labels, X_side=vectors, **options)
    assert found.trials[0].score == 1
    with pytest.raises(ValueError, match="X_side"):
        search(texts, labels, X_side=vectors[:9], **options)


def test_ctrl_c_ends_a_loop_around_the_search(reviews):
    start = LSTMSentimentClassifier(**START)
    begun = []
    with pytest.raises(KeyboardInterrupt):
        for seed in range(2):
            begun.append(seed)
            tune(
                *reviews, minutes=600, estimator=start, random_state=seed,
                report=after_trials(1, interrupt),
            )  # fmt: skip
    assert begun == [0]


def test_what_the_user_set_stays(reviews, monkeypatch, clock):
    params, fitted = [], []
    fit = LSTMSentimentClassifier.fit

    def seen(self, *arguments, **others):
        fitted.append(self.get_params())
        clock.now += 1
        return fit(self, *arguments, **others)

    monkeypatch.setattr(LSTMSentimentClassifier, "fit", seen)
    own = {"hidden_size": 7, "early_stopping": True, "dropout": 0.35, "n_estimators": 2}
    start = LSTMSentimentClassifier(**START, **own)
    found = search(*reviews, minutes=4 / 60, estimator=start, fixed=["pooling", "max_epochs"])
    params = [trial.params for trial in found.trials[1:]]
    assert len(params) == 2  # time ended in the next
    searched = set(tuning._SPACE) - {"hidden_size", "dropout", "pooling"}
    assert all(set(each) == searched for each in params)
    for each in fitted:
        assert {name: each[name] for name in own} == {**own, "n_estimators": 1}
        assert each["pooling"] == start.pooling
    assert clone(start).set_params(**found.best_params).n_estimators == 2


def test_the_width_of_given_vectors_is_not_searched(reviews, monkeypatch, clock):
    """Another one does not fit them."""
    fit_nothing(monkeypatch, clock, lambda params, n: 0.5)
    vectors = WordVectors(["good", "bad"], np.eye(2, 128))
    start = LSTMSentimentClassifier(word_vectors=vectors)
    found = search(*reviews, minutes=3 / 60, estimator=start)
    assert {"embedding_dim"} == set(tuning._SPACE) - set(found.trials[1].params)


@pytest.mark.parametrize("verbosity", [10, 30])
def test_the_verbosity_of_optuna_stays(reviews, monkeypatch, clock, verbosity, capfd):
    optuna = pytest.importorskip("optuna")
    fit_nothing(monkeypatch, clock, lambda params, n: 0.5)
    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(verbosity)
        search(*reviews, minutes=3 / 60)
        assert optuna.logging.get_verbosity() == verbosity
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((["a"], ["x", "y"]), {}, "1 documents and labels has 2"),
        ((["a", "b"], ["x", "y"]), {}, "none can be held out"),
        ((["a", "b"], ["x", "x"]), {"metric": "f2"}, "metric='f2' is not known"),
        ((["a", "b"], ["x", "x"]), {"minutes": 0}, "minutes=0 must be above 0"),
        ((["a", "b"], ["x", "x"]), {"fixed": ["width"]}, "there is no parameter width"),
        ((["a", "b"], ["x", "x"]), {"fixed": list(tuning._SPACE)}, "nothing is left to search"),
    ],
)
def test_mistakes(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        tune(*arguments, **options)


def test_without_optuna(reviews, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[tune\]'"):
        tune(*reviews)


def test_a_search_that_finds_nothing_warns(reviews):
    with pytest.warns(UserWarning, match="no trial of the search came to its end") as caught:
        found = tune(*reviews, minutes=1e-9)
    assert (found.best_params, found.trials) == ({}, [])
    assert caught[0].filename == __file__


def test_missing_texts_of_a_search(reviews):
    texts, labels = reviews
    with pytest.raises(ValueError, match="estimator= with missing='empty' takes them as empty"):
        tune([None, *texts[1:]], labels, minutes=1e-9)

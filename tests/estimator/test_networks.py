"""Several networks in one estimator: what each is trained on, and their mean."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import fastlstm
from fastlstm import (
    InterruptedFitWarning,
    LSTMClassifier,
    LSTMSentimentClassifier,
    Predictor,
    datasets,
)
from fastlstm.classifier import fit, networks
from fastlstm.classifier.blend import Blend
from fastlstm.classifier.held_out import folds
from fastlstm.training import loop
from fastlstm.training.callbacks import Callback, progress_bars
from fastlstm.training.interrupts import InterruptGuard, guarded_by
from fastlstm.training.loop import Trainer

# Streams that begin with few documents on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")

SETTINGS = {
    "embedding_dim": 8, "hidden_size": 6, "max_epochs": 3, "n_estimators": 3, "ngrams": 2,
    "max_length": None, "wide": None, "calibrate": False, "random_state": 0,
}  # fmt: skip
WITH_WIDE = {**SETTINGS, "wide": "nb"}
NEW = ["a great little hotel", "never again", "", "unheardof", "房间 很 好"]


@pytest.fixture(scope="module")
def reviews():
    train, test = (datasets.load_reviews(split=part) for part in ("train", "test"))
    return train.texts[:300], np.asarray(train.labels)[:300], test.texts[:100], test.labels[:100]


@pytest.fixture(scope="module")
def fitted(auto_backend, reviews):
    return LSTMSentimentClassifier(**WITH_WIDE).fit(reviews[0], reviews[1])


def same_weights(one, other):
    return np.array_equal(one.flat, other.flat) and np.array_equal(one.embedding, other.embedding)


def test_folds_are_stratified_and_share_no_row():
    labels = ["a"] * 50 + ["b"] * 23 + ["c"] * 2 + ["d"]
    found = folds(labels, 0.2, 3, seed=0)
    held = np.concatenate([rows for _, rows in found])
    assert len(set(held.tolist())) == len(held)
    for train, rows in found:
        assert sorted([*train, *rows]) == list(range(76))
        counts = [int(np.sum(np.asarray(labels)[rows] == label)) for label in "abcd"]
        assert counts[:2] == [10, 5] and counts[3] == 0
    assert [np.sum(rows >= 73) for _, rows in found] == [1, 1, 0]  # two documents of "c"
    assert all(len(rows) == 25 for _, rows in folds(["a"] * 100, 0.9, 4, seed=0))
    again = folds(labels, 0.2, 3, seed=0)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(found, again, strict=True))


def test_logits_are_the_mean_of_the_networks(fitted, reviews):
    assert len(fitted.networks_) == 3
    assert not any(same_weights(fitted.networks_[i], fitted.networks_[i - 1]) for i in range(3))
    whole = fitted.encoder_.read(reviews[2])
    sequences = fitted.ngrams_.longest(fitted.encoder_.shorten(whole))
    each = [n.logits(sequences, fitted.class_prior_) for n in fitted.scorer_.networks]
    shares, bias = fitted.blend_
    expected = bias + shares[0] * np.mean(each, axis=0) + shares[1] * fitted.wide_.logits(whole)
    assert fitted.decision_function(reviews[2]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_history_names_the_network(fitted):
    assert [r["network"] for r in fitted.history_] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [r["epoch"] for r in fitted.history_] == [1, 2, 3] * 3
    assert fitted.n_iter_ == 3


def test_each_network_holds_out_other_documents(reviews, monkeypatch):
    """And the blend is fitted on each one's own."""
    from fastlstm.classifier import fit as module
    from fastlstm.classifier import networks

    seen = []

    def fit_blend(logits, y, weight, with_bias):
        seen.append((logits[0], y))
        return real(logits, y, weight, with_bias)

    real = module.fit_blend
    monkeypatch.setattr(module, "fit_blend", fit_blend)
    trained = []
    train = networks.train

    def spy(job, pool, state, part, *arguments):
        trained.append((part.train, part.valid))
        return train(job, pool, state, part, *arguments)

    monkeypatch.setattr(networks, "train", spy)
    clf = LSTMSentimentClassifier(**WITH_WIDE, n_jobs=1).fit(reviews[0], reviews[1])
    (logits, y), expected = seen[0], []
    assert len(y) == 90
    for network, (part, valid) in zip(clf.scorer_.networks, trained, strict=True):
        assert (len(part.y), len(valid.y)) == (270, 30)
        expected.append(network.logits(valid.sequences, clf.class_prior_))
    assert np.array_equal(logits, np.concatenate(expected))
    assert np.array_equal(y, np.concatenate([valid.y for _, valid in trained]))


def test_the_first_network_does_not_depend_on_the_others(fitted, reviews):
    alone = LSTMSentimentClassifier(**{**WITH_WIDE, "n_estimators": 1}, n_jobs=1)
    alone.fit(reviews[0], reviews[1])
    assert same_weights(alone.networks_[0], fitted.networks_[0])
    assert np.array_equal(alone.wide_.weights, fitted.wide_.weights)


def test_file_and_predictor_give_the_same(fitted, tmp_path):
    path = tmp_path / "model.fastlstm"
    fitted.save(path)
    expected = fitted.predict_proba(NEW)
    loaded = fastlstm.load(path)
    assert np.array_equal(loaded.predict_proba(NEW), expected)
    assert np.array_equal(Predictor(path).predict_proba(NEW), expected)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_


def test_going_on_trains_every_network(reviews):
    clf = LSTMSentimentClassifier(**SETTINGS, warm_start=True).fit(reviews[0], reviews[1])
    before = clf.networks_
    clf.fit(reviews[0], reviews[1])
    assert len(clf.networks_) == 3
    assert not any(same_weights(a, b) for a, b in zip(before, clf.networks_, strict=True))
    before = clf.networks_
    clf.partial_fit(reviews[0], reviews[1])
    assert not any(same_weights(a, b) for a, b in zip(before, clf.networks_, strict=True))
    assert [r["epoch"] for r in clf.history_] == [1, 2, 3, 4, 5, 6, 7] * 3
    assert clf.n_iter_ == 7


def test_partial_fit_begins_with_as_many_networks(reviews):
    clf = LSTMSentimentClassifier(**SETTINGS).partial_fit(reviews[0], reviews[1])
    assert len(clf.networks_) == 3


def test_given_validation_documents_leave_all_to_each_network(reviews):
    clf = LSTMSentimentClassifier(**SETTINGS)
    clf.fit(reviews[0], reviews[1], X_val=reviews[2], y_val=reviews[3])
    other = LSTMSentimentClassifier(**SETTINGS).fit(reviews[0], reviews[1])
    assert all(same_weights(a, b) for a, b in zip(clf.networks_, other.networks_, strict=True))
    assert "val_loss" in clf.history_[0] and "val_loss" not in other.history_[0]
    assert clf.blend_.shares[0] == other.blend_.shares[0] == 1
    clf.set_params(calibrate=True).fit(reviews[0], reviews[1], X_val=reviews[2], y_val=reviews[3])
    assert clf.blend_.shares[0] != 1


@pytest.mark.parametrize(("in_network", "kept"), [(1, 1), (2, 1), (3, 2)])
def test_an_interrupt_keeps_the_networks_that_are_whole(reviews, monkeypatch, in_network, kept):
    """Or the only one that had begun, however far it came."""

    class Interrupt(Callback):
        def on_step_end(self, epoch, step, loss):
            if epoch == 2 and step == 3 and len(begun) == in_network:
                signal.raise_signal(signal.SIGINT)

    def init(self, *arguments, **options):
        begun.append(self)
        real(self, *arguments, **options)
        self.callbacks.append(Interrupt())

    begun, real = [], Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", init)
    clf = LSTMSentimentClassifier(**WITH_WIDE, n_jobs=1)
    what = f"in epoch 2 of network {in_network} of 3.* {kept} of 3 networks and a linear part"
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(reviews[0], reviews[1])
    assert len(begun) == in_network
    assert len(clf.networks_) == kept
    assert clf.stopped_by_ == "interrupt"
    assert clf.wide_ is not None
    assert clf.predict(NEW).shape == (5,)


@pytest.mark.parametrize("most_bytes", [0, 1 << 30], ids=["no_room", "room"])
def test_networks_take_turns_where_there_is_room(reviews, monkeypatch, most_bytes):
    """The bits are those of networks that come one after the other."""
    update, seen = Trainer._update, []

    def noting(self, *arguments):
        seen.append(self)
        update(self, *arguments)

    alone = LSTMSentimentClassifier(**SETTINGS, n_jobs=1).fit(reviews[0], reviews[1])
    monkeypatch.setattr(loop, "_STEPS_A_TURN", 1)
    monkeypatch.setattr(networks, "_BYTES_AT_ONCE", most_bytes)
    monkeypatch.setattr(Trainer, "_update", noting)
    clf = LSTMSentimentClassifier(**SETTINGS, n_jobs=2).fit(reviews[0], reviews[1])
    assert all(map(same_weights, alone.networks_, clf.networks_))
    first = list(dict.fromkeys(seen))
    assert len(first) == 3
    begun = seen.index(first[2])
    ended = min(max(i for i, one in enumerate(seen) if one is network) for network in first[:2])
    assert (begun < ended) == (most_bytes > 0)


def test_an_interrupt_keeps_networks_that_were_side_by_side(reviews, monkeypatch):
    """None of them is whole, and each has come equally far."""
    both, update = threading.Barrier(2, timeout=60), Trainer._update

    def interrupt(self, *arguments):
        update(self, *arguments)
        if self.state.step == 3:
            if both.wait() == 0:
                os.kill(os.getpid(), signal.SIGINT)
            both.wait()
            while not self_guard.requested:
                time.sleep(0.001)

    monkeypatch.setattr(Trainer, "_update", interrupt)
    clf = LSTMSentimentClassifier(**WITH_WIDE, n_jobs=2)
    self_guard = InterruptGuard()
    what = "in epoch 1 of networks 1 and 2 of 3.* 2 of 3 networks and a linear part"
    with guarded_by(self_guard), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(reviews[0], reviews[1])
    assert len(clf.networks_) == 2
    assert not same_weights(*clf.networks_)
    assert clf.predict(NEW).shape == (5,)


def test_an_error_in_one_network_ends_the_others(reviews, monkeypatch):
    both, update = threading.Barrier(2, timeout=60), Trainer._update
    steps = []

    def fail(self, *arguments):
        update(self, *arguments)
        steps.append(self.state.step)
        if self.state.step == 3 and both.wait() == 0:
            raise MemoryError("full")

    monkeypatch.setattr(Trainer, "_update", fail)
    clf = LSTMSentimentClassifier(**{**SETTINGS, "max_epochs": 60}, n_jobs=2)
    with pytest.raises(MemoryError, match="full"):
        clf.fit(reviews[0], reviews[1])
    assert not hasattr(clf, "model_")
    assert len(steps) < 60


def test_an_interrupt_leaves_networks_that_were_there(reviews, monkeypatch):
    clf = LSTMSentimentClassifier(**SETTINGS, warm_start=True, n_jobs=1)
    clf.fit(reviews[0], reviews[1])
    before, steps, update = clf.networks_, [], Trainer._update

    def interrupt(self, *arguments):
        update(self, *arguments)
        steps.append(self)
        if len(set(map(id, steps))) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_update", interrupt)
    with (
        guarded_by(InterruptGuard()),
        pytest.warns(InterruptedFitWarning, match="of network 2 of 3"),
    ):
        clf.fit(reviews[0], reviews[1])
    assert clf.stopped_by_ == "interrupt"
    assert len(clf.networks_) == 3
    same = [same_weights(a, b) for a, b in zip(before, clf.networks_, strict=True)]
    assert same == [False, False, True]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("which", ["skip_gram", "fit_linear_part"])
def test_an_interrupt_before_the_networks_ends_what_runs_beside_it(
    reviews, monkeypatch, which, n_jobs
):
    """Nothing has been trained. The other task, were it never told, would not end."""
    from fastlstm.classifier import linear_fit

    def interrupted(*arguments, **options):
        begun.append(which)
        if n_jobs == 2:
            both.wait()
        raise KeyboardInterrupt

    def endless(*arguments, guard=None, report=None, **options):
        begun.append("other")
        both.wait()
        while True:  # as a long fit asks now and then
            time.sleep(0.001)
            report(0.5) if guard is None else guard.check()

    both, begun = threading.Barrier(2, timeout=60), []
    owners = {"skip_gram": networks, "fit_linear_part": linear_fit}
    for name, owner in owners.items():
        monkeypatch.setattr(owner, name, interrupted if name == which else endless)
    if n_jobs == 1 and which == "fit_linear_part":
        monkeypatch.setattr(networks, "skip_gram", lambda *_, **__: np.zeros((1, 8), np.float32))
    clf = LSTMSentimentClassifier(**WITH_WIDE, word_vectors="skipgram", n_jobs=n_jobs)
    with guarded_by(InterruptGuard()), pytest.raises(KeyboardInterrupt):
        clf.fit(reviews[0], reviews[1])
    assert which in begun and len(begun) == n_jobs
    assert not hasattr(clf, "model_")


def test_an_interrupt_behind_the_networks_keeps_all(reviews, monkeypatch):
    monkeypatch.setattr(fit, "_weighed", interrupted)
    clf = LSTMSentimentClassifier(**WITH_WIDE)
    what = "after the networks.* 3 of 3 networks and a linear part"
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(reviews[0], reviews[1])
    assert len(clf.networks_) == 3
    assert clf.wide_ is not None
    assert clf.stopped_by_ == "interrupt"
    assert clf.blend_.shares.tolist() == [0.5, 0.5]
    assert clf.predict(NEW).shape == (5,)


def test_an_interrupt_beside_old_networks_keeps_the_old_linear_part(reviews, monkeypatch):
    clf = LSTMSentimentClassifier(**WITH_WIDE, warm_start=True).fit(reviews[0], reviews[1])
    before = clf.model_
    monkeypatch.setattr(fit, "_weighed", interrupted)
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match="and a linear"):
        clf.fit(reviews[0], reviews[1])
    assert clf.model_ is not before
    assert clf.wide_ is before.linear and clf.blend_ is before.blend


def test_a_second_interrupt_beside_the_networks_raises(reviews, monkeypatch):
    """The first one ended the networks, and what stands beside them was on its way."""
    update = Trainer._update

    def first(self, *arguments):
        update(self, *arguments)
        signal.raise_signal(signal.SIGINT)

    def second(*arguments):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal had no effect")

    monkeypatch.setattr(Trainer, "_update", first)
    monkeypatch.setattr(fit, "_weighed", second)
    clf = LSTMSentimentClassifier(**WITH_WIDE)
    with guarded_by(InterruptGuard()), pytest.raises(KeyboardInterrupt):
        clf.fit(reviews[0], reviews[1])
    assert not hasattr(clf, "model_")


def test_an_interrupt_between_networks_keeps_those_before(reviews, monkeypatch):
    fresh = networks.fresh_state

    def and_interrupt(job, number, *others):
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        return fresh(job, number, *others)

    monkeypatch.setattr(networks, "fresh_state", and_interrupt)
    clf = LSTMSentimentClassifier(**SETTINGS, n_jobs=1)
    what = "before network 3 of 3"
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(reviews[0], reviews[1])
    assert len(clf.networks_) == 2


def test_an_interrupt_in_the_last_step_of_a_network_is_heard(reviews, monkeypatch):
    """Early stopping had just ended the first network: it is whole, and no other begins."""
    validate = Trainer._validate

    def and_interrupt(self, record, valid):
        validate(self, record, valid)
        if self.state.history:
            record.update(val_accuracy=0.0, val_loss=9.0)  # worse than before
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_validate", and_interrupt)
    options = {**SETTINGS, "max_epochs": 5, "early_stopping": True, "n_iter_no_change": 1}
    clf = LSTMSentimentClassifier(**options, n_jobs=1)
    what = "before network 2 of 3"
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(reviews[0], reviews[1])
    assert clf.stopped_by_ == "interrupt"
    assert len(clf.networks_) == 1


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_temperature_makes_overconfident_probabilities_honest():
    """A network that learned its documents by heart is as sure of others."""
    rng = np.random.default_rng(0)

    def draw(n):
        y = rng.integers(0, 2, n)
        noisy = rng.random(n) < 0.3
        return rng.integers(2, 200, (n, 6)) * 2 + np.where(noisy, 1 - y, y)[:, None], y

    (X, y), (X_new, y_new) = draw(600), draw(3000)
    settings = {
        "vocabulary_size": 500, "max_epochs": 15, "dropout": 0, "embedding_dropout": 0,
        "validation_fraction": 0.25, "n_iter_no_change": 15, "random_state": 0,
    }  # fmt: skip
    clf = LSTMClassifier(**settings, calibrate=True).fit(X, y)
    share = clf.blend_.shares[0]
    assert 0 < share < 1

    def gap(probability):
        return abs(np.mean(np.maximum(probability, 1 - probability))
                   - np.mean((probability > 0.5) == y_new))  # fmt: skip

    calibrated = gap(clf.predict_proba(X_new)[:, 1])
    clf._hold(replace(clf.model_, blend=Blend.of_networks(1)), {})
    assert calibrated < gap(clf.predict_proba(X_new)[:, 1])


def test_progress_names_the_network(capsys):
    with progress_bars(True) as bar:
        (two,), (three,) = bar("network 2 of 3, "), bar("network 3 of 3, ")
        for each in (two, three):
            each.on_train_begin(1, 1)
        for each in (two, three):
            each.on_step_end(1, 1, 0.5)
            each.on_epoch_end({"epoch": 1, "loss": 0.5, "accuracy": 0.5, "seconds": 1.0,
                               "tokens_per_second": 5.0})  # fmt: skip
            each.on_train_end()
    shown = capsys.readouterr().err
    assert "network 2 of 3, epoch 1: loss 0.5000" in shown
    assert "network 3 of 3, epoch 1: loss 0.5000" in shown

"""Further documents without labels: soft labels, and a new model from both."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm import InterruptedFitWarning, LSTMClassifier, LSTMSentimentClassifier, datasets
from fastlstm.classifier import fit, networks
from fastlstm.classifier.held_out import HeldOutPart, with_soft_labels
from fastlstm.classifier.linear_fit import fit_linear_part
from fastlstm.core.records import TokenSequences
from fastlstm.kernels.registry import load_backend
from fastlstm.network.losses import class_of, loss_for, probabilities, soft_targets
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.training.engine import LabelledSequences
from fastlstm.training.interrupts import InterruptGuard, guarded_by

K = load_backend("auto")

SETTINGS = {
    "embedding_dim": 8, "hidden_size": 6, "max_epochs": 3, "n_estimators": 2, "random_state": 0,
    "max_length": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def reviews():
    data = datasets.load_reviews(split="train")
    labels = np.asarray(data.labels)
    return data.texts[:200], labels[:200], data.texts[200:500]


@pytest.fixture(scope="module")
def fitted(auto_backend, reviews):
    texts, labels, others = reviews
    return LSTMSentimentClassifier(**SETTINGS).fit(texts, labels, X_unlabelled=others)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_loss_of_soft_labels_is_the_mean_over_the_classes(n_outputs):
    rng = np.random.default_rng(0)
    loss = loss_for(n_outputs)
    logits, weight = rng.normal(size=(7, n_outputs)), rng.random(7)
    soft = probabilities(rng.normal(size=(7, n_outputs)))
    expected, slopes = 0.0, 0.0
    for label in range(soft.shape[1]):
        value, slope = loss(logits, np.full(7, label), weight * soft[:, label])
        expected, slopes = expected + value, slopes + slope
    found, d_logits = loss(logits, soft[:, 1] if n_outputs == 1 else soft, weight)
    assert found == pytest.approx(expected)
    assert d_logits == pytest.approx(slopes)
    y = rng.integers(0, max(2, n_outputs), 7)
    hard, as_soft = loss(logits, y, weight), loss(logits, soft_targets(y, n_outputs), weight)
    assert hard[0] == pytest.approx(as_soft[0])
    assert hard[1] == pytest.approx(as_soft[1])
    assert np.array_equal(class_of(soft_targets(y, n_outputs)), y)


def test_joining_documents():
    one = TokenSequences(np.array([2, 3, 4], np.int32), np.array([0, 1, 3]))
    other = TokenSequences(np.array([5], np.int32), np.array([0, 0, 1]))
    joined = TokenSequences.join([one, other, one])
    documents = [joined.document(i).tolist() for i in range(joined.n_documents)]
    assert documents == [[2], [3, 4], [], [5], [2], [3, 4]]


def test_few_labelled_documents_are_repeated():
    def documents(n, y):
        ids = np.arange(n, dtype=np.int32)
        return LabelledSequences(TokenSequences(ids, np.arange(n + 1)), y, np.ones(n))

    part = HeldOutPart(
        documents(3, np.array([0, 1, 1])), documents(1, np.array([1])), np.array([7])
    )
    found = with_soft_labels([part], documents(13, np.full(13, 0.25)), 1)[0]
    assert found.train.y.tolist() == [0, 1, 1] * 2 + [0.25] * 13
    assert found.train.sequences.ids.tolist() == [0, 1, 2] * 2 + list(range(13))
    assert found.valid is part.valid and found.rows is part.rows
    few = with_soft_labels([part], documents(2, np.full(2, 0.5)), 1)[0]
    assert len(few.train.y) == 5


def test_the_linear_part_counts_other_documents_by_their_certainty():
    texts, more = ["good film", "bad film"] * 4, ["fine plot", "dull plot", "so so"] * 4
    encoder, encoded = TextEncoder.learn([*texts, *more], TextOptions(), 2)
    whole = encoded.whole
    ours, others = whole.take(np.arange(8)), whole.take(np.arange(8, 20))
    y, ones = np.tile([1, 0], 4), np.ones(8)
    soft = np.tile([[0.9], [0.2], [0.5]], (4, 1))
    n_tokens = len(encoder.vocabulary)
    wide, _ = fit_linear_part(K, ours, n_tokens, y, ones, 2, others=(others, soft))
    # The same by hand: all labelled, with weights.
    expected, _ = fit_linear_part(
        K, whole, n_tokens, np.concatenate([y, np.tile([1, 0, 0], 4)]),
        np.concatenate([ones, np.tile([0.8, 0.6, 0.0], 4)]), 2,
    )  # fmt: skip
    assert wide.weights == pytest.approx(expected.weights, abs=1e-5)
    scores = wide.logits(encoder.read(["fine", "dull", "so"]))[:, 0]
    assert scores[0] > scores[2] > scores[1]


def test_words_of_the_other_documents_are_known(fitted, reviews):
    texts, labels, others = reviews
    plain = LSTMSentimentClassifier(**SETTINGS).fit(texts, labels)
    assert len(fitted.vocabulary_) > len(plain.vocabulary_) + 200
    assert len(fitted.networks_) == 2
    assert [record["network"] for record in fitted.history_] == [1, 1, 1, 2, 2, 2]
    assert (fitted.class_prior_ == plain.class_prior_).all()
    again = LSTMSentimentClassifier(**SETTINGS, n_jobs=1)
    again.fit(texts, labels, X_unlabelled=others)
    assert np.array_equal(again.predict_proba(others[:50]), fitted.predict_proba(others[:50]))


def test_the_new_networks_train_on_both_and_hold_out_as_before(reviews, monkeypatch):
    texts, labels, others = reviews
    trained, train = [], networks.train

    def spy(job, pool, state, part, *arguments):
        trained.append((part.train, part.valid))
        return train(job, pool, state, part, *arguments)

    monkeypatch.setattr(networks, "train", spy)
    LSTMSentimentClassifier(**SETTINGS, n_jobs=1).fit(texts, labels, X_unlabelled=["", *others])
    n = len(trained[0][0].y)
    assert 175 < n < 185
    assert [len(part.y) for part, _ in trained] == [n, n, n + 300, n + 300]
    assert [part.y.ndim for part, _ in trained] == [1, 1, 2, 2]
    for (teacher, valid), (student, same) in zip(trained[:2], trained[2:], strict=True):
        assert same is valid
        assert np.array_equal(class_of(student.y[:n]), teacher.y)
        soft = student.y[n:]
        assert soft.sum(axis=1) == pytest.approx(1)
        assert 1 / 3 < soft.max(axis=1).mean() < 1


def test_an_interrupt_keeps_the_first_model(reviews, monkeypatch):
    import signal

    texts, labels, others = reviews
    clf, plain = LSTMSentimentClassifier(**SETTINGS), LSTMSentimentClassifier(**SETTINGS)
    stopped, learn = [], fit._learn_from_others

    def interrupted(*arguments):
        teacher = arguments[-1]
        from fastlstm.training.loop import Trainer

        update = Trainer._update

        def once(self, *more):
            update(self, *more)
            if not stopped:
                stopped.append(teacher)
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(Trainer, "_update", once)
        return learn(*arguments)

    monkeypatch.setattr(fit, "_learn_from_others", interrupted)
    what = "while it learned from documents without labels"
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match=what):
        clf.fit(texts, labels, X_unlabelled=others)
    assert clf.stopped_by_ == "interrupt"
    assert clf.model_.networks is stopped[0].networks
    assert clf.wide_ is not None
    assert clf.predict(others[:3]).shape == (3,)
    assert plain.fit(texts, labels).stopped_by_ == "max_epochs"


def test_an_interrupt_before_the_second_training_keeps_the_first_model(reviews, monkeypatch):
    """What the first model says of many documents takes time, too."""
    texts, labels, others = reviews

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "Scorer", interrupted)
    clf = LSTMSentimentClassifier(**SETTINGS)
    with guarded_by(InterruptGuard()), pytest.warns(InterruptedFitWarning, match="without labels"):
        clf.fit(texts, labels, X_unlabelled=others)
    assert clf.stopped_by_ == "interrupt"
    assert clf.wide_ is not None
    assert clf.predict(others[:3]).shape == (3,)


def test_token_ids():
    rng = np.random.default_rng(0)
    X, y = rng.integers(2, 30, (60, 5)), np.arange(60) % 2
    settings = {"hidden_size": 4, "embedding_dim": 4, "max_epochs": 2, "random_state": 0}
    clf = LSTMClassifier(**settings, early_stopping=False)
    clf.fit(X, y, X_unlabelled=rng.integers(2, 30, (80, 5)))
    assert clf.predict(X).shape == (60,)
    with pytest.raises(ValueError, match="features"):
        clf.fit(X, y, X_unlabelled=X[:, :3])
    with pytest.raises(ValueError, match="X_unlabelled has -1 in row 0"):
        clf.fit(X, y, X_unlabelled=X * 0 - 1)


def test_texts_without_a_token_teach_nothing(reviews):
    texts, labels, _ = reviews
    clf = LSTMSentimentClassifier(**SETTINGS).fit(texts, labels, X_unlabelled=["", " "])
    assert clf.predict(texts[:3]).shape == (3,)


def test_going_on_and_beginning_anew_exclude_each_other(reviews):
    texts, labels, others = reviews
    clf = LSTMSentimentClassifier(**SETTINGS, warm_start=True)
    clf.fit(texts, labels, X_unlabelled=others)
    with pytest.raises(ValueError, match="X_unlabelled begins new networks"):
        clf.fit(texts, labels, X_unlabelled=others)


def test_documents_are_checked_by_their_name(reviews):
    texts, labels, _ = reviews
    clf = LSTMSentimentClassifier(**SETTINGS)
    with pytest.raises(TypeError, match="X_unlabelled"):
        clf.fit(texts, labels, X_unlabelled=["a", 3])
    with pytest.raises(TypeError, match="X_unlabelled is a single str"):
        clf.fit(texts, labels, X_unlabelled="a text")
    assert not hasattr(clf, "networks_")

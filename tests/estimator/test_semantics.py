"""What weights, unknown tokens and continued training mean, where it is easy to get wrong."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_class_weight

from fastlstm import (
    LSTMClassifier,
    LSTMSentimentClassifier,
    SequenceVectorizer,
    TruncationWarning,
    WordVectors,
    datasets,
)
from fastlstm.estimator.validation import class_weights
from fastlstm.training.callbacks import Callback
from fastlstm.training.loop import Trainer
from tests.helpers import NETWORK_ALONE

SMALL = {"embedding_dim": 8, "hidden_size": 8, "random_state": 0}


def marked_ids(n, share, seed):
    """Token ids of which a rare class is marked by one of two tokens."""
    rng = np.random.default_rng(seed)
    X = rng.integers(4, 40, size=(n, 12))
    y = (rng.random(n) < share).astype(int)
    X[np.arange(n), rng.integers(0, 12, n)] = 2 + y
    return X, y


def some_texts():
    reviews = datasets.load_reviews("en", split="train")
    return reviews.texts[:120], reviews.labels[:120]


def test_early_stopping_serves_the_class_weights():
    """With 5 % of one class the best plain accuracy is that of never predicting it."""
    X, y = marked_ids(1200, 0.05, 0)
    X_test, y_test = marked_ids(600, 0.05, 1)
    clf = LSTMClassifier(class_weight="balanced", max_epochs=10, learning_rate=0.02, **SMALL).fit(
        X, y
    )
    assert balanced_accuracy_score(y_test, clf.predict(X_test)) > 0.9


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_balanced_weights_are_those_of_scikit_learn(n_classes):
    """Bit for bit, and 1 for a class that the documents lack."""
    rng = np.random.default_rng(n_classes)
    indices = np.sort(rng.integers(0, n_classes, 200) * rng.integers(0, 2, 200))
    indices[-n_classes:] = np.arange(n_classes)
    classes = np.array([f"class {number}" for number in range(n_classes)])
    expected = compute_class_weight("balanced", classes=classes, y=classes[indices])
    assert (class_weights("balanced", classes, indices) == expected[indices]).all()
    fewer = indices[indices < n_classes - 1]
    expected = compute_class_weight("balanced", classes=classes[:-1], y=classes[fewer])
    assert (class_weights("balanced", classes, fewer) == expected[fewer]).all()


def test_rows_of_weight_zero_do_not_count_in_validation():
    X, y = marked_ids(400, 0.5, 0)
    wrong = np.concatenate([np.ones(400), np.zeros(400)])
    clf = LSTMClassifier(max_epochs=10, learning_rate=0.02, **SMALL)
    clf.fit(np.tile(X, (2, 1)), np.concatenate([y, 1 - y]), sample_weight=wrong)
    assert max(record["val_accuracy"] for record in clf.history_) > 0.9


def test_the_vector_of_unknown_tokens_is_trained():
    texts = [f"film number{i} good" for i in range(20)] + [f"film code{i} bad" for i in range(20)]
    labels = [1] * 20 + [0] * 20
    clf = LSTMSentimentClassifier(early_stopping=False, max_epochs=1, **SMALL).fit(texts, labels)
    longer = LSTMSentimentClassifier(early_stopping=False, max_epochs=3, **SMALL).fit(texts, labels)
    assert not np.array_equal(clf.networks_[0].embedding[1], longer.networks_[0].embedding[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", 9), ("num_layers", 2), ("pooling", "mean"), ("bidirectional", False)],
)
def test_warm_start_refuses_another_network(name, value):
    X, y = marked_ids(60, 0.5, 0)
    clf = LSTMClassifier(warm_start=True, max_epochs=1, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=f"{name} is now {value!r}, but the fitted model"):
        clf.set_params(**{name: value}).fit(X, y)


@pytest.mark.parametrize(("name", "value"), [("tokenizer", "char"), ("max_length", 3)])
def test_warm_start_refuses_another_vocabulary(name, value):
    texts, labels = ["a good film", "a bad film"] * 10, [1, 0] * 10
    clf = LSTMSentimentClassifier(warm_start=True, max_epochs=1, **SMALL).fit(texts, labels)
    with pytest.raises(ValueError, match=f"{name} is now {value!r}, but the fitted model"):
        clf.set_params(**{name: value}).fit(texts, labels)


def test_warm_start_goes_on_with_history_and_new_dropout():
    X, y = marked_ids(60, 0.5, 0)
    clf = LSTMClassifier(warm_start=True, max_epochs=2, early_stopping=False, **SMALL).fit(X, y)
    clf.set_params(dropout=0.1).fit(X, y)
    assert [record["epoch"] for record in clf.history_] == [1, 2, 3, 4]
    assert clf.config_.dropout == 0.1


class Interrupting(Callback):
    def on_step_end(self, epoch, step, loss):
        if step == 2:
            raise KeyboardInterrupt


def test_a_partial_fit_that_fails_changes_no_bit(monkeypatch):
    X, y = marked_ids(200, 0.5, 0)
    clf = LSTMClassifier(batch_size=20, **SMALL).partial_fit(X, y).partial_fit(X, y)
    before, probabilities = pickle.dumps(clf), clf.predict_proba(X)
    plain = Trainer.__init__

    def with_interrupt(self, k, config, state, options, pool, callbacks, *others):
        plain(self, k, config, state, options, pool, [Interrupting()], *others)

    monkeypatch.setattr(Trainer, "__init__", with_interrupt)
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, y)
    assert np.array_equal(clf.predict_proba(X), probabilities)
    assert np.array_equal(pickle.loads(before).predict_proba(X), probabilities)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), probabilities)


def test_partial_fit_counts_the_classes_of_all_calls():
    X, y = marked_ids(100, 0.5, 0)
    clf = LSTMClassifier(**SMALL).partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    clf.partial_fit(X, y)
    expected = np.bincount(np.concatenate([y[y == 0], y])) / (len(y) + (y == 0).sum())
    np.testing.assert_allclose(clf.class_prior_, expected)


def test_partial_fit_refuses_balanced_weights():
    X, y = marked_ids(20, 0.5, 0)
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        LSTMClassifier(class_weight="balanced", **SMALL).partial_fit(X, y)


def test_a_single_document_of_a_class_stays_in_training():
    X, y = marked_ids(400, 0.5, 0)
    y[0] = 2
    clf = LSTMClassifier(max_epochs=1, **SMALL).fit(X, y)
    assert "val_loss" in clf.history_[0]
    assert clf.class_prior_[2] == 1 / 400


def test_nothing_is_held_out_of_few_documents():
    """Fewer than 20 validation documents would choose an epoch at random."""
    X, y = marked_ids(199, 0.5, 0)
    clf = LSTMClassifier(max_epochs=1, **SMALL)
    assert "val_loss" not in clf.fit(X, y).history_[0]
    assert "val_loss" in clf.fit(np.tile(X, (2, 1)), np.tile(y, 2)).history_[0]


def test_pipeline_equals_the_text_estimator_on_longer_and_unknown_documents():
    texts, labels = ["a good film", "a bad film", "good", "bad fun here"] * 10, [1, 0, 1, 0] * 10
    new = [
        "a good film that is longer than all others and new",
        "unknown words only",
        "",
        "x " * 20,
    ]
    options = {"max_length": 12, "min_df": 1}
    pipeline = make_pipeline(SequenceVectorizer(**options), LSTMClassifier(**SMALL))
    whole = LSTMSentimentClassifier(**{**NETWORK_ALONE, **options, **SMALL}).fit(texts, labels)
    pipeline.fit(texts, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        expected = whole.predict_proba(new)
        assert np.array_equal(pipeline.predict_proba(new), expected)


def test_truncation_warning_points_at_the_caller():
    with pytest.warns(TruncationWarning) as caught:
        LSTMSentimentClassifier(max_length=2, max_epochs=1, **SMALL).fit(
            ["a good film", "bad"] * 5, [1, 0] * 5
        )
    assert [warning.filename for warning in caught] == [__file__]


def test_two_fits_and_predictions_beside_each_other():
    """Each is what it is alone: nothing that one learns is seen by another."""
    texts, labels = some_texts()
    settings = [{**SMALL, "wide": None, "random_state": seed, "n_jobs": 1} for seed in range(4)]

    def fitted(options):
        clf = LSTMSentimentClassifier(max_epochs=2, **options).fit(texts, labels)
        return clf.predict_proba(texts)

    alone = [fitted(options) for options in settings]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(fitted, settings))
    for one, other in zip(alone, beside, strict=True):
        assert np.array_equal(one, other)


def test_a_fit_assigns_at_its_end():
    """What an estimator holds while it is fitted again is its old model, whole."""
    texts, labels = some_texts()
    clf = LSTMSentimentClassifier(max_epochs=1, wide=None, **SMALL).fit(texts, labels)
    before, seen = clf.__dict__.copy(), []
    plain = Trainer.turns

    def look(self, *arguments):
        seen.append({name: clf.__dict__[name] is value for name, value in before.items()})
        return plain(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "turns", look)
        clf.fit([*texts, "another word"], [*labels, labels[0]])
    assert len(seen) == 3 and all(all(same.values()) for same in seen)
    assert clf.model_ is not before["model_"] and "another" in clf.vocabulary_


def test_partial_fit_refuses_another_network():
    X, y = marked_ids(60, 0.5, 0)
    clf = LSTMClassifier(**SMALL).partial_fit(X, y)
    before = clf.model_
    with pytest.raises(
        ValueError, match="hidden_size is now 9, but the fitted model was made with 8"
    ):
        clf.set_params(hidden_size=9).partial_fit(X, y)
    assert clf.model_ is before
    assert clf.set_params(hidden_size=8, dropout=0.1).partial_fit(X, y).config_.dropout == 0.1


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_fit_that_fails_at_its_very_end_changes_nothing(error, monkeypatch):
    """Packing the weights comes last, and may fail or be interrupted as well."""
    X, y = marked_ids(60, 0.5, 0)
    clf = LSTMClassifier(max_epochs=1, **SMALL).fit(X, y)
    before, probabilities = dict(vars(clf)), clf.predict_proba(X)

    def fail(*arguments):
        raise error

    monkeypatch.setattr("fastlstm.estimator.base.Scorer", fail)
    for attempt in (clf.fit, clf.partial_fit):
        with pytest.raises(error):
            attempt(X[:, :7], y) if attempt == clf.fit else attempt(X, y)
    assert vars(clf).keys() == before.keys()
    assert all(vars(clf)[name] is value for name, value in before.items())
    assert np.array_equal(clf.predict_proba(X), probabilities)


def test_going_on_keeps_the_coverage_of_given_vectors():
    texts, labels = some_texts()
    vectors = WordVectors(["good", "bad"], np.eye(2, 8))
    clf = LSTMSentimentClassifier(max_epochs=1, wide=None, word_vectors=vectors, **SMALL)
    coverage = clf.fit(texts, labels).vector_coverage_
    assert coverage.n_found > 0
    assert clf.set_params(warm_start=True).fit(texts, labels).vector_coverage_ is coverage
    assert clf.partial_fit(texts, labels).vector_coverage_ is coverage

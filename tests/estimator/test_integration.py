"""The estimators inside scikit-learn's tools, in pickles, and in other processes."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceVectorizer
from fastlstm.core.errors import TruncationWarning
from fastlstm.datasets import load_reviews
from tests.helpers import NETWORK_ALONE

# Streams that begin with few documents on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")

REVIEWS = load_reviews("en", "train")
TEXTS, LABELS = REVIEWS.texts[:90], REVIEWS.labels[:90]
OTHERS = load_reviews("en", "test").texts[:40]

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 3,
    "early_stopping": False,
    "random_state": 0,
}


def small(**settings):
    return LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL, **settings})


@pytest.fixture(scope="module")
def fitted():
    return small().fit(TEXTS, LABELS)


# -- parameters ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LSTMSentimentClassifier, LSTMClassifier, SequenceVectorizer])
def test_get_and_set_params(kind):
    estimator = kind()
    for name, value in estimator.get_params().items():
        assert estimator.set_params(**{name: value}) is estimator
    with pytest.raises(ValueError, match="Invalid parameter 'hidden_sizes'"):
        estimator.set_params(hidden_sizes=3)


def test_clone_is_not_fitted(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        copy.predict(TEXTS)


# -- the two halves of the text estimator ---------------------------------------------

HALVES = [
    ({}, {}),
    ({"padding": "pre"}, {"pooling": "last", "bidirectional": False}),
    ({}, {"early_stopping": True, "validation_fraction": 0.3, "max_epochs": 5}),
    ({"tokenizer": "char", "lowercase": False}, {"class_weight": "balanced"}),
    ({"max_features": 50, "min_df": 2}, {"optimizer": "sgd", "learning_rate": 0.1}),
    ({"max_length": 6, "truncation": "tail"}, {}),
]


@pytest.mark.parametrize(("text", "training"), HALVES, ids=str)
def test_pipeline_equals_text_estimator(text, training):
    texts = [*TEXTS, "", "!!!"]
    labels = [*LABELS, "neutral", "negative"]
    halves = make_pipeline(SequenceVectorizer(**text), LSTMClassifier(**{**SMALL, **training}))
    text = {name: value for name, value in text.items() if name != "padding"}
    whole = small(**text, **training)
    if "max_length" in text:
        with pytest.warns(TruncationWarning, match="longer than max_length=6"):
            halves.fit(texts, labels)
        with pytest.warns(TruncationWarning, match="longer than max_length=6"):
            whole.fit(texts, labels)
    else:
        halves.fit(texts, labels)
        whole.fit(texts, labels)
    np.testing.assert_array_equal(halves.predict_proba(texts), whole.predict_proba(texts))
    shorter = [text[:60] for text in OTHERS]
    np.testing.assert_array_equal(halves.predict(shorter), whole.predict(shorter))


def test_pipeline_knows_no_words_that_were_cut_off():
    pipeline = make_pipeline(SequenceVectorizer(max_length=2), LSTMClassifier(**SMALL))
    with pytest.warns(TruncationWarning):
        pipeline.fit(["fine a b film", "bad a b film"] * 5, [1, 0] * 5)
    assert pipeline.predict(["fine"]).tolist() in ([0], [1])


def test_vectorizer_feature_names_and_columns():
    assert SequenceVectorizer(max_length=5).fit(["one two three"]).n_columns_ == 5
    vectorizer = SequenceVectorizer(max_length=None).fit(["one two three", "one"])
    assert vectorizer.n_columns_ == 3
    assert vectorizer.get_feature_names_out().tolist() == ["token_0", "token_1", "token_2"]
    assert vectorizer.vocabulary_["one"] == 2
    ids = vectorizer.transform(["two one", "four", ""])
    known = vectorizer.vocabulary_
    assert ids.tolist() == [[known["two"], 2, 0], [1, 0, 0], [0, 0, 0]]
    assert SequenceVectorizer(max_length=2, padding="pre").fit_transform(["a b", "b"]).tolist() == [
        [3, 2],
        [0, 2],
    ]


# -- model selection and meta-estimators ------------------------------------------------


def test_pipeline_parameters_reach_the_classifier():
    pipeline = make_pipeline(SequenceVectorizer(), LSTMClassifier(**SMALL))
    pipeline.set_params(lstmclassifier__hidden_size=5, sequencevectorizer__max_length=99)
    pipeline.fit(TEXTS, LABELS, lstmclassifier__sample_weight=np.ones(len(TEXTS)))
    assert pipeline[-1].config_.hidden_size == 5
    assert 0 <= pipeline.score(TEXTS, LABELS) <= 1


def test_grid_search_in_two_processes():
    grid = {"hidden_size": [4, 8], "learning_rate": [3e-3, 3e-2]}
    found = [
        GridSearchCV(small(), grid, cv=2, n_jobs=n_jobs).fit(TEXTS, LABELS) for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(*scores)
    np.testing.assert_array_equal(*(search.predict_proba(OTHERS) for search in found))


def test_cross_validation():
    scores = cross_val_score(small(), TEXTS, LABELS, cv=3, error_score="raise")
    assert scores.shape == (3,) and np.isfinite(scores).all()
    scores = cross_val_score(
        small(), np.array(TEXTS), LABELS, cv=2, scoring="neg_log_loss", error_score="raise"
    )
    assert (scores < 0).all()
    predicted = cross_val_predict(small(), TEXTS, LABELS, cv=2, method="predict_proba")
    np.testing.assert_allclose(predicted.sum(axis=1), 1)


def test_learning_curve():
    sizes, train_scores, test_scores = learning_curve(
        small(max_epochs=10, learning_rate=0.03), TEXTS, LABELS, cv=2, train_sizes=[20, 40],
        error_score="raise",
    )  # fmt: skip
    assert sizes.tolist() == [20, 40]
    assert np.isfinite(test_scores).all()
    assert train_scores.mean() > test_scores.mean(), "40 documents are learned by heart"


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    model = CalibratedClassifierCV(small(), method=method, cv=2).fit(TEXTS, LABELS)
    probabilities = model.predict_proba(OTHERS)
    assert probabilities.shape == (len(OTHERS), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]


def test_voting_averages_its_parts():
    other = make_pipeline(TfidfVectorizer(), MultinomialNB())
    vote = VotingClassifier([("lstm", small()), ("linear", other)], voting="soft")
    vote.fit(TEXTS, LABELS)
    parts = [part.predict_proba(OTHERS) for part in vote.estimators_]
    np.testing.assert_allclose(vote.predict_proba(OTHERS), np.mean(parts, axis=0))
    assert set(vote.predict(OTHERS)) <= set(LABELS)


# -- pickles and other processes ----------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle_keeps_every_bit(fitted, protocol):
    copy = pickle.loads(pickle.dumps(fitted, protocol=protocol))
    np.testing.assert_array_equal(copy.predict_proba(OTHERS), fitted.predict_proba(OTHERS))
    assert copy.history_ == fitted.history_
    assert copy.vocabulary_ == fitted.vocabulary_


def test_pickle_of_an_estimator_that_is_not_fitted():
    copy = pickle.loads(pickle.dumps(small(hidden_size=5)))
    assert copy.get_params() == small(hidden_size=5).get_params()
    copy.fit(TEXTS, LABELS)


def test_pickle_between_partial_fits_changes_nothing():
    through = small().partial_fit(TEXTS, LABELS).partial_fit(TEXTS, LABELS)
    stopped = pickle.loads(pickle.dumps(small().partial_fit(TEXTS, LABELS)))
    stopped.partial_fit(TEXTS, LABELS)
    np.testing.assert_array_equal(stopped.predict_proba(OTHERS), through.predict_proba(OTHERS))


def test_memory_mapped_model(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict_proba(OTHERS), fitted.predict_proba(OTHERS))
    mapped.partial_fit(TEXTS, LABELS)  # what it maps is read-only


def test_pipeline_of_token_ids_memory_mapped(tmp_path):
    pipeline = make_pipeline(SequenceVectorizer(), LSTMClassifier(**SMALL)).fit(TEXTS, LABELS)
    joblib.dump(pipeline, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict_proba(OTHERS), pipeline.predict_proba(OTHERS))


def test_model_is_shared_with_workers(fitted):
    """joblib hands arrays above ``max_nbytes`` to workers as read-only memory maps."""
    run = joblib.Parallel(n_jobs=2, backend="loky", max_nbytes=100, mmap_mode="r")
    parts = run(joblib.delayed(fitted.predict_proba)(OTHERS[at::4]) for at in range(4))
    expected = fitted.predict_proba(OTHERS)
    for at, part in enumerate(parts):
        np.testing.assert_array_equal(part, expected[at::4])


def test_threads_may_share_a_model(fitted):
    run = joblib.Parallel(n_jobs=4, backend="threading")
    expected = fitted.predict_proba(OTHERS)
    for part in run(joblib.delayed(fitted.predict_proba)(OTHERS) for _ in range(8)):
        np.testing.assert_array_equal(part, expected)

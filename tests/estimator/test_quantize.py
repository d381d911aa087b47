"""quantize(): a classifier that only predicts, among the tools of scikit-learn."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceVectorizer
from fastlstm.classifier.fitted import Scorer
from fastlstm.datasets import load_reviews
from fastlstm.explain.documents import explain_documents

REVIEWS = load_reviews(None, "train")
TEXTS = [text[:60] for text in REVIEWS.texts[:120]]
LABELS = REVIEWS.labels[:120]
OTHERS = [*(text[:60] for text in load_reviews(None, "test").texts[:150]), "", "?!", "好" * 70]
SMALL = {
    "embedding_dim": 12, "hidden_size": 8, "max_epochs": 3, "random_state": 0, "n_jobs": 1,
    "learning_rate": 0.01,
}  # fmt: skip
TEXT = {**SMALL, "n_estimators": 2, "word_vectors": None, "warm_start": True}


@pytest.fixture(scope="module")
def ids():
    """Token ids of the texts, with names of columns."""
    matrix = SequenceVectorizer(max_length=80).fit_transform(TEXTS)
    return pd.DataFrame(matrix, columns=[f"place_{i}" for i in range(80)])


@pytest.fixture(scope="module", params=["texts", "texts, two classes", "ids"])
def case(request, ids):
    """A fitted classifier, and what it was fitted on."""
    if request.param == "ids":
        clf, X, y = LSTMClassifier(**SMALL, early_stopping=False), ids, LABELS
    else:
        y = [x == "positive" for x in LABELS] if "two" in request.param else LABELS
        clf, X = LSTMSentimentClassifier(**TEXT), TEXTS
    return clf.fit(X, y), X, y


def documents(X):
    return OTHERS if isinstance(X, list) else X.iloc[::2]


def test_it_predicts_nearly_the_same(case):
    clf, X, _ = case
    quantized, X = clf.quantize(), documents(X)
    assert type(quantized) is type(clf)
    assert quantized.model_.quantized and not clf.model_.quantized
    before, after = clf.predict_proba(X), quantized.predict_proba(X)
    assert 0 < np.abs(after - before).max() < 0.02
    assert after.sum(axis=1) == pytest.approx(1)
    assert (quantized.predict(X) == quantized.classes_[after.argmax(axis=1)]).all()
    np.testing.assert_allclose(np.exp(quantized.predict_log_proba(X)), after, rtol=1e-9)
    scores = quantized.decision_function(X)
    assert scores.shape == clf.decision_function(X).shape
    np.testing.assert_allclose(sum(quantized.decision_parts(X).values()), scores, atol=1e-9)
    truth = clf.predict(X)
    assert quantized.score(X, truth) == accuracy_score(truth, quantized.predict(X)) > 0.9


def test_what_it_has_of_the_classifier(case):
    clf, X, _ = case
    before = pickle.dumps(clf)
    quantized = clf.quantize()
    assert quantized.get_params() == clf.get_params()
    for name in ("classes_", "class_prior_", "class_count_", "history_", "n_iter_"):
        np.testing.assert_array_equal(getattr(quantized, name), getattr(clf, name))
    assert quantized.ngrams_ is clf.ngrams_ and quantized.blend_ is clf.blend_
    if not isinstance(X, list):
        assert quantized.feature_names_in_.tolist() == X.columns.tolist()
        with pytest.raises(ValueError, match="feature names"):
            quantized.predict(X.rename(columns={"place_0": "other"}))
    assert quantized.quantize().model_ is quantized.model_
    assert pickle.dumps(clf) == before


def test_it_is_not_trained(case):
    clf, X, y = case
    quantized = clf.quantize()
    model = quantized.model_
    for train in (quantized.fit, quantized.partial_fit):
        with pytest.raises(ValueError, match=r"8 bits and only predicts.*sklearn\.base\.clone"):
            train(X, y)
    with pytest.raises(ValueError, match="only predicts"):
        quantized.set_params(warm_start=False).fit(X, y)
    assert quantized.model_ is model


def test_a_clone_of_it_fits_as_the_classifier_did(case):
    clf, X, y = case
    again = clone(clf.quantize())
    with pytest.raises(NotFittedError):
        again.predict(X)
    again.fit(X, y)
    assert not again.model_.quantized
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_int8_is_no_precision_of_training():
    clf = LSTMSentimentClassifier(**{**TEXT, "precision": "int8"})
    for train in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match="precision='float32', then call quantize"):
            train(TEXTS, LABELS)
    assert not hasattr(clf, "model_")


def test_training_goes_on_beside_it(case):
    """What the classifier learns later does not reach the copy."""
    clf, X, y = case
    clf = copy.deepcopy(clf).partial_fit(X, y)
    quantized = clf.quantize()
    before = quantized.predict_proba(X)
    for _ in range(3):
        clf.partial_fit(X, y)
    np.testing.assert_array_equal(quantized.predict_proba(X), before)
    assert np.abs(clf.predict_proba(X) - before).max() > 0.05
    assert np.abs(clf.quantize().predict_proba(X) - clf.predict_proba(X)).max() < 0.02


def by_joblib(estimator, path):
    joblib.dump(estimator, path)
    return joblib.load(path)


@pytest.mark.parametrize(
    "copied",
    [
        lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
        lambda estimator, path: copy.deepcopy(estimator),
        lambda estimator, path: copy.copy(estimator),
        by_joblib,
    ],
    ids=["pickle", "deepcopy", "copy", "joblib"],
)
def test_copies_are_the_same(case, copied, tmp_path):
    clf, X, _ = case
    quantized, X = clf.quantize(), documents(X)
    again = copied(quantized, tmp_path / "x.joblib")
    assert again.model_.quantized
    assert again.scorer_.precision == quantized.scorer_.precision
    np.testing.assert_array_equal(again.predict_proba(X), quantized.predict_proba(X))


def test_a_pickled_predictor_is_the_same(tmp_path):
    clf = LSTMSentimentClassifier(**TEXT).fit(TEXTS, LABELS)
    clf.quantize().save(tmp_path / "model.fastlstm")
    predictor = Predictor(tmp_path / "model.fastlstm")
    again = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(again.predict_proba(OTHERS), predictor.predict_proba(OTHERS))
    plain = Predictor(tmp_path / "model.fastlstm", precision="float32")
    assert plain.scorer_.precision == "float32"
    assert np.abs(plain.predict_proba(OTHERS) - predictor.predict_proba(OTHERS)).max() < 0.02
    clf.save(tmp_path / "large.fastlstm")
    assert Predictor(tmp_path / "large.fastlstm").scorer_.precision == "float32"


def test_models_pickled_before_there_were_8_bits(case):
    clf, X, _ = case
    state = pickle.loads(pickle.dumps(clf.model_))
    del state.__dict__["quantized"]
    assert pickle.loads(pickle.dumps(state)).quantized is False


def test_explanations_are_those_of_the_rounded_weights():
    clf = LSTMSentimentClassifier(**TEXT).fit(TEXTS, LABELS)
    quantized, some = clf.quantize(), OTHERS[:6]
    for method in ("integrated_gradients", "lrp", "gradient_x_input", "occlusion"):
        found = quantized.explain(some, method=method)
        plain = explain_documents(Scorer(quantized.model_), some, method)
        before = clf.explain(some, method=method)
        for one, same, old in zip(found, plain, before, strict=True):
            np.testing.assert_array_equal(one.contributions, same.contributions)
            np.testing.assert_array_equal(one.logits, same.logits)
            np.testing.assert_allclose(one.logits, old.logits, atol=0.05)
    (found,) = quantized.explain(some[:1])
    total = found.baseline + found.contributions.sum(axis=0)
    np.testing.assert_allclose(total, found.logits, atol=0.05)


def test_tools_that_clone_fit_in_full_precision():
    clf = LSTMSentimentClassifier(**TEXT).fit(TEXTS, LABELS)
    scores = [cross_val_score(each, TEXTS, LABELS, cv=2) for each in (clf, clf.quantize())]
    np.testing.assert_array_equal(*scores)


def test_frozen_it_is_used_as_it_is():
    quantized = LSTMSentimentClassifier(**TEXT).fit(TEXTS, LABELS).quantize()
    frozen = FrozenEstimator(quantized)
    calibrated = CalibratedClassifierCV(frozen).fit(TEXTS, LABELS)
    assert calibrated.predict_proba(OTHERS).shape == (len(OTHERS), len(quantized.classes_))
    (inner,) = {id(each.estimator.estimator) for each in calibrated.calibrated_classifiers_}
    assert inner == id(quantized)
    pipeline = make_pipeline(frozen).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(pipeline.predict(OTHERS), quantized.predict(OTHERS))


def test_in_a_fitted_pipeline():
    pipeline = make_pipeline(
        SequenceVectorizer(max_length=80), LSTMClassifier(**SMALL, early_stopping=False)
    ).fit(TEXTS, LABELS)
    before = pipeline.predict_proba(OTHERS)
    pipeline.steps[-1] = ("lstm", pipeline[-1].quantize())
    assert np.abs(pipeline.predict_proba(OTHERS) - before).max() < 0.02
    with pytest.raises(ValueError, match="only predicts"):
        pipeline.fit(TEXTS, LABELS)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        LSTMSentimentClassifier().quantize()

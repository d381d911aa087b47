"""Texts as one column of two dimensions: what scikit-learn makes of them, and where it stops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.semi_supervised import SelfTrainingClassifier

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceVectorizer
from fastlstm.datasets import load_reviews

REVIEWS = load_reviews("en", "train")
TEXTS, LABELS = REVIEWS.texts[:40], REVIEWS.labels[:40]
SMALL = {
    "embedding_dim": 4,
    "hidden_size": 4,
    "max_epochs": 2,
    "n_estimators": 1,
    "random_state": 0,
    "n_jobs": 1,
}
COLUMN = np.array(TEXTS, dtype=object)[:, None]

COLUMNS = {
    "objects": COLUMN,
    "strings": np.array(TEXTS)[:, None],
    "pandas": pd.DataFrame({"text": TEXTS}),
    "polars": pl.DataFrame({"text": TEXTS}),
}


def small(**settings):
    return LSTMSentimentClassifier(**{**SMALL, **settings})


@pytest.fixture(scope="module")
def expected():
    return small().fit(TEXTS, LABELS).predict_proba(TEXTS)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_read_like_a_list(name, expected, tmp_path):
    model = small().fit(COLUMNS[name], LABELS)
    np.testing.assert_array_equal(model.predict_proba(COLUMNS[name]), expected)
    model.save(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    np.testing.assert_array_equal(predictor.predict_proba(COLUMNS[name]), expected)
    assert predictor.explain(COLUMNS[name][:1])[0].text == TEXTS[0]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("ensemble", [BaggingClassifier, AdaBoostClassifier])
def test_ensembles(ensemble, name):
    X = COLUMNS[name]
    # AdaBoost refuses what is no better than chance.
    model = ensemble(small(max_epochs=20), n_estimators=2, random_state=0).fit(X, LABELS)
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_bagging_of_all_documents_is_the_mean(expected):
    bag = BaggingClassifier(small(), n_estimators=2, bootstrap=False, random_state=0)
    bag.fit(COLUMN, LABELS)
    each = [model.predict_proba(TEXTS) for model in bag.estimators_]
    np.testing.assert_allclose(bag.predict_proba(COLUMN), np.mean(each, axis=0), atol=1e-12)


MISSING = {
    "None": (np.array([None, *TEXTS[1:]], dtype=object)[:, None], None),
    "nan": (np.array([np.nan, *TEXTS[1:]], dtype=object)[:, None], np.nan),
    "pandas": (pd.DataFrame({"text": [np.nan, *TEXTS[1:]]}), np.nan),
    "pandas_NA": (pd.DataFrame({"text": [None, *TEXTS[1:]]}, dtype="string"), pd.NA),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_texts_are_filled_in(kind):
    X, missing = MISSING[kind]
    fill = SimpleImputer(missing_values=missing, strategy="constant", fill_value="no text")
    model = make_pipeline(fill, small()).fit(X, LABELS)
    base = small().fit(["no text", *TEXTS[1:]], LABELS)
    np.testing.assert_array_equal(
        model.predict_proba(X), base.predict_proba(["no text", *TEXTS[1:]])
    )


@pytest.mark.parametrize("column", ["text", ["text"]], ids=["name", "list"])
def test_column_transformer_hands_on_texts(column, expected):
    table = pd.DataFrame({"id": range(40), "text": TEXTS})
    ids = make_pipeline(
        ColumnTransformer([("ids", SequenceVectorizer(), column)]), LSTMClassifier(**SMALL)
    )
    assert ids.fit(table, LABELS).predict_proba(table).shape == (40, 3)
    texts = ColumnTransformer([("texts", "passthrough", ["text"])])
    model = make_pipeline(texts, small()).fit(table, LABELS)
    np.testing.assert_array_equal(model.predict_proba(table), expected)


def test_text_beside_other_columns():
    table = pd.DataFrame({"kind": ["a", "b"] * 20, "text": TEXTS})
    columns = ColumnTransformer(
        [("ids", SequenceVectorizer(), ["text"]), ("kind", OneHotEncoder(), ["kind"])]
    )
    found = columns.fit_transform(table)
    ids = SequenceVectorizer().fit_transform(TEXTS)
    np.testing.assert_array_equal(found[:, : ids.shape[1]].astype(int), ids)


def test_permutation_importance_shuffles_texts():
    model = small().fit(COLUMN, LABELS)
    found = permutation_importance(model, COLUMN, LABELS, n_repeats=2, random_state=0)
    assert found.importances.shape == (1, 2)


@pytest.mark.parametrize("name", ["objects", "strings", "pandas"])
@pytest.mark.parametrize(
    "sampler", ["over_sampling.RandomOverSampler", "under_sampling.RandomUnderSampler"]
)
def test_samplers_of_imbalanced_learn(sampler, name):
    pytest.importorskip("imblearn")
    from importlib import import_module

    from imblearn.pipeline import make_pipeline

    module, _, kind = sampler.partition(".")
    make = getattr(import_module(f"imblearn.{module}"), kind)
    X = COLUMNS[name]
    model = make_pipeline(make(random_state=0), small()).fit(X, LABELS)
    texts, labels = make(random_state=0).fit_resample(COLUMN, LABELS)
    base = small().fit(texts.ravel().tolist(), labels)
    np.testing.assert_array_equal(model.predict_proba(X), base.predict_proba(TEXTS))


@pytest.mark.parametrize(
    "kind", ["BalancedBaggingClassifier", "EasyEnsembleClassifier", "RUSBoostClassifier"]
)
def test_ensembles_of_imbalanced_learn(kind):
    ensemble = pytest.importorskip("imblearn.ensemble")
    model = getattr(ensemble, kind)(estimator=small(), n_estimators=2, random_state=0)
    assert model.fit(COLUMN, LABELS).predict(COLUMN).shape == (40,)


# Parts of scikit-learn that turn X into an array of floats before any estimator sees it.
BINARY = np.array([[label == "positive", label == "negative"] for label in LABELS])
PARTLY = np.where(np.arange(40) < 30, np.unique(LABELS, return_inverse=True)[1], -1)
NEED_NUMBERS = {
    "OneVsOneClassifier": (OneVsOneClassifier, LABELS),
    "ClassifierChain": (lambda clf: ClassifierChain(clf, random_state=0), BINARY),
    "SelfTrainingClassifier": (SelfTrainingClassifier, PARTLY),
}


@pytest.mark.parametrize("name", NEED_NUMBERS)
def test_what_needs_numbers_takes_no_text(name):
    make, y = NEED_NUMBERS[name]
    with pytest.raises(ValueError, match="could not convert string to float"):
        make(small()).fit(COLUMN, y)


@pytest.mark.parametrize("name", ["OneVsOneClassifier", "SelfTrainingClassifier"])
def test_what_needs_numbers_takes_token_ids(name):
    make, y = NEED_NUMBERS[name]
    # A part of the documents need not hold the largest id.
    tokens = LSTMClassifier(vocabulary_size=30_000, **SMALL)
    model = make_pipeline(SequenceVectorizer(), make(tokens))
    assert set(model.fit(TEXTS, y).predict(TEXTS)) <= {*np.unique(y)}


def test_several_labels_of_a_document_take_a_classifier_each():
    model = MultiOutputClassifier(small()).fit(TEXTS, BINARY)
    assert model.predict(TEXTS).shape == BINARY.shape


def test_validation_of_a_function_transformer_needs_numbers():
    with pytest.raises(ValueError, match="could not convert string to float"):
        make_pipeline(FunctionTransformer(validate=True), small()).fit(COLUMN, LABELS)
    model = make_pipeline(FunctionTransformer(), small()).fit(COLUMN, LABELS)
    assert model.predict(COLUMN).shape == (40,)


@pytest.mark.parametrize("X", [TEXTS, COLUMN], ids=["list", "column"])
@pytest.mark.parametrize(
    "make",
    [OneVsRestClassifier, lambda clf: StackingClassifier([("a", clf)], cv=2)],
    ids=["one_vs_rest", "stacking"],
)
def test_what_takes_texts_in_either_shape(make, X):
    assert make(small()).fit(X, LABELS).predict(X).shape == (40,)

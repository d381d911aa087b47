"""Documents and labels in every container that users keep them in: the same model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import DataConversionWarning

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceVectorizer
from fastlstm.datasets import load_reviews
from tests.helpers import NETWORK_ALONE

REVIEWS = load_reviews("zh", "train")
TEXTS, LABELS = REVIEWS.texts[:40], REVIEWS.labels[:40]
# No container may be read by its index.
INDEX = np.random.default_rng(0).permutation(40)

SMALL = {
    "embedding_dim": 4,
    "hidden_size": 4,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}


def small():
    return LSTMSentimentClassifier(**SMALL)


@pytest.fixture(scope="module")
def expected():
    return small().fit(TEXTS, LABELS).predict_proba(TEXTS)


DOCUMENTS = {
    "list": list,
    "tuple": tuple,
    "str_array": np.array,
    "object_array": lambda x: np.array(x, dtype=object),
    "str_objects": lambda x: [np.str_(text) for text in x],
    "series": lambda x: pd.Series(x, index=INDEX),
    "object_series": lambda x: pd.Series(x, index=INDEX, dtype=object),
    "string_series": lambda x: pd.Series(x, index=INDEX, dtype="string"),
    "category_series": lambda x: pd.Series(x, index=INDEX, dtype="category"),
    "index": pd.Index,
    "frame": lambda x: pd.DataFrame({"text": x}, index=INDEX),
    "polars_series": pl.Series,
    "polars_frame": lambda x: pl.DataFrame({"text": x}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name, expected):
    X = DOCUMENTS[name](TEXTS)
    model = small().fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(
        SequenceVectorizer().fit_transform(X), SequenceVectorizer().fit_transform(TEXTS)
    )


LABEL_CONTAINERS = {
    name: make for name, make in DOCUMENTS.items() if not name.endswith("frame")
} | {
    "polars_categories": lambda y: pl.Series(y, dtype=pl.Categorical),
    "categories": pd.Categorical,
}


@pytest.mark.parametrize("name", LABEL_CONTAINERS)
def test_labels(name, expected):
    y = LABEL_CONTAINERS[name](LABELS)
    model = small().fit(pd.Series(TEXTS), y)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]
    assert model.score(TEXTS, y) == small().fit(TEXTS, LABELS).score(TEXTS, LABELS)


@pytest.mark.parametrize(
    "column",
    [
        pd.DataFrame({"label": LABELS}, index=INDEX),
        pl.DataFrame({"label": LABELS}),
        np.array(LABELS)[:, None],
        [[label] for label in LABELS],
    ],
    ids=["pandas", "polars", "array", "lists"],
)
def test_one_column_of_labels_is_taken_with_a_warning(column, expected):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = small().fit(TEXTS, column)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)


@pytest.mark.parametrize("dtype", ["Int64", "int8", "boolean", "bool", "Float64"])
def test_labels_of_pandas_dtypes(dtype):
    y = pd.Series([0, 1] * 20, index=INDEX, dtype=dtype)
    model = small().fit(TEXTS, y)
    assert model.classes_.tolist() == [0, 1]
    assert set(model.predict(TEXTS).tolist()) <= {0, 1}


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, lambda w: pd.Series(w, index=INDEX), pl.Series]
)
def test_sample_weight(make):
    weight = [1.0, 2.0, 0.0, 0.5] * 10
    model = small().fit(TEXTS, LABELS, sample_weight=make(weight))
    base = small().fit(TEXTS, LABELS, sample_weight=np.array(weight))
    np.testing.assert_array_equal(model.predict_proba(TEXTS), base.predict_proba(TEXTS))


IDS = SequenceVectorizer(max_length=None).fit_transform(TEXTS)
ID_ARRAYS = {
    "lists": IDS.tolist(),
    "int64": IDS.astype(np.int64),
    "int16": IDS.astype(np.int16),
    "uint64": IDS.astype(np.uint64),
    "float64": IDS.astype(float),
    "object": IDS.astype(object),
    "fortran": np.asfortranarray(IDS),
    "view": np.repeat(IDS, 2, axis=1)[:, ::2],
    "frame": pd.DataFrame(IDS, index=INDEX),
    "polars": pl.DataFrame(IDS),
}


@pytest.fixture(scope="module")
def expected_of_ids():
    return LSTMClassifier(**SMALL).fit(IDS, LABELS).predict_proba(IDS)


def test_token_ids_are_those_of_the_text_estimator(expected_of_ids):
    model = LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL}).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected_of_ids)


@pytest.mark.parametrize("name", ID_ARRAYS)
def test_token_ids(name, expected_of_ids):
    X = ID_ARRAYS[name]
    model = LSTMClassifier(**SMALL).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected_of_ids)


def test_read_only_token_ids(expected_of_ids):
    X = IDS.copy()
    X.flags.writeable = False
    model = LSTMClassifier(**SMALL).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected_of_ids)


def test_column_names_of_token_ids_are_remembered():
    frame = pd.DataFrame(IDS).add_prefix("token_")
    model = LSTMClassifier(**SMALL).fit(frame, LABELS)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.add_prefix("x"))

"""Calls of ``fit`` that are not meant so, and what is said of them."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceVectorizer
from fastlstm.datasets import load_reviews
from tests.helpers import NETWORK_ALONE

REVIEWS = load_reviews("en", "train")
TEXTS, LABELS = REVIEWS.texts[:90], REVIEWS.labels[:90]
SMALL = {**NETWORK_ALONE, "embedding_dim": 8, "hidden_size": 8, "max_epochs": 1, "random_state": 0}


def small(**settings):
    return LSTMSentimentClassifier(**{**SMALL, **settings})


# -- names of arguments -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("X_unlabeled", r" Did you mean X_unlabelled\?"),
        ("X_unlabelld", r" Did you mean X_unlabelled\?"),
        ("unlabeled", r" Did you mean X_unlabelled\?"),
        ("validation_data", r" Did you mean X_val and y_val\?"),
        ("eval_set", r" Did you mean X_val and y_val\?"),
        ("X_valid", r" Did you mean X_val and y_val\?"),
        ("sample_weights", r" Did you mean sample_weight\?"),
        ("epochs", ""),
    ],
)
def test_an_argument_that_fit_has_not(name, hint):
    message = rf"^LSTMSentimentClassifier.fit\(\) got an unexpected keyword argument '{name}'\."
    with pytest.raises(TypeError, match=f"{message}{hint}$"):
        small().fit(TEXTS, LABELS, **{name: TEXTS})
    with pytest.raises(TypeError, match=r"^LSTMClassifier.fit\(\) got an unexpected"):
        LSTMClassifier().fit(np.ones((4, 2), int), [0, 1, 0, 1], **{name: TEXTS})


def test_an_argument_that_partial_fit_has_not():
    message = r"^LSTMSentimentClassifier.partial_fit\(\) got an unexpected keyword argument"
    for name, hint in (("sample_weights", "Did you mean sample_weight?"), ("klasses", "classes?")):
        with pytest.raises(TypeError, match=message) as caught:
            small().partial_fit(TEXTS, LABELS, **{name: None})
        assert str(caught.value).endswith(hint)
    # It has no documents to hold out.
    with pytest.raises(TypeError, match=r"argument 'validation_data'\.$"):
        small().partial_fit(TEXTS, LABELS, validation_data=None)


def test_what_scikit_learn_sees_of_the_arguments_stays():
    requests = get_routing_for_object(small()).fit.requests
    assert set(requests) == {
        "sample_weight", "X_side", "X_val", "y_val", "X_side_val", "X_unlabelled",
    }  # fmt: skip
    assert has_fit_parameter(small(), "sample_weight")
    kinds = [p.kind for p in inspect.signature(small().fit).parameters.values()]
    assert kinds.count(inspect.Parameter.VAR_KEYWORD) == 1


# -- documents and labels swapped ----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_documents_and_labels_swapped():
    with pytest.raises(ValueError, match=r"X and y seem to be swapped.*fit\(texts, labels\)"):
        small().fit(LABELS, TEXTS)
    with pytest.raises(ValueError, match="seem to be swapped"):
        small().fit(pd.Series(LABELS), pd.Series(TEXTS))
    numbers = np.unique(LABELS, return_inverse=True)[1]
    for X in (numbers, numbers.tolist(), pd.Series(numbers)):
        with pytest.raises(TypeError, match=r"y holds texts: .*fit\(texts, labels\)"):
            small().fit(X, TEXTS)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (TEXTS, LABELS),
        (TEXTS[:10], LABELS[:10]),
        # Few texts, long names of classes.
        (["good", "bad", "so so"] * 10, ["a positive opinion", "a negative one", "neither"] * 10),
        # Texts that repeat, with labels that contradict each other.
        (["good", "bad"] * 12, ["a", "b", "c", "d"] * 6),
        # Many classes of two documents each, and of one.
        ([f"a film {i}" for i in range(40)], [f"the name of class {i % 20}" for i in range(40)]),
        ([f"a film {i}" for i in range(40)], [f"class {max(i, 1)} of films" for i in range(40)]),
        # Numbers for labels.
        ([f"a film {i % 3}" for i in range(30)], list(range(30))),
    ],
)
def test_what_is_not_swapped_is_trained_on(texts, labels):
    assert small().fit(texts, labels).predict(texts[:2]).shape == (2,)


@pytest.mark.parametrize("X", [[1, 2, 3, 4], np.arange(4)])
def test_numbers_beside_labels_are_not_called_swapped(X):
    with pytest.raises(TypeError) as caught:
        small().fit(X, ["pos", "neg", "pos", "neg"])
    assert "y holds texts" not in str(caught.value)


# -- where rows are counted from --------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "row"),
    [
        (pd.Series(["a", None, "b"], index=[5, 6, 7]), [0, 1, 0], 1),
        (pd.Series(["a", 3, "b"], index=[5, 6, 7]), [0, 1, 0], 1),
        (["a", "b", "c"], pd.Series(["x", "y", None], index=[5, 6, 7]), 2),
        (["a", "b", "c"], [1, "y", 0], 1),
        (["a", "b", "c"], [0.0, 1.0, np.inf], 2),
        (["a", "b", "c"], [0, [1], 0], 1),
    ],
)
def test_messages_say_from_where_rows_are_counted(X, y, row):
    with pytest.raises((ValueError, TypeError), match=rf"row {row}.* Rows are counted from 0\.$"):
        small().fit(X, y)


@pytest.mark.parametrize("weight", [[1, -1, 1], [1, np.nan, 1]])
def test_so_do_those_of_weights(weight):
    with pytest.raises(ValueError, match=r"row 1.* Rows are counted from 0\.$"):
        small().fit(["a", "b", "c"], [0, 1, 0], sample_weight=weight)


def test_a_vectorizer_says_it_too():
    with pytest.raises(ValueError, match=r"row 1 .*set_params.* Rows are counted from 0\.$"):
        SequenceVectorizer().fit(["a", None])

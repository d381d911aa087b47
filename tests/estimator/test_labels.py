"""Labels that cannot be used: what is raised, and that the message helps.

Each row of the table is one case. Messages have to name the place and the mend.
"""

from __future__ import annotations

import decimal
import enum
import re
import textwrap
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from fastlstm import LSTMClassifier, LSTMSentimentClassifier
from fastlstm.datasets import load_reviews

TEXTS = ["good film", "bad film", "fine 好看", "dull 难看"] * 3
LABELS = ["good", "bad", "good", "bad"] * 3
IDS = np.array([[2, 3, 0], [4, 3, 0], [5, 6, 0], [7, 8, 9]] * 3)
NUMBERS = [1, 0, 1, 0] * 3

SMALL = {
    "embedding_dim": 2,
    "hidden_size": 2,
    "max_epochs": 1,
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}


class Plain(enum.Enum):
    A, B = "a", "b"


def text(**settings):
    return LSTMSentimentClassifier(**{**SMALL, **settings})


def tokens(**settings):
    return LSTMClassifier(**{**SMALL, **settings})


def fit(y, X=TEXTS, estimator=text):
    return partial(lambda: estimator().fit(X, y))


def put(values, row, value):
    return [*values[:row], value, *values[row + 1 :]]


LABEL_MISSING = r"y has 1 missing label\(s\), the first in row 2.*Drop these rows or label them"
LABEL_KIND = "y must be a list, tuple, .*series or one-column data frame of labels, got {}"
PROBABILITIES = np.array([[0.25, 0.75], [1, 0], [0.5, 0.5]] * 4)
INDICATOR = np.array([[1, 1], [1, 0], [0, 0]] * 4)
REPEAT = (
    r"(?s)shape \(12, 2\): probabilities of classes. Repeat each .* np.array\({}\)\n    kept = "
)
ARGMAX = r"{} label.*pass the class of each row, np.array\({}\)\[np.argmax\(y, axis=1\)\]"
ONE_CLASS = r"y has one class \({}\): a classifier needs at least 2 classes. Add documents of"

REFUSED = [
    # id, call, exception, message
    ("y_none", fit(None), ValueError, "requires y.*target y is None. Pass one label per document"),
    ("y_str", fit("ab", X=["a", "b"]), TypeError, r"y is a single str; pass a list of labels: \[y"),
    ("y_number", fit(5), TypeError, LABEL_KIND.format("int; pass a list of labels")),
    ("y_scalar", fit(np.array(5)), TypeError, "without dimensions; pass a list of labels"),
    ("y_dict", fit(dict.fromkeys(range(12), "a")), TypeError, LABEL_KIND.format("dict; pass one")),
    ("y_set", fit({"a", "b"}), TypeError, LABEL_KIND.format("set; it has no order: pass a list")),
    ("y_iterator", fit(iter(LABELS)), TypeError,
     LABEL_KIND.format(r"list_iterator; if it holds labels, pass list\(y\)")),
    ("y_generator", fit(label for label in LABELS), TypeError,
     LABEL_KIND.format(r"generator; if it holds labels, pass list\(y\)")),
    ("y_lazy", fit(pl.LazyFrame({"y": LABELS})), TypeError, r"polars.LazyFrame.* call y.collect"),
    ("y_sparse", fit(csr_array(np.eye(12))), TypeError, "y is a sparse matrix; pass a list of lab"),
    ("y_one_class", fit(["good"] * 12), ValueError, ONE_CLASS.format("'good'")),
    ("y_one_number", fit([3] * 12), ValueError, ONE_CLASS.format("3")),
    ("y_one_row", fit(["good"], X=["a"]), ValueError, ONE_CLASS.format("'good'")),
    ("y_element_none", fit(put(LABELS, 2, None)), ValueError, LABEL_MISSING),
    ("y_element_nan", fit(put(LABELS, 2, float("nan"))), ValueError, LABEL_MISSING),
    ("y_element_na", fit(put(LABELS, 2, pd.NA)), ValueError, LABEL_MISSING),
    ("y_number_none", fit(put(NUMBERS, 2, None)), ValueError, LABEL_MISSING),
    ("y_number_nan", fit(np.array(put(NUMBERS, 2, np.nan))), ValueError, LABEL_MISSING),
    ("y_series_na", fit(pd.Series(put(NUMBERS, 2, pd.NA), dtype="Int64")), ValueError,
     LABEL_MISSING),
    ("y_polars_null", fit(pl.Series(put(LABELS, 2, None))), ValueError, LABEL_MISSING),
    ("y_all_none", fit([None] * 12), ValueError, r"y has 12 missing label\(s\).*row 0"),
    ("y_infinity", fit(put([1.0, 2.0] * 6, 3, np.inf)), ValueError, "y is infinity in row 3"),
    ("y_mixed", fit(put(LABELS, 4, 1)), ValueError,
     r"y mixes types: row 0 is 'good' \(str\) and row 4 is 1 \(int\).*\[str\(label\) for label"),
    ("y_mixed_bool", fit(put(LABELS, 0, True)), ValueError, r"row 1 is 'bad'.*row 0 is True"),
    ("y_mixed_object", fit(np.array(put(LABELS, 4, 1), dtype=object)), ValueError, "y mixes types"),
    ("y_continuous", fit(np.linspace(0, 1, 12)), ValueError, "Unknown label type: continuous"),
    ("y_bytes", fit(np.array(LABELS, dtype="S")), ValueError, "y has dtype .S4. Decode the bytes"),
    ("y_list_of_bytes", fit([b"a", b"b"] * 6), ValueError, "y has dtype .*. Decode the bytes"),
    ("y_objects_of_bytes", fit(np.array([b"a", b"b"] * 6, dtype=object)), ValueError, "Decode the"),
    ("y_dates", fit(np.array(["2020", "2021"] * 6, dtype="M8[Y]")), ValueError,
     "y has dtype datetime64.*Use strings, integers or booleans"),
    ("y_complex", fit(np.array([1j, 2j] * 6)), ValueError, "Complex data not supported"),
    ("y_memory", fit([memoryview(b"a"), memoryview(b"b")] * 6), ValueError,
     "Unknown label type: memoryview in row 0 of y"),
    ("y_large", fit([2**70, 2**71] * 6), ValueError, "int in row 0 of y.* at most 64 bits"),
    ("y_decimals", fit([0, decimal.Decimal(1)] * 6), ValueError, "decimal.Decimal in row 1 of y"),
    ("y_objects", fit([object()] * 12), ValueError, "Unknown label type: object in row 0 of y"),
    ("y_enum", fit([Plain.A, Plain.B] * 6), ValueError,
     r"Unknown label type: .*Plain in row 0 of y. Use their values: \[label.value for label in y"),
    ("y_two_columns", fit(np.array([NUMBERS, range(12)]).T), ValueError, "y should be a 1d array"),
    ("y_two_text_columns", fit(np.array([LABELS, LABELS]).T), ValueError, "y should be a 1d array"),
    ("y_ragged", fit([["a"], ["a", "b"]] * 6), ValueError, "y holds list in row 0, not one label"),
    ("y_structs", fit(pl.Series([{"a": 1}] * 12)), ValueError, "label type: dict in row 0 of y"),
    ("y_sets", fit([{"a"}, {"b"}] * 6), ValueError, "Unknown label type: set in row 0 of y"),
    ("y_none_in_lists", fit([["a"], [None], ["b"]] * 4), ValueError, "4 missing label.* in row 1"),
    ("y_frame", fit(pd.DataFrame({"id": NUMBERS, "y": LABELS})), ValueError,
     r"y has 2 columns \('id', 'y'\); pass the one with the labels, probably y\['y'\]"),
    ("y_polars_frame", fit(pl.DataFrame({"id": NUMBERS, "y": LABELS})), ValueError, "y has 2 col"),
    ("y_probabilities", fit(PROBABILITIES), ValueError, REPEAT.format(r"\[0, 1\]")),
    ("y_lists_of_probabilities", fit(PROBABILITIES.tolist()), ValueError,
     REPEAT.format(r"\[0, 1\]")),
    ("y_frame_of_probabilities", fit(pd.DataFrame(PROBABILITIES, columns=["bad", "good"])),
     ValueError, REPEAT.format(r"\['bad', 'good'\]")),
    ("y_polars_probabilities", fit(pl.DataFrame(PROBABILITIES, schema=["bad", "good"])),
     ValueError, REPEAT.format(r"\['bad', 'good'\]")),
    ("y_probabilities_of_ids", fit(PROBABILITIES, IDS, tokens), ValueError,
     REPEAT.format(r"\[0, 1\]")),
    ("y_one_hot", fit(pd.get_dummies(pd.Series(LABELS))), ValueError,
     "one-hot labels.*" + ARGMAX.format("one", r"\['bad', 'good'\]")),
    ("y_one_hot_numbers", fit(np.eye(2)[NUMBERS]), ValueError,
     "one-hot labels.*" + ARGMAX.format("one", r"\[0, 1\]")),
    ("y_indicator", fit(INDICATOR), ValueError,
     "several labels per doc.*one label: fit a classifier on each column, or pass the class of"),
    ("y_numbers_not_summing_to_1", fit(PROBABILITIES * 2), ValueError, "1d array.*one label per d"),
    ("y_short", fit(LABELS[:-1]), ValueError, "X has 12 documents and y has 11 labels"),
    ("y_long", fit([*LABELS, "good"]), ValueError, "X has 12 documents and y has 13 labels"),
    ("y_empty", fit([]), ValueError, "has 0 labels|no label|sample"),
    ("y_of_tokens", fit(NUMBERS[:-1], IDS, tokens), ValueError, "12 documents and y has 11 labels"),
    ("y_tokens_none", fit(None, IDS, tokens), ValueError, "requires y"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_labels_that_are_refused(call, kind, message):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert caught.type is kind


def smoothed(labels, classes):
    """Probabilities as of a teacher that is right in 8 of 10 cases."""
    return 0.1 + 0.7 * (np.array(labels)[:, None] == classes)


@pytest.mark.parametrize("frame", [False, True], ids=["matrix", "frame"])
def test_what_is_said_of_probabilities_works(frame):
    # The way that the message names, as it stands there.
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    names = sorted({*train.labels})
    y = smoothed(train.labels, names)
    wanted = names if frame else list(range(3))
    if frame:
        y = pd.DataFrame(y, columns=names)
    clf = text(hidden_size=16, embedding_dim=16, max_epochs=12, n_estimators=1)
    with pytest.raises(ValueError, match="probabilities of classes") as caught:
        clf.fit(train.texts, y)
    program = textwrap.dedent(str(caught.value).partition("\n")[2])
    exec(program, {"clf": clf, "X": train.texts, "y": y, "np": np})
    assert clf.classes_.tolist() == wanted
    np.testing.assert_allclose(clf.class_prior_.sum(), 1)
    labels = np.array(wanted)[np.searchsorted(names, test.labels)]
    accuracy = clf.score(test.texts, labels)
    hard = text(hidden_size=16, embedding_dim=16, max_epochs=12, n_estimators=1)
    hard.fit(train.texts, train.labels)
    assert accuracy > 0.9 * hard.score(test.texts, test.labels) > 0.5


def test_what_is_said_of_probabilities_works_on_token_ids():
    clf, X = tokens(vocabulary_size=10), np.tile(IDS, (5, 1))
    y = smoothed(NUMBERS * 5, [0, 1]) + [[0.05, 0.05]]
    with pytest.raises(ValueError, match="probabilities of classes") as caught:
        clf.fit(X, y)
    exec(textwrap.dedent(str(caught.value).partition("\n")[2]), dict(clf=clf, X=X, y=y, np=np))
    assert clf.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(clf.class_count_, y[np.arange(60) % 10 > 0].sum(axis=0))


@pytest.mark.parametrize("frame", [False, True], ids=["matrix", "frame"])
def test_what_is_said_of_one_hot_labels_works(frame):
    y = pd.get_dummies(pd.Series(LABELS))
    y = y if frame else y.to_numpy()
    with pytest.raises(ValueError, match="one-hot") as caught:
        text().fit(TEXTS, y)
    mend = re.search(r"np\.array.*axis=1\)\]", str(caught.value))[0]
    found = eval(mend, {"np": np, "y": y})
    assert found.tolist() == (LABELS if frame else NUMBERS)

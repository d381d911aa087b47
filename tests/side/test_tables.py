"""Which columns of a table are the text, and how its rows are read."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from fastlstm.side.tables import BETWEEN, check_vectors, find_layout, side_values, texts_of

TEXTS = ["a fine film with a plot", "dull from its first minute on", "we left before the end"]
MAKERS = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "pandas, another index": lambda columns: pd.DataFrame(columns, index=[7, 5, 3]),
    "polars": lambda columns: polars.DataFrame(columns, strict=False),
    "pyarrow": lambda columns: pyarrow.table(columns),
}
each_library = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each_library
def test_the_text_is_found_by_its_values(make):
    X = make({"key": ["a-1", "a-2", "a-3"], "said": TEXTS, "age": [1, 2, None]})
    layout = find_layout(X, None, True)
    assert layout == (("said",), ("key", "age"))
    assert texts_of(X, layout, "error") == TEXTS
    values = side_values(X, layout.side, "error")
    assert values["key"] == ["a-1", "a-2", "a-3"]
    assert values["age"][:2] == [1, 2] and values["age"][2] is None
    assert find_layout(X, None, False).side == ()


@each_library
def test_the_text_is_found_by_its_name(make):
    X = make({"said": TEXTS, "Review": ["so so", "all good", "no good"], "n": [1, 2, 3]})
    assert find_layout(X, None, True) == (("Review",), ("said", "n"))


def test_names_alone_do_not_make_a_text():
    """A key, or numbers, under a usual name."""
    X = pd.DataFrame({"abstract": TEXTS, "document": ["doc1", "doc2", "doc3"], "body": [1, 2, 3]})
    assert find_layout(X, None, True) == (("abstract",), ("document", "body"))
    X = pd.DataFrame({"text": TEXTS, "subject": [1, 2, 3]})
    assert find_layout(X, None, True) == (("text",), ("subject",))


@each_library
def test_a_title_stands_before_the_text(make):
    X = make({"text": TEXTS, "age": [1, 2, 3], "title": ["Fine!", None, "Hm"]})
    layout = find_layout(X, None, True)
    assert layout == (("title", "text"), ("age",))
    assert texts_of(X, layout, "error") == [
        f"Fine!{BETWEEN}{TEXTS[0]}", BETWEEN + TEXTS[1], f"Hm{BETWEEN}{TEXTS[2]}",
    ]  # fmt: skip


def test_named_columns():
    X = pd.DataFrame({"a": TEXTS, "b": TEXTS[::-1], "n": [1, 2, 3]})
    assert find_layout(X, "b", True) == (("b",), ("a", "n"))
    assert find_layout(X, ["b", "a"], True) == (("b", "a"), ("n",))
    for wrong in ("c", ["a", "c"]):
        with pytest.raises(ValueError, match=r"text_column='c' is not a column .*'a', 'b', 'n'"):
            find_layout(X, wrong, True)
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="names no column, or one twice"):
            find_layout(X, wrong, True)


def test_chinese_needs_no_spaces():
    said = [
        "这家店的味道非常好，下次还会再来，推荐给大家",
        "送餐太慢了，等了两个小时，菜都凉了，很失望",
    ]
    X = pd.DataFrame({"编号": ["A1", "A2"], "说": said})
    assert find_layout(X, None, True).text == ("说",)


def test_several_could_be_the_text():
    X = pd.DataFrame({"good": TEXTS, "bad": TEXTS[::-1], "n": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"'good', 'bad'\. Name it with text_column='good', or"):
        find_layout(X, None, True)


def test_no_column_is_a_text():
    X = pd.DataFrame({"key": ["x" * 30, "y" * 30, "z" * 30], "n": [1, 2, 3], "c": ["a b"] * 3})
    with pytest.raises(ValueError, match="none of the columns of X .* name it with text_column"):
        find_layout(X, None, True)


def test_names_that_are_no_names():
    with pytest.raises(ValueError, match="column named 0, a int; .* rename them to str"):
        find_layout(pd.DataFrame([TEXTS, TEXTS]), None, True)
    twice = pd.DataFrame([[*TEXTS]], columns=["text", "n", "n"])
    with pytest.raises(ValueError, match="X has 2 columns named 'n'; rename or drop"):
        find_layout(twice, None, True)


def test_a_column_is_not_there():
    X = pd.DataFrame({"text": TEXTS})
    layout = find_layout(pd.DataFrame({"text": TEXTS, "age": [1, 2, 3]}), None, True)
    with pytest.raises(ValueError, match="no column 'age', which .* has 'text'. set_params"):
        side_values(X, layout.side, "error")
    assert side_values(X, layout.side, "empty") == {"age": None}
    with pytest.raises(ValueError, match="X_val has no column 'text'"):
        texts_of(X.rename(columns={"text": "t"}), layout, "empty", "X_val")


def test_rows_without_a_text():
    X = pd.DataFrame({"title": [None, "Fine", None], "text": [TEXTS[0], None, None]})
    layout = find_layout(X, ["title", "text"], True)
    with pytest.raises(ValueError, match=r"no text in row 2 \(column 'title' and 'text'\)"):
        texts_of(X, layout, "error")
    with pytest.raises(ValueError, match="X has no column 'title'"):
        texts_of(X[[]].assign(n=1), layout, "empty")
    assert texts_of(X, layout, "empty")[1:] == [f"Fine{BETWEEN}", BETWEEN]
    with pytest.raises(TypeError, match="str in column 'text', but row 1 is int"):
        texts_of(X.assign(text=["a", 1, "b"]), layout, "error")


def test_vectors():
    assert check_vectors([[1, 2], [3, np.nan]], 2).dtype == np.float64
    refused = {
        "has 1 dimension": ([1, 2], ValueError),
        "has 3 rows and X has 2 documents": (np.zeros((3, 2)), ValueError),
        r"infinite in row 1, column 0; use NaN": ([[0, 1], [-np.inf, 0]], ValueError),
        "two-dimensional array of numbers": ([["a"], ["b"]], TypeError),
        r"go by their place, so pass .* X_side.to_numpy\(\)": (
            pd.DataFrame({"a": [1, 2]}),
            TypeError,
        ),
        "complex numbers": (np.ones((2, 1), complex), TypeError),
    }
    for message, (vectors, kind) in refused.items():
        with pytest.raises(kind, match=message):
            check_vectors(vectors, 2)
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], [[0, 1], [0, 0]])
    assert np.isnan(check_vectors(masked, 2)).tolist() == [[False, True], [False, False]]


def test_values_of_all_kinds():
    X = pd.DataFrame({
        "d": pd.to_datetime(["2024-02-29", None, "2020-01-01"]),
        "c": pd.Categorical(["a", None, "b"]),
        "b": pd.array([True, None, False], dtype="boolean"),
        "m": [Decimal("1.5"), None, 2],
    })  # fmt: skip
    values = side_values(X, list(X.columns), "error")
    assert values["d"][0] == datetime.datetime(2024, 2, 29) and values["d"][1] is None
    assert values["c"] == ["a", None, "b"]
    assert values["b"] == [True, None, False]
    assert values["m"] == [Decimal("1.5"), None, 2]

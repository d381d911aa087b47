import enum
from array import array
from collections import deque

import numpy as np
import pytest
import scipy.sparse

from fastlstm.text.documents import check_documents

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


class Shouting(str):
    def __str__(self):
        return self.upper()


class Colour(str, enum.Enum):
    RED = "red"


class ArrowArray:
    """What this package needs of a pyarrow.Array or ChunkedArray."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def to_pylist(self):
        return list(self.values)


class ArrowTable:
    """What this package needs of a pyarrow.Table."""

    def __init__(self, **columns):
        self._columns = columns
        self.column_names = list(columns)
        self.columns = [ArrowArray(values) for values in columns.values()]
        self.shape = (len(self.columns[0]), len(columns))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, name):
        return ArrowArray(self._columns[name])


TEXTS = ["good", "", "非常好"]

CONTAINERS = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "str array": np.array(TEXTS),
    "object array": np.array(TEXTS, dtype=object),
    "masked array": np.ma.array(TEXTS),
    "pandas series": pd.Series(TEXTS, index=[7, 7, 3]),
    "pandas object series": pd.Series(TEXTS, dtype=object),
    "pandas string series": pd.Series(TEXTS, dtype="string"),
    "pandas category": pd.Series(TEXTS, dtype="category"),
    "pandas index": pd.Index(TEXTS),
    "pandas array": pd.array(TEXTS),
    "pandas frame": pd.DataFrame({"text": TEXTS}),
    "pandas frame without names": pd.DataFrame(TEXTS),
    "pandas frame with levels": pd.DataFrame(
        [[text] for text in TEXTS], columns=pd.MultiIndex.from_tuples([("a", "b")])
    ),
    "polars series": pl.Series(TEXTS),
    "polars category": pl.Series(TEXTS, dtype=pl.Categorical),
    "polars frame": pl.DataFrame({"text": TEXTS}),
    "arrow array": ArrowArray(TEXTS),
    "arrow table": ArrowTable(text=TEXTS),
    "numpy strings": [np.str_(text) for text in TEXTS],
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers(kind):
    texts, mask = check_documents(CONTAINERS[kind])
    assert texts == TEXTS
    assert isinstance(texts, list)
    assert {type(text) for text in texts} == {str}
    assert mask.dtype == bool
    assert mask.tolist() == [False] * 3


def test_result_is_a_new_list():
    X = ["a", "b"]
    texts, _ = check_documents(X)
    texts.append("c")
    assert X == ["a", "b"]


def test_subclasses_of_str_keep_their_value():
    texts, _ = check_documents([Shouting("quiet"), Colour.RED, np.str_("plain")])
    assert texts == ["quiet", "red", "plain"]
    assert {type(text) for text in texts} == {str}


NOT_A_CONTAINER = {
    "None": None,
    "int": 3,
    "float": 0.5,
    "dict": {"text": "a"},
    "keys": {"text": "a"}.keys(),
    "set": {"a"},
    "generator": (text for text in "ab"),
    "iterator": iter(["a"]),
    "range": range(2),
    "deque": deque(["a"]),
    "function": len,
}


@pytest.mark.parametrize("kind", NOT_A_CONTAINER)
def test_not_a_container(kind):
    with pytest.raises(TypeError, match=r"texts must be a list.*pass list\(texts\)"):
        check_documents(NOT_A_CONTAINER[kind], name="texts")


@pytest.mark.parametrize("X", ["a document", b"a document", bytearray(b"a"), np.str_("a")])
def test_a_single_document(X):
    with pytest.raises(TypeError, match=r"X is a single .*pass a list of documents: \[X\]"):
        check_documents(X)


@pytest.mark.parametrize(
    "X",
    [
        [],
        (),
        np.array([]),
        np.array([], dtype=object),
        np.empty((0, 3)),
        pd.Series([], dtype=object),
        pl.Series([], dtype=pl.String),
        pd.DataFrame({"text": []}),
        pl.DataFrame({"text": []}),
    ],
)
def test_no_documents(X):
    with pytest.raises(ValueError, match="X holds no documents; pass at least one"):
        check_documents(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.arange(3), TypeError, "array of int64; .* LSTMClassifier takes token ids"),
        (np.ones((2, 2)), TypeError, "array of float64; .* LSTMClassifier takes token ids"),
        (np.array(["2024-01-01"], dtype="M8[D]"), TypeError, "array of datetime64"),
        (np.zeros(2, dtype=[("text", "U3")]), TypeError, r"array of \[\('text'"),
        (np.array("a"), TypeError, "without dimensions; pass a list of documents"),
        (np.array([["a"], ["b"]]), ValueError, r"shape \(2, 1\).*pass X.ravel\(\)"),
        (np.array([["a"], ["b"]], dtype=object), ValueError, r"pass X.ravel\(\)"),
        (np.array([["a", "b"]]), ValueError, r"shape \(1, 2\).*for example X\[:, 0\]"),
        (np.full((1, 1, 1), "a"), ValueError, r"shape \(1, 1, 1\)"),
        (scipy.sparse.csr_matrix((2, 2)), TypeError, "X is a sparse matrix; pass a list"),
        (scipy.sparse.coo_array((2, 2)), TypeError, "X is a sparse matrix; pass a list"),
        (pl.LazyFrame({"text": ["a"]}), TypeError, r"LazyFrame.*call X.collect\(\) first"),
    ],
)
def test_arrays_and_matrices_that_hold_no_documents(X, error, message):
    with pytest.raises(error, match=message):
        check_documents(X)


@pytest.mark.parametrize(
    "frame", [pd.DataFrame, pl.DataFrame, lambda columns: ArrowTable(**columns)]
)
def test_several_columns(frame):
    X = frame({"title": ["a"], "body": ["b"]})
    with pytest.raises(
        ValueError, match=r"X has 2 columns \('title', 'body'\); pass .* X\['title'\]"
    ):
        check_documents(X)


def test_many_and_no_columns():
    X = pd.DataFrame({f"c{i}": ["a"] for i in range(30)})
    with pytest.raises(ValueError, match="30 columns .*'c9' and 20 more"):
        check_documents(X)
    with pytest.raises(ValueError, match="X has 0 columns"):
        check_documents(pd.DataFrame())


MISSING = {
    "None": None,
    "float": float("nan"),
    "float64": np.float64("nan"),
    "float32": np.float32("nan"),
    "NA": pd.NA,
    "NaT": pd.NaT,
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_documents(kind):
    X = ["a", MISSING[kind], "b", MISSING[kind]]
    with pytest.raises(ValueError, match="2 missing .*first in row 1 .*missing='empty'.*or drop"):
        check_documents(X)
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["a", "", "b", ""]
    assert mask.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    "X",
    [
        np.array(["a", None], dtype=object),
        np.ma.array(["a", "b"], mask=[False, True]),
        pd.Series(["a", None]),
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", None], dtype="string"),
        pd.Series(["a", None], dtype="category"),
        pd.DataFrame({"text": ["a", np.nan]}),
        pl.Series(["a", None]),
        pl.DataFrame({"text": ["a", None]}),
        ArrowArray(["a", None]),
    ],
)
def test_missing_documents_of_containers(X):
    with pytest.raises(ValueError, match="reviews has 1 missing .*first in row 1"):
        check_documents(X, name="reviews")
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["a", ""]
    assert mask.tolist() == [False, True]


def test_all_missing():
    texts, mask = check_documents([None, None], missing="empty")
    assert texts == ["", ""]
    assert mask.all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"row 1 is int; .*str\(value\)"),
        (2.5, "row 1 is float"),
        (float("inf"), "row 1 is float"),
        (True, "row 1 is bool"),
        (np.int64(3), "row 1 is int64"),
        (b"text", r"row 1 is bytes; .*decode"),
        (["a", "b"], r"row 1 is list; join its tokens.*LSTMClassifier"),
        ((1, 2), r"row 1 is tuple; join its tokens.*LSTMClassifier"),
        (np.arange(2), r"row 1 is ndarray; join its tokens.*LSTMClassifier"),
        ({"text": "a"}, "row 1 is dict"),
    ],
)
@pytest.mark.parametrize("missing", ["error", "empty"])
def test_members_of_other_types(value, message, missing):
    with pytest.raises(TypeError, match=message):
        check_documents(["a", value], missing=missing)


@pytest.mark.parametrize(
    "X",
    [
        np.array([b"a"]),
        pd.Series([1, 2]),
        pl.Series([1, 2]),
        pl.Series([["a"], ["b"]]),
        pd.DataFrame({"text": [1, 2]}),
        array("i", [1, 2]),
    ],
)
def test_containers_of_other_types(X):
    with pytest.raises(TypeError, match="must hold str, but row 0 is"):
        check_documents(X)


@pytest.mark.parametrize("missing", ["drop", None, "Error"])
def test_unknown_way_to_treat_missing(missing):
    with pytest.raises(ValueError, match="missing must be 'error' or 'empty'"):
        check_documents(["a"], missing=missing)

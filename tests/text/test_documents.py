import enum
import io
from array import array
from collections import UserList, deque
from pathlib import Path

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


def arrow():
    return pytest.importorskip("pyarrow")


def arrow_dtype(kind):
    """A pandas dtype that holds strings as Arrow does."""
    return pd.ArrowDtype(getattr(arrow(), kind)())


def strings(values, **settings):
    """An array of NumPy's strings of any width."""
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy before 2.0")
    return np.array(values, dtype=np.dtypes.StringDType(**settings))


def hugging_face(values):
    return pytest.importorskip("datasets").Dataset.from_dict({"text": values})


def polars_enum(values):
    return pl.Series(values, dtype=pl.Enum(sorted({*values} - {None})))


TEXTS = ["good", "", "非常好"]

ARROW = {
    "arrow array": lambda x: arrow().array(x),
    "arrow large strings": lambda x: arrow().array(x, arrow().large_string()),
    "arrow views": lambda x: arrow().array(x, arrow().string_view()),
    "arrow dictionary": lambda x: arrow().array(x).dictionary_encode(),
    "arrow chunks": lambda x: arrow().chunked_array([x[:1], x[1:]]),
    "arrow batch": lambda x: arrow().record_batch({"text": x}),
    "arrow table": lambda x: arrow().table({"text": x}),
    "pandas arrow strings": lambda x: pd.Series(x, dtype=arrow_dtype("string")),
    "pandas arrow large strings": lambda x: pd.Series(x, dtype=arrow_dtype("large_string")),
    "pandas arrow views": lambda x: pd.Series(x, dtype=arrow_dtype("string_view")),
    "pandas arrow frame": lambda x: pd.DataFrame({"text": x}, dtype=arrow_dtype("string_view")),
}

# Those that can hold None.
CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "user list": UserList,
    "object array": lambda x: np.array(x, dtype=object),
    "object column": lambda x: np.array(x, dtype=object)[:, None],
    "pandas series": lambda x: pd.Series(x, index=range(7, 7 + len(x))),
    "pandas object series": lambda x: pd.Series(x, dtype=object),
    "pandas string series": lambda x: pd.Series(x, dtype="string"),
    "pandas category": lambda x: pd.Series(x, dtype="category"),
    "pandas categorical": pd.Categorical,
    "pandas index": pd.Index,
    "pandas array": pd.array,
    "pandas frame": lambda x: pd.DataFrame({"text": x}),
    "pandas frame without names": pd.DataFrame,
    "pandas frame with a telling name": lambda x: pd.DataFrame({"column_names": x}),
    "pandas frame with levels": lambda x: pd.DataFrame(
        [[text] for text in x], columns=pd.MultiIndex.from_tuples([("a", "b")])
    ),
    "polars series": pl.Series,
    "polars category": lambda x: pl.Series(x, dtype=pl.Categorical),
    "polars enum": polars_enum,
    "polars frame": lambda x: pl.DataFrame({"text": x}),
    "dataset column": lambda x: hugging_face(x)["text"],
    "dataset": hugging_face,
    **ARROW,
}

FRAMES_OF_ROWS = {"pandas frame without names", "pandas frame with levels"}

WHOLE = {
    **CONTAINERS,
    "str array": np.array,
    "str column": lambda x: np.array(x)[:, None],
    "masked array": np.ma.array,
    "masked column": lambda x: np.ma.array(x)[:, None],
    "string array": strings,
    "string column": lambda x: strings(x)[:, None],
    "numpy strings": lambda x: [np.str_(text) for text in x],
    "numpy strings in objects": lambda x: np.array([np.str_(text) for text in x] + [0], object)[
        :-1
    ],
    "pandas series of words": lambda x: pd.Series(x, index=["tocsr", "to_pylist", "collect"]),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_containers(kind):
    texts, mask = check_documents(WHOLE[kind](TEXTS))
    assert texts == TEXTS
    assert isinstance(texts, list)
    assert {type(text) for text in texts} == {str}
    assert mask.dtype == bool
    assert mask.tolist() == [False] * 3


@pytest.mark.parametrize("kind", CONTAINERS)
def test_missing_documents_of_containers(kind):
    X = CONTAINERS[kind](["a", None, "b"])
    with pytest.raises(ValueError, match="reviews has 1 missing .*first in row 1"):
        check_documents(X, name="reviews")
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["a", "", "b"]
    assert mask.tolist() == [False, True, False]


# The others have no column either.
@pytest.mark.parametrize("kind", [kind for kind in CONTAINERS if kind not in FRAMES_OF_ROWS])
def test_no_documents(kind):
    X = CONTAINERS[kind]([])
    with pytest.raises(ValueError, match="X holds no documents; pass at least one"):
        check_documents(X)
    texts, mask = check_documents(X, allow_empty=True)
    assert texts == []
    assert mask.shape == (0,)
    assert mask.dtype == bool


@pytest.mark.parametrize("X", [np.array([]), np.empty((0, 1)), np.array([], dtype="U3")])
def test_no_documents_in_an_array(X):
    with pytest.raises(ValueError, match="X holds no documents; pass at least one"):
        check_documents(X)
    assert check_documents(X, allow_empty=True)[0] == []


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
    "None": (None, "NoneType; pass a list of documents"),
    "int": (3, "int; pass a list"),
    "float": (0.5, "float; pass a list"),
    "function": (len, "builtin_function_or_method; pass a list"),
    "dict": (
        {"text": "a"},
        r"dict; pass one of its values.* texts\['text'\], or list\(texts.values",
    ),
    "keys": ({"text": "a"}.keys(), r"dict_keys; if it holds documents, pass list\(texts\)"),
    "values": ({"text": "a"}.values(), r"dict_values; .*pass list\(texts\)"),
    "set": ({"a"}, "set; it has no order: pass a list of documents"),
    "generator": ((text for text in "ab"), r"generator; .*pass list\(texts\)"),
    "iterator": (iter(["a"]), r"list_iterator; .*pass list\(texts\)"),
    "map": (map(str, "ab"), r"map; .*pass list\(texts\)"),
    "path": (Path("a.txt"), r"pathlib.*Path; read the file first, .* open\('a.txt', .*splitl"),
    "file": (io.StringIO("a"), r"io.StringIO; read the file first, .* texts.read\(\).splitlines"),
}


@pytest.mark.parametrize("kind", NOT_A_CONTAINER)
def test_not_a_container(kind):
    X, message = NOT_A_CONTAINER[kind]
    with pytest.raises(TypeError, match=f"texts must be a list.*got {message}"):
        check_documents(X, name="texts")


class FrameOfSpark:
    """What is asked of a pyspark.sql.DataFrame, which needs Java."""

    columns = ("text",)

    def collect(self):
        raise AssertionError("it is not computed unasked")

    toPandas = collect  # noqa: N815


def dask_frame():
    frame = pytest.importorskip("dask.dataframe")
    return frame.from_pandas(pd.DataFrame({"text": ["a"]}), npartitions=1)


NOT_COMPUTED = {
    "polars": (lambda: pl.LazyFrame({"text": ["a"]}), r"polars.LazyFrame, .*call X.collect\(\) f"),
    "dask frame": (dask_frame, r"dask.*DataFrame, which.*call X.compute\(\) first"),
    "dask series": (lambda: dask_frame()["text"], r"dask.*Series, which.*call X.compute\(\) first"),
    "dask array": (
        lambda: pytest.importorskip("dask.array").from_array(np.array(["a"])),
        r"dask.*Array, .*call X.compute\(\) first",
    ),
    "spark": (FrameOfSpark, r".*FrameOfSpark, which .*call X.toPandas\(\) first"),
}


@pytest.mark.parametrize("kind", NOT_COMPUTED)
def test_what_is_not_computed(kind):
    make, message = NOT_COMPUTED[kind]
    with pytest.raises(TypeError, match=f"X is a {message}"):
        check_documents(make())


@pytest.mark.parametrize("X", ["a document", b"a document", bytearray(b"a"), np.str_("a")])
def test_a_single_document(X):
    with pytest.raises(TypeError, match=r"X is a single .*pass a list of documents: \[X\]"):
        check_documents(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.arange(3), TypeError, "array of int64; .* LSTMClassifier takes token ids"),
        (np.ones((2, 2)), TypeError, "array of float64; .* LSTMClassifier takes token ids"),
        (np.array(["2024-01-01"], dtype="M8[D]"), TypeError, "array of datetime64"),
        (np.zeros(2, dtype=[("text", "U3")]), TypeError, r"array of \[\('text'"),
        (np.float32(0.5), TypeError, "without dimensions"),
        (np.array("a"), TypeError, "without dimensions; pass a list of documents"),
        (np.empty((0, 3)), ValueError, r"shape \(0, 3\).*for example X\[:, 0\]"),
        (np.empty((3, 0)), ValueError, r"shape \(3, 0\)"),
        (np.array([["a", "b"]]), ValueError, r"shape \(1, 2\).*for example X\[:, 0\]"),
        (np.full((1, 1, 1), "a"), ValueError, r"shape \(1, 1, 1\)"),
        (scipy.sparse.csr_matrix((2, 2)), TypeError, "X is a sparse matrix; pass a list"),
        (scipy.sparse.coo_array((2, 2)), TypeError, "X is a sparse matrix; pass a list"),
        (pd.Series([1, 2]), TypeError, "array of int64"),
        (pd.DataFrame({"text": [1, 2]}), TypeError, "array of int64"),
        (pd.Series(pd.to_datetime(["2024-01-01"])), TypeError, "array of datetime64"),
    ],
)
def test_arrays_and_matrices_that_hold_no_documents(X, error, message):
    with pytest.raises(error, match=message):
        check_documents(X)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame,
        pl.DataFrame,
        lambda columns: arrow().table(columns),
        lambda columns: arrow().record_batch(columns),
        lambda columns: pytest.importorskip("datasets").Dataset.from_dict(columns),
    ],
    ids=["pandas", "polars", "table", "batch", "dataset"],
)
def test_several_columns(frame):
    X = frame({"title": ["a"], "body": ["b"]})
    with pytest.raises(
        ValueError, match=r"X has 2 columns \('title', 'body'\); pass .*, probably X\['body'\]$"
    ):
        check_documents(X)
    X = frame({"id": ["a1", "a2"], "n": [1, 2], "remark": ["a film", "no fun at all"]})
    with pytest.raises(ValueError, match=r"probably X\['remark'\]$"):
        check_documents(X)
    for unclear in ({"a": ["x"], "b": ["y"]}, {"a": [1], "b": [2]}, {"text": ["x"], "body": ["y"]}):
        with pytest.raises(ValueError, match="pass the one with the documents$"):
            check_documents(frame(unclear))


def test_columns_of_one_name():
    X = pd.DataFrame([["a", "bb"]], columns=["x", "x"])
    with pytest.raises(ValueError, match="pass the one with the documents$"):
        check_documents(X)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("mine.csv", r"pandas.read_csv\('mine.csv'\)\['text'\]"),
        ("mine.TSV", r"pandas.read_csv\('mine.TSV', sep='\\t'\)"),
        ("a b/mine.jsonl.gz", r"pandas.read_json\('a b/mine.jsonl.gz', lines=True\)"),
        ("mine.xlsx", r"pandas.read_excel\('mine.xlsx'\)"),
        ("mine.txt", r"open\('mine.txt', encoding='utf-8'\).read\(\).splitlines\(\)"),
    ],
)
def test_the_name_of_a_file(name, how):
    for given in (name, Path(name)):
        with pytest.raises(TypeError, match=f"read the file first, for example {how}"):
            check_documents(given)
    with pytest.raises(TypeError, match="looks like the name of a file"):
        check_documents(name)


def test_a_file_that_is_there(tmp_path):
    path = tmp_path / "mine"
    path.write_text("a film", encoding="utf-8")
    with pytest.raises(TypeError, match=r"looks like the name of a file; .*open\("):
        check_documents(str(path))


def test_the_advice_for_a_file_works(tmp_path, monkeypatch):
    """Each is read back by the very words of the message."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"text": ["a film", "no fun, \t at all"], "label": ["x", "y"]})
    frame.to_csv("a.csv", index=False)
    frame.to_csv("a.tsv", index=False, sep="\t")
    frame.to_json("a.json", orient="records")
    frame.to_json("a.jsonl", orient="records", lines=True)
    for name in ("a.csv", "a.tsv", "a.json", "a.jsonl"):
        with pytest.raises(TypeError) as caught:
            check_documents(name)
        code = str(caught.value).partition("for example ")[2].partition(", or train")[0]
        assert check_documents(eval(code, {"pandas": pd}))[0] == frame["text"].tolist()


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
    "NumPy's NaT": np.datetime64("NaT"),
    "masked": np.ma.masked,
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_documents(kind):
    X = ["a", MISSING[kind], "b", MISSING[kind]]
    with pytest.raises(ValueError, match="2 missing .*first in row 1 .*missing='empty'.*or drop"):
        check_documents(X)
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["a", "", "b", ""]
    assert mask.tolist() == [False, True, False, True]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_missing_documents_of_masked_arrays(shape):
    X = np.ma.array(["a", "b"], mask=[False, True]).reshape(shape)
    with pytest.raises(ValueError, match="X has 1 missing .*first in row 1 .None"):
        check_documents(X)
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["a", ""]
    assert mask.tolist() == [False, True]


@pytest.mark.parametrize("na", [None, np.nan, pd.NA, object()], ids=["None", "nan", "NA", "own"])
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_missing_documents_of_string_arrays(na, shape):
    texts, mask = check_documents(strings(["a", na], na_object=na).reshape(shape), missing="empty")
    assert texts == ["a", ""]
    assert mask.tolist() == [False, True]


def test_a_string_that_stands_for_missing_ones_is_a_string():
    assert check_documents(strings(["a", "none"], na_object="none"))[0] == ["a", "none"]


@pytest.mark.parametrize(
    "X",
    [
        np.full(2, np.nan),
        pd.Series([np.nan, np.nan]),
        pd.Series([None, None], dtype="datetime64[ns]"),
        pd.DataFrame({"text": [np.nan, np.nan]}),
        pl.Series([None, None]),
    ],
)
def test_a_column_without_any_document_has_a_type_of_numbers(X):
    texts, mask = check_documents(X, missing="empty")
    assert texts == ["", ""]
    assert mask.all()


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
        (np.int64(3), "row 1 is numpy.int64; turn it into text"),
        (b"text", r"row 1 is bytes; .*decode"),
        (["a", "b"], r"row 1 is list; join its tokens.*LSTMClassifier"),
        ((1, 2), r"row 1 is tuple; join its tokens.*LSTMClassifier"),
        (np.arange(2), r"row 1 is numpy.ndarray; join its tokens.*LSTMClassifier"),
        ({"text": "a"}, r"row 1 is dict; take the text out of it, for example value\['text'\]"),
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
        [["a"], ["b"]],
        range(2),
        pd.Series([1, 2], dtype="Int64"),
        pl.Series([1, 2]),
        pl.Series([["a"], ["b"]]),
        pl.Series([{"text": "a"}]),
        pl.Series(["a"]).cast(pl.Binary),
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

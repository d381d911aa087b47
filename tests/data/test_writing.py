"""What is written is read back, by this package and by others."""

import csv
import gzip
import io
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlstm.data.tables import read_table
from fastlstm.data.writing import distinct, write_columns, written_format

from .test_tables import AWKWARD_TEXTS

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def written(names, columns, format="csv"):
    stream = io.StringIO(newline="")
    write_columns(stream, names, columns, format)
    return stream.getvalue()


def need(kind):
    if kind.startswith("parquet"):
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("kind", [*FORMATS, *(f"{kind}.gz" for kind in FORMATS)])
@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["pos", "neg", "1"])), min_size=1))
def test_round_trip(kind, rows, tmp_path_factory):
    need(kind)
    path = tmp_path_factory.mktemp("written") / f"a.{kind}"
    texts, others, labels = (list(column) for column in zip(*rows, strict=True))
    write_columns(path, ["text", "x; y", "label"], [texts, others, labels], kind.split(".")[0])
    table = read_table(path)
    assert table.labels == labels
    assert table.columns == ("text", "x; y", "label")
    for wrote, read in ((texts, table.texts), (others, table.parsed.column(1))):
        guarded = [
            text if text == cell else "'" + text for text, cell in zip(wrote, read, strict=True)
        ]
        assert guarded == read
        if kind.startswith(("json", "parquet")):
            assert read == wrote


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_apostrophes_before_a_formula_are_text(kind, tmp_path):
    texts = ["'=", "''=1+1", "=", "'-1", "-1", "'", "''", "' =x", "'tis", "'@home"]
    write_columns(tmp_path / f"a.{kind}", ["text", "label"], [texts, ["pos"] * len(texts)], kind)
    assert read_table(tmp_path / f"a.{kind}").texts == texts


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_pandas_reads_it(kind, tmp_path):
    pandas = pytest.importorskip("pandas")
    need(kind)
    path = tmp_path / f"a.{kind}"
    n = len(AWKWARD_TEXTS)
    columns = [AWKWARD_TEXTS, ["a;b"] * n, [0.25] * n]
    write_columns(path, ["text", "label", "p_a;b"], columns, kind)
    frame = {
        "csv": lambda: pandas.read_csv(path, keep_default_na=False),
        "tsv": lambda: pandas.read_csv(path, sep="\t", keep_default_na=False),
        "jsonl": lambda: pandas.read_json(path, lines=True, dtype=False),
        "json": lambda: pandas.read_json(path, dtype=False),
        "parquet": lambda: pandas.read_parquet(path),
    }[kind]()
    assert list(frame.columns) == ["text", "label", "p_a;b"]
    assert frame["text"].tolist() == AWKWARD_TEXTS
    assert set(frame["label"]) == {"a;b"} and set(frame["p_a;b"]) == {0.25}


def test_a_tsv_file_without_awkward_cells_has_no_quotes():
    assert written(["text", "label"], [['say "hi"', "a, b"], ["x", None]], "tsv") == (
        'text\tlabel\nsay "hi"\tx\na, b\t\n'
    )


@pytest.mark.parametrize("text", ["a\tx\nb", '"a\tb\nc"', '"', "\t", 'a"\n\t"b'])
def test_cells_of_tsv_that_look_like_two(tmp_path, text):
    write_columns(tmp_path / "a.tsv", ["text", "label"], [[text, "b"], ["x", "y"]], "tsv")
    read = read_table(tmp_path / "a.tsv").texts
    assert [cell.removeprefix("'") if text[0] == "\t" else cell for cell in read] == [text, "b"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\u3000=1", "'\u3000=1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠x", "'＠x"),
        ("- 差", "'- 差"),
        ("1=1", "1=1"),
        ("good = bad", "good = bad"),
        ("很好", "很好"),
        ("", ""),
        ("-1", "-1"),
        ("+0.5e-3", "+0.5e-3"),
        (-0.53, "-0.53"),
        (-1, "-1"),
        (np.float32(-0.25), "-0.25"),
        (None, ""),
        (float("nan"), ""),
        (float("inf"), "inf"),
        ("half \ud83d", "half \ufffd"),
        ("zero\0", "zero\ufffd"),
        ({"a": ["=1"]}, '{"a": ["=1"]}'),
        (["很"], '["很"]'),
        (True, "True"),
    ],
)
@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_cells(value, cell, format, delimiter):
    content = written(["a", "b"], [["x"], [value]], format)
    rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    assert rows == [["a", "b"], ["x", cell]]


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_header_cannot_be_a_formula_either(format, delimiter):
    assert written(["text", "=label"], [[], []], format) == f"text{delimiter}'=label\n"


def test_csv_lines_end_with_a_line_feed_and_returns_are_quoted():
    content = written(["text", "label"], [["a\rb", "c\r\n", None], [None] * 3])
    assert content == 'text,label\n"a\rb",\n"c\r\n",\n,\n'


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_json_keeps_every_value(tmp_path, kind):
    texts = [*AWKWARD_TEXTS, "=1+1", "half \ud83d", "zero\0"]
    n = len(texts)
    path = tmp_path / f"a.{kind}"
    columns = [texts, [np.float32(0.25)] * n, [np.int64(2)] * n, [None] * n, [{"a": [1, None]}] * n]
    write_columns(path, ["text", "p", "n", "label", "deep"], columns, kind)
    content = path.read_text(encoding="utf-8")
    lines = content.split("\n")
    assert lines.pop() == ""
    rows = json.loads(content) if kind == "json" else list(map(json.loads, lines))
    assert rows == [
        {"text": text, "p": 0.25, "n": 2, "label": None, "deep": {"a": [1, None]}} for text in texts
    ]
    assert "很好，“推荐”！" in content
    table = read_table(path, need_labels=False)
    assert table.texts == texts
    assert table.parsed.column(4) == [{"a": [1, None]}] * n


def test_a_missing_number_is_null_in_json():
    assert written(["n"], [[float("nan"), 1.0]], "jsonl") == '{"n": null}\n{"n": 1.0}\n'


def test_no_records():
    assert json.loads(written(["text"], [[]], "json")) == []
    assert written(["text"], [[]], "jsonl") == ""


def test_names_that_occur_twice():
    assert distinct(["a", "a", "a_2", "b", "a"]) == ["a", "a_2", "a_2_2", "b", "a_3"]
    assert json.loads(written(["a", "a"], [[1], [2]], "jsonl")) == {"a": 1, "a_2": 2}
    assert written(["a", "a"], [[1], [2]]) == "a,a\n1,2\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("A.TSV.GZ", "tsv"), ("a.ndjson", "jsonl"), ("a", "csv"),
     ("a.b/c", "csv"), ("a.parquet", "parquet"), ("a.json.gz", "json")],
)  # fmt: skip
def test_the_suffix_says_what_to_write(name, kind):
    assert written_format(name) == kind


@pytest.mark.parametrize("name", ["a.xlsx", "a.txt", "a.csv.zip", "a.1"])
def test_other_suffixes(name):
    with pytest.raises(ValueError, match=r"must be one of \.csv, \.tsv"):
        written_format(name)


def test_unknown_format():
    with pytest.raises(ValueError, match="csv, tsv, jsonl, json, parquet; it is 'xlsx'"):
        written(["text"], [[]], "xlsx")


@pytest.mark.parametrize("kind", [*FORMATS, "csv.gz"])
def test_a_failure_half_way_keeps_the_old_file(tmp_path, kind):
    need(kind)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"mine")
    with pytest.raises(ValueError):
        write_columns(path, ["a", "b"], [["x"] * 10_000, ["y"] * 9_999], kind.split(".")[0])
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and devices")
def test_links_stay_links_and_devices_are_written_to(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"mine")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    write_columns(tmp_path / "b.csv", ["text"], [["a"]])
    assert (tmp_path / "b.csv").is_symlink()
    assert (tmp_path / "a.csv").read_bytes() == b"text\na\n"
    write_columns("/dev/null", ["text"], [["a"]])


def test_gzip(tmp_path):
    write_columns(tmp_path / "a.csv.gz", ["text"], [["a"]])
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == b"text\na\n"


# --- Parquet -------------------------------------------------------------------------


def test_parquet_types(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    columns = {
        "text": ["a", None, "half \ud83d", "🙂"],
        "int": [1, 2, None, 4],
        "float": [0.5, 1, None, 2],
        "bool": [True, None, False, True],
        "mixed": [1, "a", None, True],
        "big": [10**30, 1, 2, 3],
        "deep": [{"a": 1}, [1], None, "x"],
        "empty": [{}, {}, {}, {}],
        "none": [None] * 4,
        "numpy": [np.float32(0.25)] * 4,
        "kept": pyarrow.chunked_array([["x"], ["y", "x", None]]).dictionary_encode(),
        "text_": ["=1"] * 4,
    }
    write_columns(path, list(columns), list(columns.values()), "parquet")
    read = pyarrow.parquet.read_table(path).to_pydict()
    assert read["text"] == ["a", None, "half \ufffd", "🙂"]
    assert read["int"] == [1, 2, None, 4] and type(read["int"][0]) is int
    assert read["float"] == [0.5, 1.0, None, 2.0]
    assert read["bool"] == [True, None, False, True]
    assert read["mixed"] == ["1", "a", None, "True"]
    assert read["big"] == [str(10**30), "1", "2", "3"]
    assert read["deep"] == ['{"a": 1}', "[1]", None, "x"]
    assert read["empty"] == ["{}"] * 4
    assert read["none"] == [None] * 4
    assert read["numpy"] == [0.25] * 4
    assert read["kept"] == ["x", "y", "x", None]
    assert read["text_"] == ["=1"] * 4


def test_parquet_values_in_text_formats(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import datetime
    import decimal

    table = pyarrow.table(
        {
            "text": ["a"],
            "day": [datetime.date(2024, 1, 2)],
            "money": [decimal.Decimal("1.50")],
            "raw": [b"caf\xc3\xa9"],
            "time": pyarrow.array([1_700_000_000_123_456_789], pyarrow.timestamp("ns")),
            "list": [["x", "y"]],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    parsed = read_table(tmp_path / "a.parquet", need_labels=False).parsed
    values = [parsed.column(i) for i in range(len(parsed.columns))]
    record = json.loads(written(parsed.columns, values, "jsonl"))
    assert record["day"] == "2024-01-02" and record["money"] == "1.50"
    assert record["raw"] == "café" and record["list"] == ["x", "y"]
    assert record["time"].startswith("2023-11-14 22:13:20.123456789")
    row = list(csv.DictReader(io.StringIO(written(parsed.columns, values))))[0]
    assert row["list"] == '["x", "y"]' and row["day"] == "2024-01-02"


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_guarded_texts_and_labels_come_back(tmp_path, kind):
    """The apostrophe is for spreadsheets alone."""
    path = tmp_path / f"x.{kind}"
    texts = ["=1+1", "@you are great", "- dull", "'twas fine", "''", "-5", "plain"]
    labels = ["+", "-", "=x", "'a", "@", "1", "b"]
    write_columns(path, ["text", "label"], [texts, labels], kind)
    assert "'=1+1" in path.read_text(encoding="utf-8")
    table = read_table(path)
    assert table.texts == texts
    assert table.labels == labels


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text\na\n", encoding="utf-8")
    path.chmod(0o600)
    write_columns(path, ["text"], [["b"]], "csv")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="utf-8").split() == ["text", "b"]

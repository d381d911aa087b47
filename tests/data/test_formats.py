"""Files as people have them: encodings, JSON, Parquet, fastText, spreadsheets."""

import gzip
import json

import pytest

from fastlstm.data.files import decode
from fastlstm.data.tables import read_table

from .test_tables import AWKWARD_LABELS, AWKWARD_TEXTS, write

ROWS = (["good", "bad"], ["pos", "neg"])


def read(path, **options):
    table = read_table(path, **options)
    return table.texts, table.labels


# --- encodings -----------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.csv.gz", "a.json.gz"])
def test_unicode_encodings(tmp_path, encoding, name):
    kind = name.split(".")[1]
    rows = [("一上二", "正"), ("très 🙂", "负"), ("plain", "正")]
    if kind.startswith("json"):
        objects = [json.dumps({"text": t, "label": y}, ensure_ascii=False) for t, y in rows]
        content = "\n".join(objects) if kind == "jsonl" else f"[{','.join(objects)}\n]"
    else:
        between = "\t" if kind == "tsv" else ","
        content = "\r\n".join(between.join(row) for row in [("text", "label"), *rows])
    path = write(tmp_path / name, content, encoding)
    assert read(path) == ([t for t, _ in rows], [y for _, y in rows])


def test_utf_16_as_pandas_writes_it(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": AWKWARD_TEXTS, "label": AWKWARD_LABELS})
    frame.to_csv(
        tmp_path / "a.csv", encoding="utf-16", sep="\t", index=False, lineterminator="\r\n"
    )
    assert read(tmp_path / "a.csv") == (AWKWARD_TEXTS, AWKWARD_LABELS)


@pytest.mark.parametrize(
    "encoding", ["gb18030", "big5", "shift_jis", "cp1252", "latin-1", "cp1251"]
)
def test_named_encodings(tmp_path, encoding):
    text = {"gb18030": "很好", "big5": "很好", "shift_jis": "とても", "cp1251": "хорошо"}
    text = text.get(encoding, "très bon, über")
    path = write(tmp_path / "a.csv", f'text,label\n"{text}",1\n', encoding)
    assert read(path, encoding=encoding) == ([text], ["1"])
    with pytest.raises(ValueError, match="encoding"):
        read_table(path)


def test_a_mark_counts_for_more_than_the_option(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        path = write(tmp_path / "a.csv", "text,label\n好,1\n", encoding)
        assert read(path, encoding="latin-1") == (["好"], ["1"])


@pytest.mark.parametrize("encoding", ["utf-9", "rot13", "hex", "zip", "", "a\0b"])
def test_unknown_encodings(tmp_path, encoding):
    path = write(tmp_path / "a.csv", "text,label\na,1\n")
    with pytest.raises(ValueError, match="is not known; names are such as utf-8, utf-16, gb18030"):
        read_table(path, encoding=encoding)


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (
            "text,label\n好,1\n".encode(),
            "ascii",
            "not ASCII.*looks like UTF-8; pass --encoding utf-8",
        ),
        ("text,label\n亐亐,1\n".encode("gb18030"), "big5", "line 2 is not BIG5.*gb18030"),
        ("a,1\n".encode("utf-16-le"), "latin-1", "zero byte at offset 1"),
        (b"text,label\n\x81,1\n", "cp1252", "0x81 at offset 11"),
    ],
)
def test_a_wrong_encoding(content, encoding, message):
    with pytest.raises(ValueError, match=f"(?s)name: .*{message}"):
        decode(content, "name", encoding)


# --- spreadsheets ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "rows", "n_empty"),
    [
        ("a.csv", "text;label;x\n;;\ngood;pos;1\n;;\nbad;neg;2\n;;\n;;\n", [3, 5], 4),
        ("a.csv", ";;;\ntext;label;x;\ngood;pos;1;\nbad;neg;2;\n", [3, 4], 1),
        ("a.csv", "text,label\ngood,pos\n,\n  \n\nbad,neg\n , \n", [2, 6], 3),
        ("a.csv", "text,label\ngood,pos\nbad,neg\n,,,,\n", [2, 3], 1),
        ("a.csv", 'text,label\ngood,pos\n"","\n"\nbad,neg\n', [2, 5], 1),
        ("a.tsv", "text\tlabel\n\t\ngood\tpos\nbad\tneg\n\t\n", [3, 4], 2),
        ("a.tsv", 'text\tlabel\t\n\t\t\n"good"\tpos\t\nbad\tneg\t\n', [3, 4], 1),
        ("a.csv", "text,label,\ngood,pos,\nbad,neg,\n", [2, 3], 0),
        ("a.csv", "text,label\ngood,pos,\nbad,neg,\n", [2, 3], 0),
        ("a.csv", "text,label,\ngood,pos\nbad,neg\n", [2, 3], 0),
        ("a.csv", "text,label,,\r\ngood,pos,,\r\nbad,neg,,\r\n", [2, 3], 0),
        ("a.csv", "  \ntext;label\ngood;pos\nbad;neg\n", [3, 4], 1),
        ("a.csv", "sep=;\ntext;label\ngood;pos\nbad;neg\n", [3, 4], 0),
        ("a.csv", '\ufeff"sep=;"\r\ntext;label\r\ngood;pos\r\nbad;neg\r\n', [3, 4], 0),
        ("a.csv", "SEP=#\ntext#label#a,b,c\ngood#pos#\nbad#neg#1\n", [3, 4], 0),
        ("a.csv", "sep=\t\ntext\tlabel\ngood\tpos\nbad\tneg\n", [3, 4], 0),
        ("a.csv", '"\ufefftext",label\ngood,pos\nbad,neg\n', [2, 3], 0),
        ("a.csv", '\ufeff" \ufefftext ",label\ngood, pos \nbad,neg\u3000\n', [2, 3], 0),
        ("a.jsonl", '{"\ufefftext": "good", "label": "pos"}\n{"label": null, "x": " "}\n'
         '{"\ufefftext": "bad", "label": "neg "}', [1, 3], 1),
    ],
)  # fmt: skip
def test_what_spreadsheets_leave(tmp_path, name, content, rows, n_empty):
    for suffix in ("", ".gz"):
        table = read_table(write(tmp_path / (name + suffix), content))
        assert (table.texts, table.labels) == ROWS
        assert (table.rows, table.n_empty) == (rows, n_empty)


def test_empty_documents_of_one_column_stay(tmp_path):
    path = write(tmp_path / "a.csv", 'text\ngood\n""\n" "\nbad\n')
    table = read_table(path, need_labels=False)
    assert (table.texts, table.n_empty) == (["good", "", " ", "bad"], 0)
    path = write(tmp_path / "a.jsonl", '{"text": null}\n{"text": ""}\n')
    assert read_table(path, need_labels=False).texts == [None, ""]


def test_a_lone_trailing_delimiter_is_still_refused(tmp_path):
    with pytest.raises(ValueError, match="line 2 has 3 cells, the header has 2"):
        read_table(write(tmp_path / "a.csv", "text,label\na film, good,\nbad,neg\n"))


def test_huge_cells(tmp_path):
    huge = "x" * 3_000_000
    for name, content in (
        ("a.csv", f'text,label\n"{huge}",pos\n'),
        ("a.tsv", f"text\tlabel\n{huge}\tpos\n"),
        ("a.json", json.dumps([{"text": huge, "label": "pos"}])),
        ("a.txt", f"__label__pos {huge}"),
    ):
        assert read(write(tmp_path / name, content)) == ([huge], ["pos"])


# --- JSON -----------------------------------------------------------------------------


def test_json_arrays_and_lines(tmp_path):
    objects = [
        {"text": "good", "label": 1},
        {"label": 1.0, "text": "bad"},
        {"text": "x", "label": True},
    ]
    wanted = (["good", "bad", "x"], ["1", "1.0", "True"])
    for content, rows, unit in (
        (json.dumps(objects), [1, 2, 3], "row"),
        (json.dumps(objects, indent=2), [1, 2, 3], "row"),
        ("\n\n".join(map(json.dumps, objects)), [1, 3, 5], "line"),
    ):
        for name in ("a.json", "a.JSON.gz"):
            table = read_table(write(tmp_path / name.lower(), content))
            assert (table.texts, table.labels) == wanted
            assert (table.rows, table.unit) == (rows, unit)


@pytest.mark.parametrize("orient", ["records", "lines"])
def test_json_of_pandas(tmp_path, orient):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": AWKWARD_TEXTS, "label": AWKWARD_LABELS})
    frame.to_json(tmp_path / "a.json", orient="records", lines=orient == "lines")
    assert read(tmp_path / "a.json") == (AWKWARD_TEXTS, AWKWARD_LABELS)


def test_json_of_polars(tmp_path):
    polars = pytest.importorskip("polars")
    polars.DataFrame({"text": AWKWARD_TEXTS, "label": AWKWARD_LABELS}).write_json(
        tmp_path / "a.json"
    )
    assert read(tmp_path / "a.json") == (AWKWARD_TEXTS, AWKWARD_LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "the file is empty"),
        ('[{"text": "a"}, 5]', "row 2 of the array is not a JSON object"),
        ('[{"text": "a", "label": 1},\n {"text": }]', "line 2 is not valid JSON.*column 11"),
        ('[{"text": "a", "label": null}, {"text": "b", "label": 1}]', "label' on row 1; fill"),
        ('[{"text": ["a"], "label": 1}]', "'text' on row 1 is an array"),
        (
            '{"text": {"0": "a"}, "label": {"0": 1}}',
            r"one JSON object, with the keys 'text'.*orient",
        ),
        ('{\n "data": [{"text": "a"}]\n}', "one JSON object, with the keys 'data'"),
        ('{"text": "a", "label": 1}\n{"text": ', "line 2 is not valid JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("hello", "line 1 is not valid JSON"),
    ],
)
def test_json_that_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"(?s)a.json.*{message}"):
        read_table(write(tmp_path / "a.json", content))


# --- fastText -------------------------------------------------------------------------


def test_lines_of_fasttext(tmp_path):
    content = "\ufeff__label__pos good  film\r\n\r\n__label__très-bon\tb\n__label__1\n"
    for name in ("a.txt", "a.txt.gz"):
        table = read_table(write(tmp_path / name, content))
        assert table.texts == ["good  film", "b", ""]
        assert table.labels == ["pos", "très-bon", "1"]
        assert (table.rows, table.columns) == ([1, 3, 4], ("label", "text"))
        unlabelled = read_table(tmp_path / name, need_labels=False)
        assert (unlabelled.texts, unlabelled.labels) == (table.texts, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [("no label", "line 2 does not begin with a label"), ("__label__ x", "line 2 does not begin"),
     ("__label__a __label__b x", "line 2 has several labels")],
)  # fmt: skip
def test_lines_that_are_not_fasttext(tmp_path, line, message):
    path = write(tmp_path / "a.txt", f"__label__pos good\n{line}\n")
    for options in ({}, {"need_labels": False}):
        with pytest.raises(ValueError, match=message):
            read_table(path, **options)


# --- columns --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("id,Body,Stars", "body", "STARS"),
        ("id,Body,Stars", "2", "3"),
        ("id,Body,Stars", "02", "stars "),
        ("id,Body,Stars", 2, 3),
        ("3,x,2", "x", "2"),
        ("text,text,text", "2", "3"),
        ("Text,text,TEXT", "text", "TEXT"),
    ],
)
def test_columns_in_any_case_and_by_number(tmp_path, header, text, label):
    path = write(tmp_path / "a.csv", f"{header}\n0,good,pos\n0,bad,neg\n")
    assert read(path, text_column=text, label_column=label) == ROWS


@pytest.mark.parametrize(
    ("header", "text", "message"),
    [
        ("Text,TEXT,label", "text", "'Text' is column 1, 'TEXT' is column 2.*--text-column 1"),
        ("text,text,label", "text", "'text' is column 1, 'text' is column 2; pass the number"),
        ("a,b,label", "4", "no column of that name"),
        ("a,b,label", "0", "no column of that name"),
        ("a,b,label", "-1", "no column of that name"),
        ("a,b,label", "9" * 5000, "no column of that name"),
    ],
)
def test_columns_that_are_not_there(tmp_path, header, text, message):
    path = write(tmp_path / "a.csv", f"{header}\n0,good,pos\n")
    with pytest.raises(ValueError, match=message):
        read_table(path, text_column=text)


# --- no header ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", "good,pos\nbad,neg\n", {}),
        ("a.csv", "good,pos,\nbad,neg,\n", {}),
        ("a.csv", 'pos;good\nneg;"bad"\n', {"text_column": "2"}),
        ("a.tsv", "1\tgood\tpos\n2\tbad\tneg\n", {"text_column": "2", "label_column": "3"}),
        ("a.jsonl", '{"text": "good", "label": "pos"}\n{"text": "bad", "label": "neg"}', {}),
    ],
)
def test_no_header(tmp_path, name, content, options):
    if not options and name == "a.csv":
        options = {"text_column": "1"}  # cells of one length say nothing
    assert read(write(tmp_path / name, content), header=False, **options) == ROWS


def test_one_column_without_header(tmp_path):
    path = write(tmp_path / "a.csv", "good film\nbad film\n")
    assert read(path, header=False, need_labels=False) == (["good film", "bad film"], None)
    with pytest.raises(ValueError, match="if the file has no header, add --no-header"):
        read_table(path, need_labels=False)


def test_the_delimiter_without_header_cuts_all_records_alike(tmp_path):
    path = write(tmp_path / "a.csv", "a, b and, c;pos\nd;neg\n" * 200)
    table = read_table(path, header=False)
    assert table.texts[:2] == ["a, b and, c", "d"] and table.labels[:2] == ["pos", "neg"]


BARE = [
    "a fine film,pos\na good one,neg\nthe third film,pos\n",
    "5,a fine film\n4,a good one\n5,the third film\n",
    "1,a fine film\n2,a good one\n3,the third film\n",
    "1,a fine film,pos\n2,a good one,neg\n3,the third film,pos\n",
]


@pytest.mark.parametrize("content", BARE)
@pytest.mark.parametrize("need_labels", [True, False])
def test_a_file_without_header_is_noticed(tmp_path, content, need_labels):
    width = content.split("\n")[0].count(",")
    options = {"text_column": "2", "label_column": "3"} if width == 2 else {}
    if not need_labels:
        options.pop("label_column", None)
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(ValueError, match="seems to have no header.*--no-header"):
        read_table(path, need_labels=need_labels, **options)
    assert len(read_table(path, need_labels=need_labels, header=False, **options).texts) == 3


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("text,y\ngood,y\nbad,n\n", {}),
        ("words,y\ngood film,y\nbad film,n\n", {"text_column": "words"}),
        ("words,y\ngood film,y\nbad film,n\n", {"label_column": "Y"}),
        ("0,1\ngood film,1\nbad film,0\n", {}),
        ("1,2\ngood film,1\nbad film,2\n", {}),
        (",words,stars\n0,good film,5\n1,bad film,1\n", {}),
        ("How was your stay with us?,Rating\nVery good it was indeed all of it,5\nbad,1\n", {}),
    ],
)
def test_a_header_that_could_be_a_record_is_not_refused(tmp_path, content, options):
    assert len(read_table(write(tmp_path / "a.csv", content), **options).texts) == 2


# --- Parquet --------------------------------------------------------------------------


@pytest.fixture
def pyarrow():
    module = pytest.importorskip("pyarrow")
    import pyarrow.parquet  # noqa: F401

    return module


def parquet(pyarrow, path, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_of_pandas_and_polars(tmp_path, pyarrow):
    texts = [*AWKWARD_TEXTS, "x"]
    labels = [*AWKWARD_LABELS, "neg"]
    for name in ("pandas", "polars"):
        frame = pytest.importorskip(name).DataFrame({"text": texts, "label": labels})
        write_parquet = frame.to_parquet if name == "pandas" else frame.write_parquet
        write_parquet(tmp_path / "a.parquet")
        table = read_table(tmp_path / "a.parquet")
        assert (table.texts, table.labels) == (texts, labels)
        assert (table.rows[-1], table.unit) == (len(texts), "row")
    raw = (tmp_path / "a.parquet").read_bytes()
    assert read(write(tmp_path / "b.parquet.gz", raw)) == (texts, labels)


@pytest.mark.parametrize(
    ("kind", "labels", "wanted"),
    [
        ("string", ["a", "b "], ["a", "b"]),
        ("large_string", ["a", "b"], ["a", "b"]),
        ("string_view", ["a", "b"], ["a", "b"]),
        ("binary", [b"a", "é".encode()], ["a", "é"]),
        ("int8", [1, -2], ["1", "-2"]),
        ("float64", [1.0, 2.5], ["1.0", "2.5"]),
        ("bool_", [True, False], ["True", "False"]),
        ("date32", [0, 1], ["1970-01-01", "1970-01-02"]),
    ],
)
@pytest.mark.parametrize("dictionary", [False, True])
def test_parquet_types(tmp_path, pyarrow, kind, labels, wanted, dictionary):
    array = pyarrow.array(labels, getattr(pyarrow, kind)())
    if dictionary:
        if kind == "string_view":
            pytest.skip("not encoded by pyarrow")
        array = array.dictionary_encode()
    path = parquet(pyarrow, tmp_path / "a.parquet", text=["x", "y"], label=array)
    assert read(path) == (["x", "y"], wanted)


def test_parquet_with_nulls_and_empty_rows(tmp_path, pyarrow):
    path = parquet(
        pyarrow,
        tmp_path / "a.parquet",
        text=["x", None, None, " ", "y"],
        label=pyarrow.array(["a", None, "b", None, "a"]).dictionary_encode(),
        n=pyarrow.array([1, None, None, None, 2]),
    )
    table = read_table(path)
    assert (table.texts, table.labels) == (["x", None, "y"], ["a", "b", "a"])
    assert (table.rows, table.n_empty) == ([1, 3, 5], 2)
    assert table.parsed.arrow.num_rows == 3
    path = parquet(pyarrow, tmp_path / "a.parquet", text=["x", "y"], label=["a", None])
    with pytest.raises(ValueError, match="no label in column 'label' on row 2"):
        read_table(path)


def test_parquet_columns_of_one_name(tmp_path, pyarrow):
    table = pyarrow.table([["a"], ["b"], ["c"]], names=["text", "text", "label"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", text_column="2") == (["b"], ["c"])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text,label\n", b"PAR1" + bytes(50) + b"PAR1"])
def test_parquet_that_is_none(tmp_path, pyarrow, content):
    with pytest.raises(ValueError, match="a.parquet: not a whole Parquet file"):
        read_table(write(tmp_path / "a.parquet", content))


def test_parquet_without_text(tmp_path, pyarrow):
    path = parquet(pyarrow, tmp_path / "a.parquet", text=[["a"]], label=["x"])
    with pytest.raises(ValueError, match="'text' on row 1 is an array"):
        read_table(path)
    path = parquet(pyarrow, tmp_path / "a.parquet", text=[b"\xff"], label=["x"])
    with pytest.raises(ValueError, match="'text' on row 1 is not UTF-8"):
        read_table(path)
    path = parquet(pyarrow, tmp_path / "a.parquet", text=[], label=[])
    with pytest.raises(ValueError, match="the file is empty"):
        read_table(path)


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    path = write(tmp_path / "a.parquet", b"PAR1")
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[parquet\]'"):
        read_table(path)


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "txt", "parquet"])
def test_damaged_gzip_of_each_format(tmp_path, kind):
    raw = gzip.compress(b"text,label\na,1\n" * 100)[:-5]
    (tmp_path / f"a.{kind}.gz").write_bytes(raw)
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_table(tmp_path / f"a.{kind}.gz")

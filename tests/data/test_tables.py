"""Tables are read as pandas and the csv module write them, or refused with a mend."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlstm.data.tables import LABEL_NAMES, TEXT_NAMES, read_table

AWKWARD_TEXTS = [
    "plain",
    "comma, semicolon; pipe | and 'quotes'",
    'He said "no"',
    '"all of it quoted"',
    '"',
    "two\nlines",
    "three\r\nlines\rhere",
    "a\ttab",
    "  spaces kept  ",
    "很好，“推荐”！",
    "form\x0cfeed and \u2028 separator",
    "🙂 emoji",
    "",
]
AWKWARD_LABELS = ["pos", "neg"] * 6 + ["pos"]


def write(path, content, encoding="utf-8"):
    """Write str or bytes, gzipped if the name says so."""
    raw = content.encode(encoding) if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


# --- what is read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "texts", "labels", "rows"),
    [
        ("a.csv", "text,label\ngood,pos\nbad,neg\n", ["good", "bad"], ["pos", "neg"], [2, 3]),
        ("a.CSV", "text,label\r\ngood,pos\r\nbad,neg", ["good", "bad"], ["pos", "neg"], [2, 3]),
        ("mac.csv", "text,label\rgood,pos\rbad,neg\r", ["good", "bad"], ["pos", "neg"], [2, 3]),
        ("bom.csv", '\ufeff"text",label\ngood,pos\n', ["good"], ["pos"], [2]),
        ("semi.csv", "text;label\na, b and c;pos\n", ["a, b and c"], ["pos"], [2]),
        ("tab.csv", 'label\ttext\npos\t"a\tb"\n', ["a\tb"], ["pos"], [2]),
        ("pipe.csv", "id|text|label\n1|a,b;c|pos\n", ["a,b;c"], ["pos"], [2]),
        ("quoted_header.csv", '"text; long",label\na,1\n', ["a"], ["1"], [2]),
        (
            "lines.csv",
            'text,label\n"a\n\nb",pos\n\nc,neg\n',
            ["a\n\nb", "c"],
            ["pos", "neg"],
            [2, 6],
        ),
        ("doubled.csv", 'text,label\n"say ""hi""",pos\n', ['say "hi"'], ["pos"], [2]),
        ("inner.csv", 'text,label\nsay "hi",pos\n', ['say "hi"'], ["pos"], [2]),
        ("empty_text.csv", 'text,label\n,pos\n"",neg\n', ["", ""], ["pos", "neg"], [2, 3]),
        ("gz.csv.gz", "text,label\ngood,pos\n", ["good"], ["pos"], [2]),
        (
            "plain.tsv",
            "text\tlabel\ngood\tpos\n\nbad\tneg\n",
            ["good", "bad"],
            ["pos", "neg"],
            [2, 4],
        ),
        ("quotes.tsv", 'text\tlabel\n"Good" he said\tpos\n', ['"Good" he said'], ["pos"], [2]),
        (
            "lone.tsv",
            'text\tlabel\n"Good\tpos\nbad"\tneg\n',
            ['"Good', 'bad"'],
            ["pos", "neg"],
            [2, 3],
        ),
        (
            "some.tsv",
            'text\tlabel\n"all"\tpos\n"a" b\tneg\n',
            ['"all"', '"a" b'],
            ["pos", "neg"],
            [2, 3],
        ),
        ("doubled.tsv", 'text\tlabel\n"say ""hi"""\tpos\n', ['say "hi"'], ["pos"], [2]),
        ("tabs.tsv", 'text\tlabel\n"a\tb"\tpos\n', ["a\tb"], ["pos"], [2]),
        ("multi.tsv", 'text\tlabel\n"a\nb"\tpos\nc\tneg\n', ["a\nb", "c"], ["pos", "neg"], [2, 4]),
        ("gz.tsv.gz", "\ufefftext\tlabel\n好\t正\n", ["好"], ["正"], [2]),
        (
            "a.jsonl",
            '{"text": "a\\nb", "label": 1}\n\n{"label": true, "text": null}\n{"label": -1.5}\n',
            ["a\nb", None, None],
            ["1", "True", "-1.5"],
            [1, 3, 4],
        ),
        ("num.ndjson", '{"text": 5, "label": "x"}', ["5"], ["x"], [1]),
        ("nan.jsonl", '{"text": NaN, "label": "x"}', [None], ["x"], [1]),
        ("gz.jsonl.gz", '\ufeff{"text": "好", "label": "x"}\r\n', ["好"], ["x"], [1]),
    ],
)
def test_reads(tmp_path, name, content, texts, labels, rows):
    table = read_table(write(tmp_path / name, content))
    assert (table.texts, table.labels, table.rows) == (texts, labels, rows)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_plain_text_is_one_document_a_line(tmp_path, name):
    path = write(tmp_path / name, '\ufeffone, "two"\r\n\nthree\x0cstill\u2028three\n')
    table = read_table(path, need_labels=False)
    assert table[:6] == (
        ['one, "two"', "", "three\x0cstill\u2028three"],
        None,
        None,
        None,
        (),
        [1, 2, 3],
    )


def test_a_cell_longer_than_the_csv_module_allows(tmp_path):
    limit = csv.field_size_limit()
    path = write(tmp_path / "a.csv", f'text,label\n"{"x" * (limit + 1)}",pos\n')
    assert len(read_table(path).texts[0]) == limit + 1
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv", {}),
        ("a.csv", {"sep": ";"}),
        ("a.csv", {"sep": "\t"}),
        ("a.csv", {"encoding": "utf-8-sig", "quoting": csv.QUOTE_ALL}),
        ("a.csv.gz", {"quoting": csv.QUOTE_NONNUMERIC}),
        ("a.csv", {"index": True}),
        ("a.tsv", {"sep": "\t"}),
        ("a.tsv.gz", {"sep": "\t", "quoting": csv.QUOTE_ALL}),
    ],
)
def test_round_trip_through_pandas(tmp_path, name, options):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": AWKWARD_TEXTS, "label": AWKWARD_LABELS})
    # pandas leaves a lone carriage return unquoted where its own line end is "\n".
    frame.to_csv(tmp_path / name, **{"index": False, "lineterminator": "\r\n"} | options)
    table = read_table(tmp_path / name)
    assert table.texts == AWKWARD_TEXTS
    assert table.labels == AWKWARD_LABELS


def test_one_quoted_column_with_line_breaks(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a\nb", 'say "hi"', "", "c"]})
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert read_table(tmp_path / "a.tsv", need_labels=False).texts == list(frame["text"])


def test_json_lines_round_trip_through_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": [*AWKWARD_TEXTS, None], "label": [*AWKWARD_LABELS, "neg"]})
    frame.to_json(tmp_path / "a.jsonl.gz", orient="records", lines=True, force_ascii=False)
    table = read_table(tmp_path / "a.jsonl.gz")
    assert table.texts == [*AWKWARD_TEXTS, None]
    assert table.labels == [*AWKWARD_LABELS, "neg"]


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    st.sampled_from(",;\t|"),
)
def test_what_the_csv_module_writes_comes_back(tmp_path_factory, texts, delimiter):
    content = io.StringIO(newline="")
    writer = csv.writer(content, delimiter=delimiter)
    writer.writerows([["text", "label"], ["first", "x"], *([text, "x"] for text in texts)])
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", content.getvalue())
    assert read_table(path).texts == ["first", *texts]


# --- which columns -----------------------------------------------------------------


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_text_column_by_name(tmp_path, name):
    path = write(tmp_path / "a.csv", f"id,{name.upper()},Label,rating\n1,good,pos,5\n")
    table = read_table(path)
    assert (table.texts, table.text_column, table.label_column) == (["good"], name.upper(), "Label")
    assert table.columns == ("id", name.upper(), "Label", "rating")


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_label_column_by_name(tmp_path, name):
    path = write(tmp_path / "a.csv", f"id, {name.title()} ,text\n1,pos,good\n")
    table = read_table(path)
    assert (table.labels, table.label_column) == (["pos"], name.title())


def test_rating_is_never_the_label(tmp_path):
    path = write(tmp_path / "a.csv", "id,text,rating\n1,good,5\n")
    with pytest.raises(
        ValueError, match="which column is the label.*'rating'.*--label-column NAME"
    ):
        read_table(path)


@pytest.mark.parametrize(
    ("header", "row", "text", "label"),
    [
        ("verdict,words", "pos,a longer cell", "words", "verdict"),
        ("words,verdict", "a longer cell,pos", "words", "verdict"),
        ("words,label", "ok,positively", "words", "label"),
        ("text,verdict", "ok,positively", "text", "verdict"),
        (",words,verdict", "100000000,good,pos", "words", "verdict"),
    ],
)
def test_two_columns_need_no_known_names(tmp_path, header, row, text, label):
    table = read_table(write(tmp_path / "a.csv", f"{header}\n{row}\n"))
    assert (table.text_column, table.label_column) == (text, label)


def test_given_columns_win(tmp_path):
    path = write(tmp_path / "a.csv", "text,title,label,stars\nlong,short,pos,5\n")
    table = read_table(path, text_column="title", label_column="stars")
    assert (table.texts, table.labels) == (["short"], ["5"])
    assert (table.text_column, table.label_column) == ("title", "stars")


@pytest.mark.parametrize(
    ("given", "text", "label"),
    [
        ({"label_column": "text"}, "review", "text"),
        ({"text_column": "label"}, "label", "class"),
    ],
)
def test_a_given_column_is_not_guessed_for_the_other_role(tmp_path, given, text, label):
    path = write(tmp_path / "a.csv", "text,review,label,class\na,b,c,d\n")
    table = read_table(path, **given)
    assert (table.text_column, table.label_column) == (text, label)


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        ("a,b,c\n1,2,3\n", {}, "which column is the text; the columns are 'a', 'b', 'c'"),
        ("a,b,c\n1,2,3\n", {}, r"--text-column NAME \(text_column= in Python\)"),
        ("a,b\nsame,size\n", {}, "which column is the text"),
        ("a\n1\n", {}, "which column is the text"),
        ("text\nx\n", {}, "which column is the label"),
        ("text,label,class\nx,1,2\n", {}, "could be the label: 'label', 'class'; name it"),
        ("text,review,label\nx,y,1\n", {}, "could be the text: 'text', 'review'; name it"),
        ("text,text,label\nx,y,1\n", {"text_column": "text"}, "more than one column of that name"),
        ("text,label\nx,1\n", {"text_column": "body"}, "no column of that name.*'text', 'label'"),
        ("review,label\nx,1\n", {"text_column": "Reviw"}, "did you mean 'review'.*the columns"),
        ("a,b,label\nx,y,1\n", {"text_column": 9}, "--text-column '9'.*there are 3 columns, count"),
        ("text\nx\n", {"label_column": 2}, "--label-column '2'.*there is 1 column, counted"),
        ("text,label\nx,1\n", {"label_column": "y"}, "--label-column 'y'.*'text', 'label'"),
        ("text,label\nx,1\n", {"label_column": "text", "text_column": "text"}, "are both 'text'"),
    ],
)
def test_columns_that_cannot_be_told(tmp_path, content, given, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path / "a.csv", content), **given)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text\ngood\n"),
        ("a.csv", "label,words\npositively,good\n"),
        ("a.csv", "text,label,class\ngood,,\n"),
        ("a.jsonl", '{"text": "good"}'),
    ],
)
def test_labels_are_not_needed_to_predict(tmp_path, name, content):
    table = read_table(write(tmp_path / name, content), need_labels=False)
    assert (table.texts, table.labels, table.label_column) == (["good"], None, None)


def test_labels_that_are_asked_for_may_be_missing(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\na,pos\nb, \n")
    table = read_table(path, label_column="label", need_labels=False)
    assert table.labels == ["pos", None]


# --- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.docx", "x", r"suffix, which must be one of \.csv, \.tsv"),
        ("a.xlsx", "x", "save it as CSV UTF-8"),
        ("a.ods", "x", "save it as CSV UTF-8"),
        ("a.fastlstm", "x", "the name of a model; pass a file with documents"),
        ("a.gz", "x", "suffix"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\ufeff\n\n", "the file is empty"),
        ("a.csv", "text,label\n", "a header and no records"),
        ("a.tsv", "", "the file is empty"),
        ("a.tsv", "text\tlabel\n", "a header and no records"),
        ("a.jsonl", "\n", "the file is empty"),
        (
            "a.csv",
            "text,label\na,1\nb,c,2\n",
            r"line 3 has 3 cells, the header has 2.*double quotes",
        ),
        ("a.csv", 'text,label\n"a\nb",1\nc\n', "line 4 has 1 cells, the header has 2"),
        ("a.csv", 'text,label\na,1\n"b,2\nc,3\n', "starts on line 3 is broken"),
        ("a.csv", 'text,label\n"a "b" c",1\n', 'starts on line 2 is broken.*written as ""'),
        ("a.tsv", "text\tlabel\na\tb\t1\n", r"line 2 has 3 cells, the header has 2.*save as \.csv"),
        ("a.tsv", 'text\tlabel\n"a\tb\t1\n', "line 2 has 3 cells.*as a quoted file"),
        (
            "a.csv",
            "text,label\na,1\nb,\nc, \n",
            "no label in column 'label' on line 3, 4; fill them in",
        ),
        ("a.csv", "text,label\n" + "a,\n" * 7, "on line 2, 3, 4, 5, 6 and 2 more"),
        ("a.jsonl", '{"text": "a", "label": null}\n{"text": "b"}', "no label.*on line 1, 2"),
        (
            "a.jsonl",
            '{"text": "a", "label": 1}\n{"text": }\n',
            "line 2 is not valid JSON.*column 10",
        ),
        ("a.jsonl", '[{"text": "a"}]', "line 1 is not a JSON object"),
        ("a.jsonl", '{"text": ["a"], "label": 1}', "'text' on line 1 is an array"),
        ("a.jsonl", '{"text": "a", "label": {"x": 1}}', "'label' on line 1 is an object"),
        ("a.jsonl", "[" * 100_000, "line 1 cannot be read as JSON"),
        (
            "a.csv",
            "text,label\n好,1\n".encode("gb18030"),
            r"line 2 is not UTF-8 \(byte 0xba at offset 11\), it looks like GB18030 or GBK; "
            r"add --encoding gb18030 \(encoding='gb18030' in Python\), or save as UTF-8",
        ),
        ("a.csv", "\ufefftext,label\n".encode() + b"\xff", "byte 0xff at offset 14"),
        ("a.csv", "text,label\na,1\n".encode("utf-16")[:-1], "not UTF-16-LE.*damaged UTF-16"),
        ("a.csv", b"text,label\na\0,1\n", r"not UTF-8 text \(a zero byte at offset 12\)"),
        ("a.csv", b"PK\x03\x04" + bytes(30), "zero byte"),
        (
            "a.csv",
            ("text,label\n" + "un très bon accueil au milieu de la ville,1\n" * 9).encode("cp1252"),
            "looks like Windows-1252 or Latin-1; add --encoding cp1252",
        ),
        ("a.csv.gz", gzip.compress(b"text,label\n\xe9,1\n"), r"0xe9 at offset 11\); save"),
        ("a.csv", "text,label\n好,1\n".encode("big5"), r"offset 11\); save"),
    ],
)
def test_refuses_with_a_mend(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=f"(?s){name}.*{message}"):
        read_table(path)


@pytest.mark.parametrize("cut", [0, -5])
def test_damaged_gzip(tmp_path, cut):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\na,1\n")[:cut] if cut else b"text,label\na,1\n")
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_table(path)


@pytest.mark.parametrize("options", [{}, {"need_labels": False, "text_column": "text"}])
def test_plain_text_has_no_columns_and_no_labels(tmp_path, options):
    with pytest.raises(ValueError, match=r"a \.txt file has no (labels|columns)"):
        read_table(write(tmp_path / "a.txt", "a\n"), **options)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "a.csv")


def test_a_folder_is_called_one(tmp_path):
    with pytest.raises(ValueError, match="is a folder; pass the name of a file"):
        read_table(tmp_path)


def test_records_without_a_label(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\na,1\nb,\n,\nc,2\nd, \n")
    with pytest.raises(ValueError, match="on line 3, 6; fill them in.*--drop-unlabelled"):
        read_table(path)
    table = read_table(path, drop_unlabelled=True)
    assert (table.texts, table.labels, table.rows) == (["a", "c"], ["1", "2"], [2, 5])
    assert (table.n_unlabelled, table.n_empty) == (2, 1)
    assert read_table(path, need_labels=False, drop_unlabelled=True).texts == list("abcd")
    with pytest.raises(ValueError, match="no label at all in column 'label'"):
        read_table(write(tmp_path / "b.csv", "text,label\na,\nb,\n"), drop_unlabelled=True)

"""Files through the commands: what is read, what is said of it, what is written and read back."""

import csv
import gzip
import json
import re
import sys

import pytest

import fastlstm
from fastlstm.data.tables import read_table
from fastlstm.estimator import LSTMSentimentClassifier

from .conftest import english_rows, failure, invoke, only_json, tiny_settings, write_csv

KINDS = ("csv", "tsv", "jsonl", "json", "parquet", "csv.gz", "parquet.gz")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(*arguments, more=()):
    return invoke("train", *arguments, *tiny_settings(*more))


def need(kind):
    if kind.startswith("parquet"):
        pytest.importorskip("pyarrow")


def small_model(path, texts, labels):
    clf = LSTMSentimentClassifier(
        max_epochs=1, hidden_size=4, embedding_dim=4, early_stopping=False, n_estimators=1,
        calibrate=False, word_vectors=None, random_state=0,
    )  # fmt: skip
    clf.fit(texts, labels).save(path)
    return path


# --- labels ----------------------------------------------------------------------------


def test_labels_that_look_alike_are_named(tmp_path):
    rows = english_rows(60)
    rows[:6] = [(text, {"pos": "Pos", "neg": "neg "}[label]) for text, label in rows[:6]]
    rows += [("a film", "N/A"), ("a dull film", "N/A")]
    source = write_csv("x.csv", rows)
    result = train(source, "--json")
    assert only_json(result)["classes"] == ["N/A", "Pos", "neg", "pos"]
    assert "Hint: the labels 'Pos' (3), 'pos' (27) are 2 classes and differ only" in result.stderr
    assert "'N/A' (2) is a class like any other. If that stands for no label" in result.stderr
    result = invoke("evaluate", "x.fastlstm", source, "--json")
    assert only_json(result)["n"] == 62
    assert "'Pos' (3), 'pos' (27)" in result.stderr


def test_a_label_that_is_almost_a_class(model):
    write_csv("x.csv", [("a film", "POS"), ("a film", "neg")])
    message = failure(invoke("evaluate", model, "x.csv"))
    assert "label on line 2 is 'POS'" in message
    assert "'pos' differs only in case, space or number format" in message


def test_a_model_whose_classes_have_space_around_them(tmp_path):
    texts, labels = zip(*english_rows(20), strict=True)
    path = small_model("old.fastlstm", list(texts), [f"{label} " for label in labels])
    write_csv("x.csv", [(text, f"{label} ") for text, label in english_rows(20)])
    result = only_json(invoke("evaluate", path, "x.csv", "--json"))
    assert result["labels"] == ["neg ", "pos "]
    assert result["n"] == 20


def test_numbers_are_shown_by_their_size(tmp_path):
    rows = [(f"film of {'ab'[i % 2]} {i % 11}", i % 11) for i in range(88)]
    source = write_csv("x.csv", rows)
    report = only_json(train(source, "--json", "--report", "page.html"))
    assert report["classes"] == sorted(map(str, range(11)))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    confusion = page.partition("<h2>Confusion</h2>")[2].partition("</section>")[0]
    names = [str(i) for i in range(11)]
    assert re.findall("<bdi[^>]*>([^<]*)</bdi>", confusion) == names * 2
    clf = fastlstm.load("x.fastlstm")
    assert clf.classes_.tolist() == sorted(map(str, range(11)))
    result = only_json(invoke("evaluate", "x.fastlstm", source, "--json"))
    assert result["labels"] == list(result["per_class"]) == [str(i) for i in range(11)]
    from sklearn.metrics import confusion_matrix

    predicted = clf.predict([text for text, _ in rows])
    wanted = confusion_matrix([str(y) for _, y in rows], predicted, labels=result["labels"])
    assert result["confusion_matrix"] == wanted.tolist()
    shown = invoke("evaluate", "x.fastlstm", source).stdout
    header = next(line for line in shown.splitlines() if "true \\ predicted" in line)
    assert header.split()[-11:] == [str(i) for i in range(11)]
    starts = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert [start for start in starts if start.isdigit()] == [str(i) for i in range(11)] * 2
    first = invoke("predict", "x.fastlstm", "a film", "--proba").stdout.splitlines()[0]
    assert first == "text,label," + ",".join(f"p_{i}" for i in range(11)) + ",coverage"


# --- reading ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_trains_scores_and_predicts(model, tmp_path, kind):
    need(kind)
    rows = english_rows(40)
    path, plain = f"x.{kind}", kind.removesuffix(".gz")
    if plain == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(
            pa.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]}), path
        )
        content = (tmp_path / path).read_bytes()
    elif plain.startswith("json"):
        objects = [{"text": text, "label": label} for text, label in rows]
        content = json.dumps(objects) if plain == "json" else "\n".join(map(json.dumps, objects))
    else:
        between = "\t" if plain == "tsv" else ";"
        empty = between + "\r\n"
        lines = [between.join(row) + "\r\n" for row in [("text", "label"), *rows]]
        content = "\ufeff" + "".join([*lines[:20], empty, *lines[20:], empty])
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / path).write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    assert only_json(train(path, "--json", "--out", "m.fastlstm"))["n_train"] == 36
    scored = invoke("evaluate", model, path, "--json")
    assert only_json(scored)["n"] == 40
    if plain in ("csv", "tsv"):
        assert scored.stderr == f"{path}: 2 empty rows were skipped.\n"
    found = only_json(invoke("predict", model, "--file", path, "--json"))["predictions"]
    assert [p["text"] for p in found] == [text for text, _ in rows]
    assert len(only_json(invoke("explain", model, "--file", path, "--json"))["explanations"]) == 40


def test_lines_of_fasttext(model, tmp_path):
    lines = "".join(f"__label__{label} {text}\n" for text, label in english_rows(40))
    (tmp_path / "x.txt").write_text(lines, encoding="utf-8")
    report = only_json(train("x.txt", "--json"))
    assert (report["n_train"], report["classes"]) == (36, ["neg", "pos"])
    write_csv("x.csv", english_rows(40))
    wanted = only_json(invoke("evaluate", model, "x.csv", "--json"))
    assert only_json(invoke("evaluate", model, "x.txt", "--json")) == wanted
    assert only_json(train("x.txt", "--valid", "x.csv", "--json", "--force"))["n_valid"] == 40
    assert only_json(train("x.csv", "--valid", "x.txt", "--json", "--force"))["n_valid"] == 40
    assert invoke("predict", model, "--file", "x.txt", "--out", "y.csv").exit_code == 0
    assert read_table("y.csv").texts == [text for text, _ in english_rows(40)]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_encodings(model, tmp_path, encoding):
    rows = [(f"{'好极了' if i % 2 else '糟透了'} {i}", "正" if i % 2 else "负") for i in range(40)]
    write_csv("x.csv", rows)
    raw = (tmp_path / "x.csv").read_bytes().decode().encode(encoding)
    (tmp_path / "x.csv").write_bytes(raw)
    if encoding == "gb18030":
        assert "add --encoding gb18030" in failure(train("x.csv", "--json"))
    options = ["--encoding", "gb18030"]
    report = only_json(train("x.csv", "--valid", "x.csv", "--json", *options))
    assert report["classes"] == ["正", "负"]
    assert only_json(invoke("evaluate", "x.fastlstm", "x.csv", "--json", *options))["n"] == 40
    for command in ("predict", "explain"):
        result = invoke(command, "x.fastlstm", "--file", "x.csv", "--json", *options)
        assert result.exit_code == 0, result.output
    result = invoke("predict", "x.fastlstm", "--json", *options, stdin="好\n坏\n".encode(encoding))
    assert [p["text"] for p in only_json(result)["predictions"]] == ["好", "坏"]
    assert "belongs to" in failure(invoke("predict", model, "好", *options), 2)
    message = failure(invoke("evaluate", model, "x.csv", "--encoding", "nonsense"))
    assert "'nonsense' is not known" in message


def test_files_without_header(model, tmp_path):
    rows = english_rows(41)
    bare = write_csv("bare.csv", rows[1:], header=rows[0])
    for command in (
        ["train", bare, "--json"],
        ["evaluate", model, bare],
        ["predict", model, "--file", bare],
        ["explain", model, "--file", bare],
        ["train", write_csv("good.csv", rows), "--unlabelled", bare, "--json"],
    ):
        message = failure(invoke(*command))
        assert "seems to have no header" in message and "--no-header" in message
    # Names of the one file are looked for in the other.
    assert "--no-header" in failure(invoke("train", "good.csv", "--valid", bare, "--json"))
    assert list(tmp_path.glob("*.fastlstm")) == []
    more = write_csv("more.csv", [("a splendid film", "x")], header=("a tedious film", "x"))
    report = only_json(train(bare, "--valid", bare, "--unlabelled", more, "--json", "--no-header"))
    assert (report["n_train"], report["n_valid"], report["n_unlabelled"]) == (41, 41, 2)
    assert only_json(invoke("evaluate", model, bare, "--json", "--no-header"))["n"] == 41
    result = only_json(invoke("predict", model, "--file", bare, "--json", "--no-header"))
    assert [p["text"] for p in result["predictions"]] == [text for text, _ in rows]
    assert "--file" in failure(invoke("predict", model, "a film", "--no-header"), 2)


def test_columns_by_number_and_in_any_case(model, tmp_path):
    rows = [("x", text, label) for text, label in english_rows(40)]
    write_csv("x.csv", rows, ("text", "text", "LABEL"))
    assert "pass the number" in failure(invoke("evaluate", model, "x.csv", "--text-column", "text"))
    options = ["--text-column", "2", "--label-column", "label", "--json"]
    assert only_json(invoke("evaluate", model, "x.csv", *options))["n"] == 40
    assert only_json(train("x.csv", "--valid", "x.csv", *options))["n_valid"] == 40
    assert (
        invoke(
            "predict", model, "--file", "x.csv", "--text-column", "2", "--out", "y.csv"
        ).exit_code
        == 0
    )
    assert only_json(invoke("evaluate", model, "y.csv", *options)) == only_json(
        invoke("evaluate", model, "x.csv", *options)
    )


def test_parquet_needs_pyarrow(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert "fastlstm[parquet]" in failure(invoke("evaluate", model, "x.parquet"))
    message = failure(invoke("predict", "absent.fastlstm", "a film", "--out", "y.parquet"))
    assert "fastlstm[parquet]" in message
    assert not (tmp_path / "y.parquet").exists()


# --- writing ------------------------------------------------------------------------------


def labelled():
    """Rows of a file with more columns; some labels are wrong, so that scores are not 1."""
    return [
        {
            "id": str(i),
            "text": f'{text}, or "not"\t=\n{i}',
            "label": "pos" if i % 7 == 0 else label,
            "note": "=1+1" if i == 3 else "a;b",
        }
        for i, (text, label) in enumerate(english_rows(40))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_read_back(model, kind):
    need(kind)
    rows = labelled()
    write_csv("x.csv", [list(row.values()) for row in rows], tuple(rows[0]))
    wanted = only_json(invoke("evaluate", model, "x.csv", "--json"))
    assert 0.5 < wanted["accuracy"] < 1
    out = f"y.{kind}"
    result = invoke("predict", model, "--file", "x.csv", "--out", out, "--proba")
    assert result.exit_code == 0, result.output
    assert "predictions are in 'predicted'" in result.stderr
    assert only_json(invoke("evaluate", model, out, "--json")) == wanted
    table = read_table(out)
    added = ("predicted", "p_neg", "p_pos", "coverage")
    assert table.columns == ("id", "text", "label", "note", *added)
    assert table.texts == [row["text"] for row in rows]
    assert table.labels == [row["label"] for row in rows]
    assert table.parsed.column(0) == [row["id"] for row in rows]
    guarded = kind.startswith(("csv", "tsv"))
    assert table.parsed.column(3)[3] == ("'=1+1" if guarded else "=1+1")
    # What was predicted can be scored as well: all of it is right.
    result = only_json(invoke("evaluate", model, out, "--label-column", "predicted", "--json"))
    assert result["accuracy"] == 1.0
    # And predicted again.
    again = f"z.{kind}"
    assert invoke("predict", model, "--file", out, "--out", again, "--proba").exit_code == 0
    assert read_table(again).columns[8:] == tuple(f"{name}_2" for name in added)
    assert only_json(invoke("evaluate", model, again, "--json")) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_a_file_without_labels(model, kind):
    need(kind)
    write_csv("x.csv", [(i, text) for i, (text, _) in enumerate(english_rows(10))], ("id", "body"))
    out = f"y.{kind}"
    result = invoke("predict", model, "--file", "x.csv", "--out", out)
    assert result.exit_code == 0, result.output
    assert read_table(out).columns == ("id", "body", "label")
    assert only_json(invoke("evaluate", model, out, "--json"))["accuracy"] == 1.0
    assert (
        invoke("predict", model, "--file", "x.csv", "--drop", "--force", "--out", out).exit_code
        == 0
    )
    assert read_table(out).columns == ("text", "label")
    assert only_json(invoke("evaluate", model, out, "--json"))["accuracy"] == 1.0


def test_predictions_of_a_file_without_header(model):
    write_csv("x.csv", [(i, text, "x") for i, (text, _) in enumerate(english_rows(10))][1:],
              (0, "a great film", "x"))  # fmt: skip
    options = ("--no-header", "--text-column", "2")
    result = invoke("predict", model, "--file", "x.csv", *options, "--out", "y.csv")
    assert result.exit_code == 0, result.output
    assert read_table("y.csv").columns == ("1", "text", "3", "label")
    assert only_json(invoke("evaluate", model, "y.csv", "--json"))["n"] == 10


def test_nested_values_and_types_are_kept(model, tmp_path):
    objects = [
        {"text": "a great film", "meta": {"tags": ["x", 1], "deep": {"y": None}}, "n": 1, "f": 0.5},
        {"text": "an awful film", "meta": None, "ok": True, "n": None},
    ]
    (tmp_path / "x.json").write_text(json.dumps(objects), encoding="utf-8")
    assert invoke("predict", model, "--file", "x.json", "--out", "y.jsonl").exit_code == 0
    lines = (tmp_path / "y.jsonl").read_text(encoding="utf-8").splitlines()
    keys = ("text", "meta", "n", "f", "ok")
    assert list(map(json.loads, lines)) == [
        {**{key: value.get(key) for key in keys}, "label": label}
        for value, label in zip(objects, ("pos", "neg"), strict=True)
    ]
    assert invoke("predict", model, "--file", "x.json", "--out", "y.csv").exit_code == 0
    with open("y.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert json.loads(first["meta"]) == objects[0]["meta"]
    assert (first["n"], first["ok"], second["n"], second["meta"]) == ("1", "", "", "")


def test_columns_of_parquet_keep_their_types(model):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "text": pa.array(["great", None, "awful", None], pa.large_string()),
            "when": pa.array([1, None, 2**60 + 1, None], pa.timestamp("ns")),
            "list": pa.array([[1], None, [2, 3], None], pa.list_(pa.int16())),
            "kind": pa.array(["a", "b", "a", None]).dictionary_encode(),
            "n": pa.array([1, None, 2, None], pa.int8()),
        }
    )
    pq.write_table(table, "x.parquet")
    result = invoke("predict", model, "--file", "x.parquet", "--out", "y.parquet")
    assert result.exit_code == 0, result.output
    assert "1 empty row was skipped" in result.stderr
    written = pq.read_table("y.parquet")
    assert written.select(table.column_names).equals(table.slice(0, 3))
    assert written.column_names[-1] == "label"
    result = invoke(
        "predict", model, "--file", "x.parquet", "--format", "jsonl", "--text-column", "text"
    )
    assert [json.loads(line)["list"] for line in result.stdout.splitlines()] == [[1], None, [2, 3]]


@pytest.mark.parametrize("name", ["y.xlsx", "y.txt", "y.csv.zip", "y.fastlstm", "y.pdf"])
def test_another_suffix_is_refused_before_any_work(tmp_path, name):
    message = failure(invoke("predict", "absent.fastlstm", "--file", "absent.csv", "--out", name))
    assert "must be one of .csv, .tsv, .jsonl" in message
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_for_files(model):
    assert "needs --out" in failure(invoke("predict", model, "a film", "--format", "parquet"), 2)


def test_standard_output_has_the_columns_too(model):
    write_csv("x.csv", [(1, "a great film")], ("id", "text"))
    options = ("--file", "x.csv", "--text-column", "text")
    assert invoke("predict", model, *options).stdout == "id,text,label\n1,a great film,pos\n"
    assert invoke("predict", model, *options, "--format", "tsv").stdout == (
        "id\ttext\tlabel\n1\ta great film\tpos\n"
    )
    assert invoke("predict", model, *options, "--drop").stdout == "text,label\na great film,pos\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_existing_file_is_kept_in_every_format(model, tmp_path, kind):
    need(kind)
    path = tmp_path / f"y.{kind}"
    path.write_bytes(b"mine")
    assert "--force" in failure(invoke("predict", model, "a film", "--out", path))
    assert path.read_bytes() == b"mine"
    assert invoke("predict", model, "a film", "--out", path, "--force").exit_code == 0
    assert read_table(path).texts == ["a film"]


# --- classes without documents ---------------------------------------------------------------


def test_classes_with_one_document(tmp_path):
    rows = [
        *english_rows(60),
        ("a unique film", "once"),
        ("another", "lone"),
        ("a", "two"),
        ("b", "two"),
    ]
    source = write_csv("x.csv", rows)
    result = train(source, "--json")
    report = only_json(result)
    assert "Warning: 2 classes have one document: 'lone', 'once'." in result.stderr
    assert "none is left to score" in result.stderr
    assert report["classes_without_documents"] == ["lone", "once"]
    assert report["n_valid"] == 7  # one of "two" is among them
    assert report["scores"]["lstm"]["n_classes"] >= 3
    result = train(source, "--force", "--report", "page.html")
    assert "2 classes have no document here: 'lone', 'once'." in result.stdout
    n = {score["n_classes"] for score in report["scores"].values()}
    shown = " to ".join(map(str, sorted({min(n), max(n)})))
    assert f"macro-F1 is the mean over {shown} classes, those that occur" in result.stdout
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 classes have no document here: " in page and ">once<" in page


def test_classes_without_documents_in_the_file_of_valid(tmp_path):
    source = write_csv("x.csv", [*english_rows(20), ("a", "c"), ("b", "c")])
    valid = write_csv("v.csv", [row for row in english_rows(20) if row[1] == "pos"])
    result = train(source, "--valid", valid, "--json")
    assert only_json(result)["classes_without_documents"] == ["c", "neg"]
    assert only_json(result)["scores"]["majority"]["n_classes"] == 2
    assert "Warning" not in result.stderr


def test_fewer_classes_than_the_model_has(model, tmp_path):
    texts = [f"{i % 60} word{i % 60}" for i in range(120)]
    small_model("many.fastlstm", texts, [f"c{i % 60}" for i in range(120)])
    write_csv("x.csv", [(texts[i], f"c{i}") for i in range(11)])
    result = invoke("evaluate", "many.fastlstm", "x.csv")
    assert "49 classes have no document here: 'c11', 'c12'" in result.stdout
    n = only_json(invoke("evaluate", "many.fastlstm", "x.csv", "--json"))["macro_f1_classes"]
    assert f"(of {n} class" in result.stdout
    assert 11 <= n <= 22

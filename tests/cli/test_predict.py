"""fastlstm predict."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from fastlstm import Predictor

from .conftest import english_rows, failure, invoke, only_json, write_csv

TEXTS = [text for text, _ in english_rows(40)]


@pytest.fixture(scope="module")
def expected(model):
    return Predictor(model).predict(TEXTS).tolist()


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_json(model, expected):
    result = only_json(invoke("predict", model, *TEXTS, "--json"))
    assert result["n"] == 40
    pairs = [(p["text"], p["label"]) for p in result["predictions"]]
    assert pairs == list(zip(TEXTS, expected, strict=True))
    assert set(result["predictions"][0]) == {"text", "label", "coverage"}
    found = [p["coverage"] for p in result["predictions"]]
    assert found == Predictor(model).coverage(TEXTS).tolist()


def test_probabilities(model):
    result = only_json(invoke("predict", model, *TEXTS, "--json", "--proba"))
    for row, given in zip(
        result["predictions"], Predictor(model).predict_proba(TEXTS), strict=True
    ):
        assert list(row["probabilities"]) == ["neg", "pos"]
        assert list(row["probabilities"].values()) == given.tolist()
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)


def test_csv(model, expected):
    result = invoke("predict", model, *TEXTS, "--proba")
    rows = rows_of(result.stdout)
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == expected
    assert set(rows[0]) == {"text", "label", "p_neg", "p_pos", "coverage"}
    assert float(rows[0]["p_neg"]) + float(rows[0]["p_pos"]) == pytest.approx(1)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_file_of_unknown_text_is_told(model, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    known = [(text, "pos") for text in TEXTS]
    write_csv("known.csv", known)
    write_csv("unknown.csv", [("Это совсем другой язык", "pos")] * 20 + known)
    given = ["--file"] if command == "predict" else []
    assert "knows less" not in invoke(command, model, *given, "known.csv").stderr
    told = invoke(command, model, *given, "unknown.csv").stderr
    assert "knows less than half of the tokens in 20 of 60 documents" in told


def test_jsonl(model, expected):
    result = invoke("predict", model, *TEXTS, "--format", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows == [{"text": t, "label": e} for t, e in zip(TEXTS, expected, strict=True)]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt", "csv.gz", "txt.gz"])
def test_files(model, expected, tmp_path, kind):
    plain = kind.removesuffix(".gz")
    if plain == "jsonl":
        lines = [json.dumps({"text": text}) for text in TEXTS]
    elif plain == "csv":
        lines = ["text", *(f'"{text}"' for text in TEXTS)]
    else:
        lines = ["text\tx", *(f"{text}\t1" for text in TEXTS)] if plain == "tsv" else TEXTS
    path = tmp_path / f"texts.{kind}"
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    rows = rows_of(invoke("predict", model, "--file", path).stdout)
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == expected


@pytest.mark.parametrize("arguments", [[], ["-"], ["--file", "-"]])
def test_standard_input(model, expected, arguments):
    text = "\ufeff" + "\r\n".join(TEXTS)
    rows = rows_of(invoke("predict", model, *arguments, stdin=text.encode()).stdout)
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == expected


def test_empty_lines_are_documents(model):
    text = "great\n\nawful\x0cfilm\u2028too\n"
    result = only_json(invoke("predict", model, "--json", stdin=text.encode()))
    assert [row["text"] for row in result["predictions"]] == ["great", "", "awful\x0cfilm\u2028too"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no documents"), (b"good\nb\xff\xfe\n", "line 2 is not UTF-8")]
)
def test_bad_standard_input(model, content, message):
    assert message in failure(invoke("predict", model, stdin=content))


def test_waiting_at_a_terminal(model, monkeypatch):
    monkeypatch.setattr("fastlstm.cli.documents.stdin_is_terminal", lambda: True)
    message = failure(invoke("predict", model), code=2)
    assert "--file" in message
    assert "fastlstm predict" in message


def test_table_on_a_terminal(model, monkeypatch):
    monkeypatch.setattr(
        "click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False
    )
    result = invoke("predict", model, "a lovely film", "an [red]awful\x1b[2Jfilm", "--proba")
    assert result.exit_code == 0
    assert "a lovely film" in result.stdout
    assert "[red]awful" in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "text,label" not in result.stdout


def test_formulas_are_disarmed_in_csv_only(model):
    text = '=HYPERLINK("http://x","y")'
    assert rows_of(invoke("predict", model, text).stdout)[0]["text"] == "'" + text
    line = invoke("predict", model, text, "--format", "jsonl").stdout
    assert json.loads(line)["text"] == text


def test_a_formula_as_label(tmp_path):
    source = write_csv(tmp_path / "x.csv", [(text, f"={label}") for text, label in english_rows()])
    path = tmp_path / "x.fastlstm"
    result = invoke("train", source, "--out", path, "--quiet", "--set", "max_epochs=1")
    assert result.exit_code == 0, result.output
    row = rows_of(invoke("predict", path, "a film").stdout)[0]
    assert row["label"] in ("'=neg", "'=pos")


def test_missing_documents(model, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "great"}\n{"text": null}\n', encoding="utf-8")
    result = only_json(invoke("predict", model, "--file", path, "--json", "--proba"))
    assert [row["text"] for row in result["predictions"]] == ["great", None]
    assert result["predictions"][1]["probabilities"] == pytest.approx({"neg": 0.5, "pos": 0.5})


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [("x.csv", [], "csv"), ("x.jsonl", [], "jsonl"), ("x.jsonl.gz", [], "jsonl"),
     ("x.csv", ["--format", "jsonl"], "jsonl"), ("x", [], "csv")],
)  # fmt: skip
def test_out(model, expected, tmp_path, name, options, kind):
    path = tmp_path / name
    result = invoke("predict", model, *TEXTS, "--out", path, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert name in result.stderr
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    rows = rows_of(text) if kind == "csv" else [json.loads(line) for line in text.splitlines()]
    assert [row["label"] for row in rows] == expected


def test_out_never_replaces_what_is_read(model, reviews):
    before = Path(reviews).read_bytes()
    message = failure(invoke("predict", model, "--file", reviews, "--out", reviews))
    assert "reviews.csv" in message
    assert Path(reviews).read_bytes() == before
    assert "--out" in failure(invoke("predict", model, "x", "--out", model))


def test_cut_documents_are_counted(model):
    result = invoke("predict", model, "great " * 500, "awful")
    assert result.exit_code == 0
    assert "1 of 2 documents" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--file", "absent.csv"], 1, "absent.csv: there is no such file in "),
        (["--file", "FILE", "--text-column", "nothing"], 1, "'nothing'"),
        (["--file", "FILE", "a film"], 2, "not both"),
        (["a film", "--text-column", "text"], 2, "--file"),
        (["a film", "--format", "xml"], 2, "xml"),
        (["a film", "--out", "no/such/folder/x.csv"], 1, "no such folder"),
        (["a film", "--out", "."], 1, "folder"),
        (["-5 stars"], 2, 'goes after "--"'),
    ],
)
def test_bad_arguments(model, reviews, arguments, code, message):
    arguments = [reviews if argument == "FILE" else argument for argument in arguments]
    assert message in failure(invoke("predict", model, *arguments), code)


def test_a_file_name_as_text_is_refused(model, tmp_path):
    result = invoke("predict", model, "new.csv")
    assert result.exit_code == 2
    assert "--file new.csv" in result.stderr
    assert invoke("predict", model, "see notes.txt").exit_code == 0
    assert invoke("predict", model, "--", "-5 stars.csv").exit_code == 0


def test_a_file_of_another_kind_as_text_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("new.xlsx", "great"):
        (tmp_path / name).write_bytes(b"x")
    assert "--file new.xlsx" in failure(invoke("predict", model, "new.xlsx"), 2)
    assert invoke("predict", model, "great").exit_code == 0  # a word may be a file's name as well
    assert invoke("predict", model, "old.xlsx").exit_code == 0


def test_a_model_after_its_text_is_named(model):
    message = failure(invoke("predict", "a great film", model), 2)
    assert "the model comes first" in message
    assert f'fastlstm predict {model} "a great film"' in message.replace("'", '"')


def test_a_guessed_column_is_named(model, tmp_path):
    write_csv(tmp_path / "texts.csv", english_rows(4))
    path = tmp_path / "texts.csv"
    assert "column 'text'" in invoke("predict", model, "--file", path).stderr
    result = invoke("predict", model, "--file", path, "--text-column", "text")
    assert result.stderr == f"{path} has a column 'label'; predictions are in 'predicted'.\n"
    options = ("--text-column", "text", "--drop")
    assert invoke("predict", model, "--file", path, *options).stderr == ""


def test_predictions_replace_a_file_only_when_forced(model, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine", encoding="utf-8")
    result = invoke("predict", model, "a great film", "--out", path)
    assert result.exit_code == 1 and "--force" in result.stderr
    assert path.read_text(encoding="utf-8") == "mine"
    assert invoke("predict", model, "a great film", "--out", path, "--force").exit_code == 0
    assert path.read_text(encoding="utf-8").startswith("text,label")

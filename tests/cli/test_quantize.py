"""fastlstm quantize: the file it writes, and what it says of the predictions."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm.estimator import LSTMClassifier, LSTMSentimentClassifier

from .conftest import english_rows, failure, invoke, only_json, write_csv

TEXTS = [text for text, _ in english_rows(40)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "small.fastlstm"


def test_writes_what_quantize_makes(model, out, tmp_path):
    before = Path(model).read_bytes()
    result = only_json(invoke("quantize", model, out, "--json"))
    assert set(result) == {"model", "out", "bytes_before", "bytes_after", "rounding_errors"}
    assert (result["model"], result["out"]) == (str(model), str(out))
    assert result["bytes_before"] == os.path.getsize(model)
    assert result["bytes_after"] == os.path.getsize(out)
    assert set(result["rounding_errors"]) == {"vectors", "lstm"}
    fastlstm.load(model).quantize().save(tmp_path / "same")
    assert out.read_bytes() == (tmp_path / "same").read_bytes()
    assert Path(model).read_bytes() == before


def test_for_people(model, out, reviews):
    result = invoke("quantize", model, out, "--check", reviews)
    assert result.exit_code == 0, result.output
    for part in ("before", str(out), "other class", "of 60 documents", "accuracy", "at most"):
        assert part in result.stdout
    again = invoke("quantize", model, out, "--force")
    assert again.exit_code == 0 and "other class" not in again.stdout


def test_check_says_what_the_two_models_say(model, out, tmp_path):
    rows = [(text, ("neg" if y == "pos" else "pos") if i % 5 == 0 else y)
            for i, (text, y) in enumerate(english_rows(40))]  # fmt: skip
    file = write_csv(tmp_path / "check.csv", rows)
    found = only_json(invoke("quantize", model, out, "--check", file, "--json"))["check"]
    old, new = fastlstm.Predictor(model), fastlstm.Predictor(out)
    before, after = old.predict_proba(TEXTS), new.predict_proba(TEXTS)
    labels = np.array([label for _, label in rows])
    assert found == {
        "n_documents": 40,
        "n_changed": int((old.predict(TEXTS) != new.predict(TEXTS)).sum()),
        "largest_change": pytest.approx(np.abs(before - after).max(), abs=1e-12),
        "precision": new.scorer_.precision,
        "n_labelled": 40,
        "accuracy_before": pytest.approx((old.predict(TEXTS) == labels).mean()),
        "accuracy_after": pytest.approx((new.predict(TEXTS) == labels).mean()),
    }
    assert found["largest_change"] > 0


@pytest.mark.parametrize("kind", ["txt", "csv", "tsv", "jsonl", "json", "labelled.txt", "parquet"])
def test_documents_of_any_format(model, out, tmp_path, kind):
    rows = english_rows(10)
    path = tmp_path / f"check.{kind}"
    labelled = kind not in ("txt", "tsv")
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        import pandas as pd

        pd.DataFrame(rows, columns=["text", "label"]).to_parquet(path)
    elif kind.startswith("json"):
        records = [{"text": text, "label": label} for text, label in rows]
        lines = [json.dumps(record) for record in records]
        path.write_text(json.dumps(records) if kind == "json" else "\n".join(lines), "utf-8")
    elif kind == "labelled.txt":
        path.write_text("".join(f"__label__{y} {text}\n" for text, y in rows), "utf-8")
    elif kind == "txt":
        path.write_text("".join(f"{text}\n" for text, _ in rows), "utf-8")
    elif kind == "tsv":
        path.write_text("\n".join(["text", *(text for text, _ in rows)]), "utf-8")
    else:
        write_csv(path, rows)
    found = only_json(invoke("quantize", model, out, "--check", path, "--json"))["check"]
    assert (found["n_documents"], found["n_labelled"]) == (10, 10 if labelled else 0)
    assert (found["accuracy_after"] is not None) == labelled


def test_some_labels_and_other_columns(model, out, tmp_path):
    rows = [(text, "" if i % 2 else label, i) for i, (text, label) in enumerate(english_rows(20))]
    file = write_csv(tmp_path / "check.csv", rows, ("what", "is", "2"))
    options = ("--text-column", "what", "--label-column", "is", "--json")
    found = only_json(invoke("quantize", model, out, "--check", file, *options))["check"]
    assert (found["n_documents"], found["n_labelled"]) == (20, 10)
    assert found["accuracy_before"] == 1.0
    plain = only_json(invoke("quantize", model, out, "--check", file, "--text-column", "what",
                             "--force", "--json"))["check"]  # fmt: skip
    assert (plain["n_documents"], plain["n_labelled"]) == (20, 0)


def test_skipped_rows_are_said_once(model, out, tmp_path):
    path = tmp_path / "check.csv"
    path.write_text("text,label\na great film,pos\n,\n", encoding="utf-8")
    result = invoke("quantize", model, out, "--check", path, "--json")
    assert only_json(result)["check"]["n_labelled"] == 1
    assert result.stderr.count("1 empty row was skipped") == 1


def test_other_commands_read_it(model, out, reviews):
    invoke("quantize", model, out)
    assert only_json(invoke("evaluate", out, reviews, "--json"))["accuracy"] == 1.0
    rows = only_json(invoke("predict", out, "a great film", "--json"))["predictions"]
    assert rows[0]["label"] == "pos"
    assert invoke("explain", out, "a great film").exit_code == 0
    described = only_json(invoke("info", out, "--json"))
    assert described["quantized"] is True and described["format_version"] == 10
    assert described["precision"] == fastlstm.Predictor(out).scorer_.precision
    assert "8 bits; predicts in" in invoke("info", out).stdout
    plain = only_json(invoke("info", model, "--json"))
    assert plain["quantized"] is False and plain["precision"] == "float32"
    assert plain["n_weights"] == described["n_weights"]
    assert "float32; predicts in float32" in invoke("info", model).stdout


def test_an_existing_file_is_kept(model, out, tmp_path):
    out.write_text("mine", encoding="utf-8")
    message = failure(invoke("quantize", model, out))
    assert "exists; pass --force" in message
    assert out.read_text(encoding="utf-8") == "mine"
    assert invoke("quantize", model, out, "--force").exit_code == 0
    small = out.read_bytes()
    assert "exists; pass --force" in failure(invoke("quantize", model, out))
    assert out.read_bytes() == small
    for target in (model, tmp_path):
        failure(invoke("quantize", model, target, "--force"))
    assert not fastlstm.load(model).model_.quantized


def test_twice_is_refused(model, out, tmp_path):
    invoke("quantize", model, out)
    message = failure(invoke("quantize", out, tmp_path / "again.fastlstm"))
    assert "weights of 8 bits already" in message
    assert not (tmp_path / "again.fastlstm").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na film,neutral\n", "the label on line 2 is 'neutral'"),
        ("text,label\n", "no "),
        ("a,b,c\n1,2,3\n", "--text-column"),
    ],
)
def test_a_check_that_fails_writes_nothing(model, out, tmp_path, content, message):
    path = tmp_path / "check.csv"
    path.write_text(content, encoding="utf-8")
    assert message in failure(invoke("quantize", model, out, "--check", path, "--json"))
    assert not out.exists()


def test_a_model_of_token_ids(out, tmp_path, reviews):
    path = tmp_path / "ids.fastlstm"
    X = np.array([[1, 2], [2, 2], [3, 1], [3, 3]])
    LSTMClassifier(max_epochs=1, hidden_size=2).fit(X, [5, 5, 7, 7]).save(path)
    assert "token ids; leave --check out" in failure(
        invoke("quantize", path, out, "--check", reviews)
    )
    assert invoke("quantize", path, out).exit_code == 0
    assert fastlstm.load(out).model_.quantized


def test_a_model_that_needs_its_tokenizer(out, tmp_path):
    path = tmp_path / "own.fastlstm"
    clf = LSTMSentimentClassifier(max_epochs=1, hidden_size=2, n_estimators=1, tokenizer=str.split)
    clf.fit(TEXTS, [label for _, label in english_rows(40)]).save(path)
    assert "tokenizer" in failure(invoke("quantize", path, out))
    assert not out.exists()
    fastlstm.load(path, tokenizer=str.split).quantize().save(out)
    assert fastlstm.Predictor(out, tokenizer=str.split).scorer_.model.quantized


def test_no_pickles(out, tmp_path):
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps({}))
    assert "a pickle" in failure(invoke("quantize", path, out))

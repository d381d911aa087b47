"""fastlstm explain, and the report of fastlstm train."""

import os
from pathlib import Path

import pytest

from fastlstm import Predictor

from .conftest import english_rows, failure, invoke, only_json, write_csv

TEXTS = [text for text, _ in english_rows(3)]


def test_json(model):
    result = only_json(invoke("explain", model, *TEXTS, "--json"))
    expected = Predictor(model).explain(TEXTS)
    for row, found in zip(result["explanations"], expected, strict=True):
        assert row["text"] == found.text
        assert row["tokens"] == list(found.tokens)
        assert row["contributions"] == found.contributions.tolist()
        assert row["targets"] == ["neg", "pos"] and row["predicted"] == found.predicted


def test_for_people(model):
    out = invoke("explain", model, TEXTS[0], "--method", "lrp", "--target", "pos").stdout
    (found,) = Predictor(model).explain(TEXTS[:1], method="lrp", target="pos")
    assert found.top(1)[0][0] in out
    assert "logit of pos" in out and "layer-wise relevance propagation" in out


def test_page(model, tmp_path):
    path = tmp_path / "why.html"
    result = invoke("explain", model, *TEXTS, "--html", path)
    page = path.read_text(encoding="utf-8")
    assert page.count("<article>") == 3 and "<!doctype html>" in page
    assert "Wrote 3 explanations" in result.stderr


def test_a_page_is_not_replaced_unasked(model, tmp_path):
    path = tmp_path / "why.html"
    path.write_text("mine", encoding="utf-8")
    message = failure(invoke("explain", model, TEXTS[0], "--html", path))
    assert "pass --force to replace it, or another --html" in message
    assert path.read_text(encoding="utf-8") == "mine"
    invoke("explain", model, TEXTS[0], "--html", path, "--force")
    assert "<article>" in path.read_text(encoding="utf-8")


def test_documents_of_a_file(model, tmp_path):
    write_csv(tmp_path / "texts.csv", english_rows(4))
    result = only_json(
        invoke("explain", model, "--file", tmp_path / "texts.csv", "--text-column", "text",
               "--json")
    )  # fmt: skip
    assert len(result["explanations"]) == 4


def test_unknown_class(model):
    message = failure(invoke("explain", model, TEXTS[0], "--target", "joy"), code=2)
    assert "--target joy is none of the model's classes: neg, pos" in message


def test_training_report(tmp_path):
    rows = english_rows(60)
    write_csv(tmp_path / "reviews.csv", rows)
    out, report = tmp_path / "model.fastlstm", tmp_path / "report.html"
    result = invoke(
        "train", tmp_path / "reviews.csv", "--out", out, "--report", report, "--json",
        "--set", "max_epochs=1", "--set", "n_estimators=1",
    )  # fmt: skip
    page = report.read_text(encoding="utf-8")
    accuracy = only_json(result)["scores"]["lstm"]["accuracy"]
    assert "<h2>Most confident errors</h2>" in page and f"{accuracy:.3f}" in page
    assert "TF-IDF" in page and "reviews.csv" in page


def test_a_report_of_an_odd_file_name(tmp_path):
    """Its bytes are no UTF-8, as a page must be."""
    source = os.fsdecode(os.fsencode(tmp_path) + b"/rev\xff.csv")
    try:
        write_csv(Path(source), english_rows(60))
    except OSError:
        pytest.skip("the file system keeps UTF-8 names alone")
    report = tmp_path / "report.html"
    result = invoke(
        "train", source, "--out", tmp_path / "m.fastlstm", "--report", report,
        "--set", "max_epochs=1", "--set", "n_estimators=1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Training on rev .csv" in report.read_text(encoding="utf-8")


def test_scores_are_printed_before_the_report_is_made(tmp_path, monkeypatch):
    def fail(run, title):
        raise OSError("disk full")

    monkeypatch.setattr("fastlstm.report.training.training_report", fail)
    write_csv(tmp_path / "reviews.csv", english_rows(60))
    report = tmp_path / "report.html"
    result = invoke(
        "train", tmp_path / "reviews.csv", "--out", tmp_path / "m.fastlstm", "--report", report,
        "--set", "max_epochs=1", "--set", "n_estimators=1",
    )  # fmt: skip
    assert result.exit_code == 1 and "disk full" in result.stderr
    assert "TF-IDF" in result.stdout and not report.exists()


def test_a_report_does_not_replace_the_model(tmp_path):
    write_csv(tmp_path / "reviews.csv", english_rows(60))
    same = tmp_path / "model.fastlstm"
    message = failure(invoke("train", tmp_path / "reviews.csv", "--out", same, "--report", same))
    assert "pass another --report" in message and not same.exists()

"""fastlstm demo, from end to end."""

import functools
import importlib

import fastlstm
from fastlstm.datasets import load_reviews

from .conftest import failure, invoke, only_json

demo = importlib.import_module("fastlstm.cli.demo")


def test_demo_json(tmp_path, monkeypatch):
    # One network in the place of three; all the rest is as a user has it.
    one = functools.partial(fastlstm.LSTMSentimentClassifier, n_estimators=1)
    monkeypatch.setattr(fastlstm, "LSTMSentimentClassifier", one)
    path = tmp_path / "demo.fastlstm"
    result = only_json(invoke("demo", "--json", "--out", path))
    test = load_reviews(split="test")
    keys = {
        "macro_f1_classes",
        "classes_without_documents",
        "accuracy",
        "macro_f1",
        "calibration_error",
        "per_class",
        "confusion_matrix",
        "labels",
        "n",
        "n_train",
    }
    assert set(result) == keys
    assert result["n"] == len(test.texts)
    assert result["n_train"] == len(load_reviews(split="train").texts)
    assert result["labels"] == sorted(set(test.labels))
    # The classes are equally frequent: two standard errors above a guess.
    assert result["accuracy"] > 1 / 3 + 2 * (2 / 9 / result["n"]) ** 0.5
    predicted = only_json(invoke("predict", path, *test.texts, "--json"))["predictions"]
    right = sum(p["label"] == label for p, label in zip(predicted, test.labels, strict=True))
    assert right / len(test.texts) == result["accuracy"]


def test_demo_for_people(tmp_path, monkeypatch):
    # What it prints does not depend on how long it trains.
    quick = functools.partial(fastlstm.LSTMSentimentClassifier, n_estimators=1, max_epochs=2)
    monkeypatch.setattr(fastlstm, "LSTMSentimentClassifier", quick)
    path = tmp_path / "my demo.fastlstm"
    result = invoke("demo", "--out", path)
    assert result.exit_code == 0, result.output
    for part in ("majority class", "TF-IDF", "fastlstm", "true \\ predicted", *demo.SENTENCES):
        assert part in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith("  fastlstm predict ")
    assert "my demo.fastlstm" in last
    assert path.exists()


def test_sentences_are_not_in_the_data():
    assert not set(demo.SENTENCES) & set(load_reviews().texts)


def test_bad_target(tmp_path):
    assert "no such folder" in failure(invoke("demo", "--out", tmp_path / "no" / "x.fastlstm"))

"""fastlstm tune, from end to end."""

import sys

import pytest

import fastlstm

from .conftest import failure, invoke, only_json, tiny_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def tune(reviews, *arguments):
    return invoke("tune", reviews, "--minutes", "0.03", *tiny_settings(), *arguments)


def test_report(reviews):
    report = only_json(tune(reviews, "--json"))
    assert report["n_train"] == 54
    assert report["trials"][0]["params"] == {}
    assert 0 <= report["best_search_score"] <= 1
    assert set(report["scores"]) == {"majority", "tfidf", "lstm"}
    clf = fastlstm.load("reviews.fastlstm")
    assert {name: getattr(clf, name) for name in report["best_params"]} == report["best_params"]
    assert clf.predict(["a wonderful film"]).shape == (1,)


def test_for_people(reviews):
    result = tune(reviews)
    assert result.exit_code == 0, result.output
    for part in ("trial", "Best accuracy, of one network", "TF-IDF", "Model: reviews.fastlstm"):
        assert part in result.stdout


def test_mistakes(reviews, monkeypatch):
    assert "minutes" in failure(invoke("tune", reviews, "--minutes", "0"), 2)
    assert "hidden_sizes" in failure(invoke("tune", reviews, "--set", "hidden_sizes=3"))
    assert "nothing.csv" in failure(invoke("tune", "nothing.csv"))
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "fastlstm[tune]" in failure(tune(reviews, "--quiet"))

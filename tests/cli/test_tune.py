"""fastlstm tune, from end to end."""

import os
import sys

import pytest

import fastlstm
from fastlstm.estimator import tuning

from .conftest import failure, invoke, only_json, python, tiny_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes with each step of a trial."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock, score = Clock(), tuning._Search._score

    def scored(*arguments):
        clock.now += 1
        return score(*arguments)

    monkeypatch.setattr(tuning, "time", clock)
    monkeypatch.setattr(tuning._Search, "_score", scored)
    return clock


def tune(reviews, *arguments):
    return invoke("tune", reviews, "--minutes", "0.06", *tiny_settings(), *arguments)


def test_report(reviews, clock):
    report = only_json(tune(reviews, "--json"))
    assert report["n_train"] == 54
    assert report["trials"][0]["params"] == {}
    assert len(report["trials"]) == 3
    assert report["search_stopped_by"] == "minutes"
    assert 0 <= report["best_search_score"] <= 1
    assert set(report["scores"]) == {"majority", "tfidf", "lstm"}
    clf = fastlstm.load("reviews.fastlstm")
    assert {name: getattr(clf, name) for name in report["best_params"]} == report["best_params"]
    assert clf.predict(["a wonderful film"]).shape == (1,)


def test_what_is_set_stays(reviews, clock):
    """At its default, too: whoever names a parameter means it."""
    report = only_json(tune(reviews, "--json", "--set", "hidden_size=64", "--set", "ngrams=2"))
    assert all(set(trial["params"]) == {"pooling"} for trial in report["trials"][1:])
    message = failure(tune(reviews, "--set", "pooling=max", "--force", "--quiet"))
    assert "nothing is left to search" in message


def test_for_people(reviews, clock):
    result = tune(reviews)
    assert result.exit_code == 0, result.output
    for part in ("3 trials. Best accuracy, of one network", "TF-IDF", "Model: reviews.fastlstm"):
        assert part in result.stdout


def test_too_little_time(reviews):
    result = invoke("tune", reviews, "--minutes", "1e-9", *tiny_settings())
    assert result.exit_code == 0, result.output
    assert "No trial of the search came to its end" in result.stdout
    assert "Model: reviews.fastlstm" in result.stdout
    report = only_json(invoke("tune", reviews, "--minutes", "1e-9", *tiny_settings(), "--force",
                              "--json"))  # fmt: skip
    assert (report["trials"], report["best_search_score"]) == ([], None)


# The third training of the search gets a signal, and with "again" the one after that, too.
INTERRUPTED = """
import os, signal, sys
from fastlstm.cli import main
from fastlstm.training.loop import Trainer

trainers, update = [], Trainer._update
again = sys.argv.pop(1) == "again"

def step(self, *arguments):
    update(self, *arguments)
    if self not in trainers:
        trainers.append(self)
        if len(trainers) == 3 or len(trainers) == 4 and again:
            os.kill(os.getpid(), signal.SIGINT)

Trainer._update = step
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
@pytest.mark.parametrize("how", ["once", "again"])
def test_ctrl_c(reviews, how):
    """The first ends the search, the next one training, and the model is written."""
    done = python("-c", INTERRUPTED, how, "tune", reviews, "--minutes", "600", *tiny_settings())
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, err
    assert "2 trials, ended by Ctrl-C. Best accuracy" in out
    assert "Ctrl-C ended the search." in err
    assert ("The model so far is in reviews.fastlstm." in err) == (how == "again")
    assert ("Ctrl-C ended fit in epoch 1 of network 1 of 1" in err) == (how == "again")
    assert fastlstm.Predictor("reviews.fastlstm").predict(["a film"])[0] in ("neg", "pos")


def test_mistakes(reviews, monkeypatch):
    assert "minutes" in failure(invoke("tune", reviews, "--minutes", "0"), 2)
    assert "hidden_sizes" in failure(invoke("tune", reviews, "--set", "hidden_sizes=3"))
    assert "nothing.csv" in failure(invoke("tune", "nothing.csv"))
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "fastlstm[tune]" in failure(tune(reviews, "--quiet"))

"""A runner, small files of reviews, and one small model for the tests of the command."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import fastlstm
from fastlstm.cli import main

# Enough to learn the files below, and quick.
TINY = ["embedding_dim=8", "hidden_size=8", "max_epochs=6", "batch_size=8", "dropout=0",
        "embedding_dropout=0", "learning_rate=0.03", "wide=None", "n_estimators=1",
        "calibrate=false", "early_stopping=true", "ngrams=1", "word_vectors=None",
        "average_decay=0", "token_dropout=0", "max_length=400"]  # fmt: skip

GOOD = ("wonderful", "great", "lovely")
BAD = ("terrible", "awful", "dull")


def tiny_settings(*more):
    """The options that make training quick."""
    return [part for pair in [*TINY, *more] for part in ("--set", pair)]


def english_rows(n=60):
    """Pairs of text and label, as many of each label."""
    return [
        (f"a {(GOOD if i % 2 else BAD)[i % 3]} film, number {i}", "pos" if i % 2 else "neg")
        for i in range(n)
    ]


def write_csv(path, rows, header=("text", "label")):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def only_json(result):
    """The one JSON object that is all of standard output."""
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert isinstance(value, dict)
    return value


def failure(result, code=1):
    """The plain message of a failed command."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "Error: " in result.stderr
    return result.stderr[result.stderr.index("Error: ") :]


def invoke(*arguments, stdin=None):
    """Run the command in this process."""
    try:
        runner = CliRunner(mix_stderr=False)
    except TypeError:  # click 8.2 and later never mix
        runner = CliRunner()
    return runner.invoke(main, [str(argument) for argument in arguments], input=stdin)


def python(*arguments, **kwargs):
    """Run Python in a process of its own, with this package."""
    root = str(Path(fastlstm.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, **kwargs.pop("env", {})}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, **kwargs
    )


@pytest.fixture
def reviews(tmp_path):
    return write_csv(tmp_path / "reviews.csv", english_rows())


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A model that tells "pos" from "neg" on ``english_rows``."""
    folder = tmp_path_factory.mktemp("model")
    source = write_csv(folder / "reviews.csv", english_rows())
    path = folder / "small.fastlstm"
    # Enough validation documents for early stopping.
    more = tiny_settings("validation_fraction=0.4")
    result = invoke("train", source, "--out", path, "--quiet", *more)
    assert result.exit_code == 0, result.output
    return str(path)

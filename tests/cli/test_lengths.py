"""What fastlstm train recommends for long documents."""

import pytest

from fastlstm import LSTMSentimentClassifier
from fastlstm.cli.lengths import hint, lengths_of, settings_for

from .conftest import invoke, only_json, tiny_settings, write_csv

pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")


def fitted(n_long, **options):
    texts = ["a good film"] * (40 - n_long) + ["a bad, bad day " * 5] * n_long
    labels = [str(row % 2) for row in range(40)]
    settings = {"max_epochs": 1, "hidden_size": 2, "embedding_dim": 2, "max_length": 10}
    return LSTMSentimentClassifier(**{**settings, **options}).fit(texts, labels), texts


def test_lengths():
    clf, texts = fitted(8)
    found = lengths_of(clf, texts)
    assert (found.n_documents, found.n_long, found.longest) == (40, 8, 25)
    # 32 texts of 3 tokens, 8 of which 10 of 25 are read.
    assert found.times == pytest.approx((32 * 3 + 8 * 25) / (32 * 3 + 8 * 10))


@pytest.mark.parametrize(
    ("n_long", "options", "expected"),
    [
        (0, {}, {}),
        (1, {}, {"max_length": "none"}),
        (8, {}, {"max_length": "none"}),  # pooling="auto" sees to it
        (8, {"pooling": "max"}, {"max_length": "none", "pooling": "attention"}),
        (8, {"pooling": "attention"}, {"max_length": "none"}),
        (8, {"pooling": "mean"}, {"max_length": "none"}),
        (8, {"max_length": None}, {}),
        (8, {"max_length": 25}, {}),
    ],
)
def test_settings(n_long, options, expected, monkeypatch):
    monkeypatch.setattr("fastlstm.core.lengths.ENOUGH", 40)
    clf, texts = fitted(n_long, **options)
    lengths = lengths_of(clf, texts)
    assert settings_for(lengths, clf) == expected
    said = hint(lengths, clf)
    assert (said is None) == (not expected)
    for name, value in expected.items():
        assert f"--set {name}={value}" in said


def test_the_command_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [(f"a good film {n}", "pos") for n in range(30)]
    rows += [("a bad day, really " * 10 + str(n), "neg") for n in range(30)]
    source = write_csv(tmp_path / "long.csv", rows)
    settings = tiny_settings("max_length=12")
    result = invoke("train", source, *settings)
    assert "documents have more than max_length=12 tokens, the longest 51." in result.stdout
    assert "With --set max_length=none networks read all of them" in result.stdout
    report = only_json(invoke("train", source, "--json", "--force", *settings))
    assert report["recommended"] == {"max_length": "none"}  # too few documents for attention
    again = only_json(
        invoke("train", source, "--json", "--force", *tiny_settings("max_length=none"))
    )
    assert again["recommended"] == {} and again["hint"] is None
    clf, texts = fitted(8)
    assert "attention" not in hint(lengths_of(clf, texts), clf)

"""fastlstm predict --document: a whole file is one text."""

import gzip

import pytest

from fastlstm import Predictor

from .conftest import english_rows, failure, invoke, only_json

TEXT = "\n".join(text for text, _ in english_rows(200))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


def test_json(model, path):
    predictor = Predictor(model)
    expected = predictor.predict_proba([TEXT])[0]
    found = only_json(invoke("predict", model, "--document", path, "--json", "--proba"))
    assert list(found["probabilities"].values()) == expected.tolist()
    assert found["label"] == predictor.predict([TEXT])[0]
    encoded = predictor.encode([TEXT])
    assert (
        found["n_tokens"] == len(encoded.whole.ids) > found["n_read"] == len(encoded.sequences.ids)
    )
    assert found["coverage"] == pytest.approx(encoded.coverage[0])
    assert "probabilities" not in only_json(invoke("predict", model, "--document", path, "--json"))


def test_for_people(model, path):
    result = invoke("predict", model, "--document", path, "--proba")
    predictor = Predictor(model)
    assert predictor.predict([TEXT])[0] in result.stdout
    assert f"{predictor.predict_proba([TEXT])[0, 0]:.3f}" in result.stdout
    assert "The networks read 400 of " in result.stderr and "max_length" in result.stderr


def test_empty(model, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    result = invoke("predict", model, "--document", tmp_path / "empty.txt", "--json")
    assert only_json(result)["n_tokens"] == 0 and only_json(result)["coverage"] == 0
    assert "shares in training" in result.stderr


def test_other_files(model, path, tmp_path):
    expected = only_json(invoke("predict", model, "--document", path, "--json"))
    zipped = tmp_path / "book.txt.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert only_json(invoke("predict", model, "--document", zipped, "--json")) == expected
    path.write_text(TEXT, encoding="utf-16", newline="")
    options = ("--document", path, "--encoding", "utf-16", "--json")
    assert only_json(invoke("predict", model, *options)) == expected
    found = invoke("predict", model, "--document", "-", "--json", stdin=TEXT)
    assert only_json(found) == expected


def test_mistakes(model, path, tmp_path):
    def said(*arguments, code=1):
        return failure(invoke("predict", model, *arguments), code)

    for more in (["good"], ["--drop"], ["--text-column", "text"], ["--document", path]):
        assert "--document is one file" in said("--document", path, *more, code=2)
    assert "there is no such file" in said("--document", tmp_path / "no.txt")
    assert "is a folder" in said("--document", tmp_path)
    path.write_bytes("caf\u00e9".encode("latin-1"))
    assert "--encoding NAME on the command line" in said("--document", path)

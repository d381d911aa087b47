"""fastlstm predict --document: a whole file is one text."""

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


def test_mistakes(model, path, tmp_path):
    def said(*arguments, code=1):
        return failure(invoke("predict", model, *arguments), code)

    assert "--document goes with" in said("good", "--document", path, code=2)
    assert "--document goes with" in said("--document", path, "--drop", code=2)
    assert "there is no such file" in said("--document", tmp_path / "no.txt")
    path.write_bytes("caf\u00e9".encode("latin-1"))
    assert "not UTF-8" in said("--document", path)

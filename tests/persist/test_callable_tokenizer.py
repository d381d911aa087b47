"""Models with a tokenizer of the user's own: the file names it, whoever loads gives it."""

from __future__ import annotations

import io
import json
import pickle
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor
from fastlstm.cli import main
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist.container import read_container, write_container
from tests.helpers import NETWORK_ALONE

TEXTS = ["a-good film", "a-bad film", "fine 好看", "dull 难看"] * 5
LABELS = ["good", "bad"] * 10
OTHERS = ["good-film", "a bad-one", "", "novel"]
SMALL = {"embedding_dim": 3, "hidden_size": 4, "max_epochs": 1, "random_state": 0}


def split_dashes(text):
    return text.replace("-", " ").split()


def other(text):
    return list(text)


@pytest.fixture(scope="module")
def model():
    settings = {**NETWORK_ALONE, **SMALL, "tokenizer": split_dashes}
    return LSTMSentimentClassifier(**settings).fit(TEXTS, LABELS)


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "model.fastlstm"
    model.save(path)
    return path


def test_with_its_tokenizer_the_model_comes_back(model, path):
    expected = model.predict_proba(OTHERS)
    loaded = fastlstm.load(path, tokenizer=split_dashes)
    np.testing.assert_array_equal(loaded.predict_proba(OTHERS), expected)
    assert loaded.get_params() == model.get_params()
    assert loaded.tokenizer is split_dashes
    predictor = Predictor(path, tokenizer=split_dashes)
    np.testing.assert_array_equal(predictor.predict_proba(OTHERS), expected)
    assert predictor.explain(OTHERS)[0].tokens == ("good", "film")


def test_what_is_loaded_is_a_model_like_any_other(model, path):
    loaded = fastlstm.load(path, tokenizer=split_dashes)
    loaded.partial_fit(TEXTS, LABELS)
    clone(loaded).fit(TEXTS, LABELS)
    again = io.BytesIO()
    fastlstm.load(path, tokenizer=split_dashes).save(again)
    assert again.getvalue() == path.read_bytes()
    predictor = pickle.loads(pickle.dumps(Predictor(path, tokenizer=split_dashes)))
    np.testing.assert_array_equal(predictor.predict_proba(OTHERS), model.predict_proba(OTHERS))


def test_the_linear_part_reads_the_same_tokens(path):
    model = LSTMSentimentClassifier(**{**SMALL, "n_estimators": 1}, tokenizer=split_dashes)
    model.fit(TEXTS, LABELS).save(path)
    loaded = fastlstm.load(path, tokenizer=split_dashes)
    np.testing.assert_array_equal(loaded.predict_proba(OTHERS), model.predict_proba(OTHERS))


def test_an_analyzer_of_scikit_learn(path):
    analyze = CountVectorizer(ngram_range=(1, 2)).build_analyzer()
    settings = {**NETWORK_ALONE, **SMALL, "tokenizer": analyze}
    model = LSTMSentimentClassifier(**settings).fit(TEXTS, LABELS)
    model.save(path)
    loaded = Predictor(path, tokenizer=CountVectorizer(ngram_range=(1, 2)).build_analyzer())
    np.testing.assert_array_equal(loaded.predict_proba(OTHERS), model.predict_proba(OTHERS))


@pytest.mark.parametrize("read", [fastlstm.load, Predictor])
def test_without_it_the_error_names_it(path, read):
    with pytest.raises(ValueError, match=f"'{__name__}.split_dashes'.*Pass that function as tok"):
        read(path)
    try:
        read(path)
    except ValueError as error:
        assert not isinstance(error, ModelFormatError)  # the file is sound
        assert str(path) in str(error)


@pytest.mark.parametrize("read", [fastlstm.load, Predictor])
def test_a_tokenizer_that_is_not_needed_is_refused(tmp_path, read):
    path = tmp_path / "own"
    LSTMSentimentClassifier(**NETWORK_ALONE, tokenizer="char").set_params(**SMALL).fit(
        TEXTS, LABELS
    ).save(path)
    with pytest.raises(ValueError, match="tokenizer= was given, but the model has its own, 'char'"):
        read(path, tokenizer=split_dashes)
    LSTMClassifier(max_epochs=1, hidden_size=2).fit([[2, 3], [3, 2]], [0, 1]).save(path)
    with pytest.raises(ValueError, match="tokenizer= was given, but the model takes token ids"):
        read(path, tokenizer=split_dashes)


@pytest.mark.parametrize("read", [fastlstm.load, Predictor])
@pytest.mark.parametrize("wrong", ["auto", f"{__name__}.split_dashes", 5], ids=str)
def test_a_name_is_no_tokenizer(path, read, wrong):
    with pytest.raises(TypeError, match="is not callable; pass the function"):
        read(path, tokenizer=wrong)


def test_nothing_is_imported_by_the_name(path, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "trap_of_a_file.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    arrays, metadata = read_container(path)
    metadata["encoder"]["tokenizer"] = {"callable": "trap_of_a_file.split"}
    write_container(path, arrays, metadata)
    with pytest.raises(ValueError, match="'trap_of_a_file.split'"):
        fastlstm.load(path)
    fastlstm.load(path, tokenizer=split_dashes)  # what it is called there is not compared
    assert "trap_of_a_file" not in sys.modules


@pytest.mark.parametrize(
    "stored",
    [
        None, 5, [], ["word"], {}, {"callable": None}, {"callable": ["a"]}, {"name": "a"},
        {"callable": "a", "module": "b"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("tokenizer", [None, split_dashes], ids=["without", "with"])
def test_other_values_are_damage(path, stored, tokenizer):
    arrays, metadata = read_container(path)
    metadata["encoder"]["tokenizer"] = stored
    write_container(path, arrays, metadata)
    for read in (fastlstm.load, Predictor):
        with pytest.raises(ModelFormatError, match="must name its tokenizer"):
            read(path, tokenizer=tokenizer)


def test_a_hostile_name_is_shown_without_harm(path):
    arrays, metadata = read_container(path)
    metadata["encoder"]["tokenizer"] = {"callable": "\x1b[31m\u202e"}
    write_container(path, arrays, metadata)
    with pytest.raises(ValueError, match="callable tokenizer") as caught:
        fastlstm.load(path)
    assert "\x1b" not in str(caught.value) and "\u202e" not in str(caught.value)


def test_a_parameter_set_after_fit_is_not_what_was_fitted(tmp_path):
    """The file goes by the tokenizer that learned the vocabulary."""
    path = tmp_path / "model"
    settings = {**NETWORK_ALONE, **SMALL}
    model = LSTMSentimentClassifier(**settings).fit(TEXTS, LABELS)
    expected = model.predict_proba(OTHERS)
    model.set_params(tokenizer=other).save(path)
    np.testing.assert_array_equal(fastlstm.load(path).predict_proba(OTHERS), expected)
    model = LSTMSentimentClassifier(**settings, tokenizer=split_dashes).fit(TEXTS, LABELS)
    expected = model.predict_proba(OTHERS)
    model.set_params(tokenizer="word").save(path)
    loaded = fastlstm.load(path, tokenizer=split_dashes)
    np.testing.assert_array_equal(loaded.predict_proba(OTHERS), expected)
    assert loaded.tokenizer == "word"


def test_the_command_describes_such_a_model_and_cannot_predict(path):
    done = CliRunner().invoke(main, ["info", str(path), "--json"])
    assert json.loads(done.stdout)["callable_tokenizer"] == f"{__name__}.split_dashes"
    shown = " ".join(CliRunner().invoke(main, ["info", str(path)]).stdout.split())
    assert "by the callable" in shown and "not in the file" in shown
    done = CliRunner().invoke(main, ["predict", str(path), "good"])
    assert done.exit_code == 1
    assert "fastlstm.load or fastlstm.Predictor" in done.stderr

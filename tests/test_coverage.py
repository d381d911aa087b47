"""How much of a text a model knows, and where too little is said."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fastlstm import LSTMSentimentClassifier, Predictor, datasets
from fastlstm.core.coverage import coverage_note, document_note
from fastlstm.core.records import Encoded
from fastlstm.explain import explanation_page
from fastlstm.explain.terminal import as_rich
from tests.helpers import NETWORK_ALONE

ENGLISH = datasets.load_reviews("en", "train")
FOREIGN = [
    "Отличный фильм, всем советую посмотреть!",
    "Ужасное качество. Деньги на ветер.",
    "สินค้าดีมาก ชอบมาก",
    "这部电影很好看，推荐！",
]
SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def clf():
    model = LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL})
    return model.fit(ENGLISH.texts, ENGLISH.labels)


@pytest.fixture(scope="module")
def predictor(clf, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.fastlstm"
    clf.save(path)
    return Predictor(path)


def test_coverage_counts_tokens(clf, predictor):
    texts = ["the film", "the qqqq", "qqqq zzzz", "", "  ", "the the the qqqq"]
    expected = [1, 0.5, 0, 0, 0, 0.75]
    for model in (clf, predictor):
        found = model.coverage(texts)
        assert found.dtype == np.float64
        assert found.tolist() == expected
    assert predictor.coverage(pd.Series(texts)).tolist() == expected
    assert predictor.coverage(predictor.encode(texts)).tolist() == expected


def test_texts_of_another_language_show(clf, predictor):
    """Which get a class with some probability all the same."""
    assert predictor.predict_proba(FOREIGN).max(axis=1).min() >= 1 / 3
    assert (predictor.coverage(FOREIGN) < 0.5).all()
    test = datasets.load_reviews("en", "test").texts
    assert np.mean(predictor.coverage(test) < 0.5) < 0.02
    assert coverage_note(predictor.coverage(test)) is None
    assert coverage_note(predictor.coverage(FOREIGN)) is not None


def test_coverage_is_that_of_the_whole_document(clf):
    """What was cut off counts, and so does what the linear part alone knows."""
    model = LSTMSentimentClassifier(
        **{**NETWORK_ALONE, **SMALL}, max_length=2, truncation="head", max_features=5
    ).fit(["a b", "a c"] * 9, [0, 1] * 9)
    assert model.coverage(["a b qqqq zzzz"]).tolist() == [0.5]
    settings = {**SMALL, "n_estimators": 1, "max_features": 2}
    both = LSTMSentimentClassifier(**settings).fit(["a a b b", "a a b b rare"] * 9, [0, 1] * 9)
    assert "rare" not in both.vocabulary_
    encoded = both.encoder_.encode(["a rare"])
    assert encoded.n_unknown.tolist() == [1]
    assert encoded.coverage.tolist() == [1.0]


def test_coverage_of_ids_alone(clf):
    sequences = clf.encoder_.encode(["the qqqq", ""]).sequences
    assert Encoded(sequences).coverage.tolist() == [0.5, 0]


def test_the_model_must_be_fitted_and_missing_documents_are_errors(predictor):
    with pytest.raises(ValueError, match="not fitted"):
        LSTMSentimentClassifier().coverage(["a"])
    with pytest.raises(ValueError, match="row 1"):
        predictor.coverage(["a", None])
    with pytest.raises(ValueError, match="holds token ids alone"):
        predictor.coverage(Encoded(predictor.encode(["a"]).sequences))


def test_coverage_is_not_a_prediction(predictor):
    predictor.predict(["word " * 700])
    predictor.coverage(["word"])
    assert predictor.n_truncated_ == 1


@pytest.mark.parametrize(
    ("coverage", "said"),
    [
        ([], None),
        ([1.0], None),
        ([0.5], None),
        ([0.49], "in the document, so what it says of it means little. Is it in"),
        ([0.0], "in the document, "),
        ([1.0] * 4 + [0.1], None),
        ([1.0] * 3 + [0.1], "in 1 of 4 documents, so what it says of them means little. Are they"),
        ([0.2] * 1200, "in all 1,200 documents, "),
    ],
    ids=lambda value: str(value)[:20],
)
def test_note_of_many_documents(coverage, said):
    found = coverage_note(np.array(coverage))
    start = "The model knows less than half of the tokens "
    assert found is None if said is None else found.startswith(start + said)


def test_note_of_one_document():
    assert document_note(np.array([], bool)) is None
    assert document_note(np.array([True, False])) is None
    assert document_note(np.array([True, False, False])).startswith("The model knows 1 of 3 tokens")


def test_a_file_with_empty_texts_is_not_called_foreign(predictor, capsys):
    from fastlstm.cli.scores import note_coverage

    note_coverage(predictor.encode(["the film", "", "", ""]))
    assert capsys.readouterr().err == ""
    note_coverage(predictor.encode(["qvqv zvzv", "", "the film"]))
    assert "1 of 2 documents that are not empty" in capsys.readouterr().err
    note_coverage(predictor.encode(["qvqv zvzv", ""]))
    assert "in the document that is not empty, so" in capsys.readouterr().err


# Explanations


def test_explanations_mark_low_coverage(predictor):
    low, high, empty = predictor.explain(["qvqv the zvzv xvxv", "the film", ""])
    assert (low.coverage, high.coverage, empty.coverage) == (0.25, 1.0, 0.0)
    assert json.loads(json.dumps(low.as_dict()))["coverage"] == 0.25
    for shown in (str(low), low._repr_html_(), explanation_page([low])):
        assert "The model knows 1 of 4 tokens" in shown
    for other in (high, empty):
        assert "The model knows" not in str(other) + other._repr_html_()


def test_unknown_tokens_are_underlined_on_a_terminal(predictor):
    (found,) = predictor.explain(["qqqq the film zzzz"])
    shown = as_rich(found)
    assert shown.plain == found.text
    underlined = [
        shown.plain[span.start : span.end] for span in shown.spans if "underline" in str(span.style)
    ]
    assert underlined == ["qqqq", "zzzz"]
    console = Console(force_terminal=True, color_system="256", width=80)
    with console.capture() as capture:
        console.print(shown)
    assert re.search(r"\x1b\[4[;\d]*mqqqq", capture.get())

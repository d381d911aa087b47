"""A vocabulary that is given: what it may be, what it does, and that it is kept."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

import fastlstm
from fastlstm import (
    LSTMClassifier,
    LSTMSentimentClassifier,
    Predictor,
    SequenceVectorizer,
    VocabularyWarning,
    datasets,
)

REVIEWS = datasets.load_reviews("en", split="train")
TEXTS, LABELS = list(REVIEWS.texts[:60]), list(REVIEWS.labels[:60])
WORDS = ["good", "bad", "film", "the", "not", "never", "great", "zyzzyva"]
SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 1, "n_estimators": 1,
         "word_vectors": None, "random_state": 0}  # fmt: skip


def text(**settings):
    return LSTMSentimentClassifier(**{**SMALL, **settings})


def ids(words=WORDS):
    return {word: number for number, word in enumerate(words, 2)}


FORMS = {
    "list": (WORDS, WORDS),
    "tuple": (tuple(WORDS), WORDS),
    "array": (np.array(WORDS), WORDS),
    "objects": (np.array(WORDS, dtype=object), WORDS),
    "series": (pd.Series(WORDS), WORDS),
    "set": (set(WORDS), sorted(WORDS)),
    "frozenset": (frozenset(WORDS), sorted(WORDS)),
    "dict": ({word: i for i, word in reversed(list(enumerate(WORDS)))}, WORDS),
    "dict of NumPy's": ({word: np.int64(i) for i, word in enumerate(WORDS)}, WORDS),
    "vocabulary_": (ids(), WORDS),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms(form, tmp_path):
    vocabulary, words = FORMS[form]
    clf = text(vocabulary=vocabulary).fit(TEXTS, LABELS)
    assert clf.vocabulary_ == ids(words)
    assert SequenceVectorizer(vocabulary=vocabulary).fit(TEXTS).vocabulary_ == ids(words)
    clf.save(tmp_path / "model.fastlstm")
    loaded = fastlstm.load(tmp_path / "model.fastlstm")
    assert loaded.get_params()["vocabulary"] == words
    assert loaded.vocabulary_ == ids(words)
    expected = clf.predict_proba(TEXTS)
    assert np.array_equal(loaded.predict_proba(TEXTS), expected)
    assert np.array_equal(Predictor(tmp_path / "model.fastlstm").predict_proba(TEXTS), expected)
    for twin in (clone(clf), clone(loaded), copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))):
        assert np.array_equal(twin.fit(TEXTS, LABELS).predict_proba(TEXTS), expected)


def test_the_same_forms_as_in_scikit_learn():
    """Where it takes one, so do we, and the tokens come in the same order."""
    for form, (vocabulary, _) in FORMS.items():
        if form in ("vocabulary_", "frozenset"):  # sorted with us, in any order there
            continue
        theirs = CountVectorizer(vocabulary=vocabulary).fit(TEXTS).get_feature_names_out()
        assert list(SequenceVectorizer(vocabulary=vocabulary).fit(TEXTS).vocabulary_) == [*theirs]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "vocabulary is empty"),
        ({}, "vocabulary is empty"),
        (["good", 3], r"vocabulary holds 3 \(int, number 1\); every token must be a string"),
        (["good", None], r"vocabulary holds None \(NoneType, number 1\)"),
        ({"good", b"bad"}, "vocabulary holds b'bad'"),
        ([["good"], ["bad"]], r"vocabulary holds \['good'\] \(list, number 0\)"),
        (["good", "bad", "good"], r"vocabulary: token 'good' \(index 2\) occurs twice"),
        (["good", "<unk>"], "vocabulary: '<unk>' is reserved; drop it"),
        ({"good": 0, "bad": 0}, r"vocabulary\['bad'\] is 0; numbers must go up from 0"),
        ({"good": 0, "bad": 2}, r"vocabulary\['bad'\] is 2; numbers must go up from 0"),
        ({"good": 1, "bad": 2}, r"vocabulary\['good'\] is 1; numbers must go up from 0"),
        ({"good": 0, "bad": 1.5}, r"vocabulary\['bad'\] is 1.5; it must be a whole number"),
        ({"good": True, "bad": False}, r"vocabulary\['good'\] is True; it must be a whole"),
    ],
)
def test_what_is_none(vocabulary, message):
    for estimator in (text(vocabulary=vocabulary), SequenceVectorizer(vocabulary=vocabulary)):
        with pytest.raises(ValueError, match=message):
            estimator.fit(TEXTS, LABELS)


def test_it_is_all_that_the_model_knows():
    clf = text(vocabulary=WORDS, max_features=2, min_df=50).fit(TEXTS, LABELS)
    assert clf.wide_ is not None
    assert clf.encoder_.vocabulary.tokens == ("<pad>", "<unk>", *WORDS)
    assert clf.wide_.ngrams.n_tokens == len(WORDS) + 2


def test_it_equals_what_is_learned():
    learned = text(wide=None).fit(TEXTS, LABELS)
    given = text(wide=None, vocabulary=learned.vocabulary_).fit(TEXTS, LABELS)
    assert given.vocabulary_ == learned.vocabulary_
    assert np.array_equal(given.predict_proba(TEXTS), learned.predict_proba(TEXTS))
    parts = make_pipeline(
        SequenceVectorizer(vocabulary=WORDS), LSTMClassifier(vocabulary_size=10, max_epochs=1)
    )
    assert parts.fit(TEXTS, LABELS).predict(TEXTS).shape == (60,)


def test_set_params_counts_in_the_next_fit():
    clf = text().fit(TEXTS, LABELS)
    clf.set_params(vocabulary=WORDS)
    assert len(clf.vocabulary_) > len(WORDS)
    assert clf.fit(TEXTS, LABELS).vocabulary_ == ids()
    assert clf.set_params(vocabulary=None).fit(TEXTS, LABELS).vocabulary_ != ids()


@pytest.mark.parametrize("source", ["skipgram", None])
def test_word_vectors_and_tokens_that_no_document_holds(source):
    clf = text(vocabulary=WORDS, word_vectors=source).fit(TEXTS, LABELS)
    assert np.isfinite(clf.networks_[0].embedding).all()
    assert np.isfinite(clf.predict_proba(["zyzzyva", "good"])).all()


@pytest.mark.parametrize(
    ("settings", "token", "read"),
    [
        ({}, "Good", r"\['good'\]"),
        ({}, "not good", r"\['not', 'good'\]"),
        ({"tokenizer": "char"}, "good", r"\['g', 'o', 'o', 'd'\]"),
        ({}, "", r"\[\]"),
    ],
)
def test_tokens_that_never_occur_are_named(settings, token, read):
    words = ["a", "b", token]
    with pytest.warns(VocabularyWarning, match=f"1 of 3 tokens .* such as '{token}', .*{read}"):
        text(vocabulary=words, **settings).fit(TEXTS, LABELS)
    with pytest.warns(VocabularyWarning, match="1 of 3 tokens"):
        SequenceVectorizer(vocabulary=words, **settings).fit(TEXTS)
    assert text(vocabulary=["Good", "a"], lowercase=False).fit(TEXTS, LABELS).vocabulary_
    callable_ = text(vocabulary=["x y", "a"], tokenizer=lambda document: document.split(";"))
    assert callable_.fit(TEXTS, LABELS).vocabulary_ == {"x y": 2, "a": 3}


def test_a_stream_that_begins_with_few_documents():
    with pytest.warns(VocabularyWarning, match="that of the 3 documents of this first call"):
        clf = text().partial_fit(TEXTS[:3], LABELS[:3], classes=sorted(set(LABELS)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.partial_fit(TEXTS[3:6], LABELS[3:6])
        text().fit(TEXTS, LABELS).partial_fit(TEXTS[:3], LABELS[:3])
        given = text(vocabulary=WORDS).partial_fit(TEXTS[:3], LABELS[:3], sorted(set(LABELS)))
        text(ngrams=1).partial_fit(TEXTS * 20, LABELS * 20)
    assert given.partial_fit(TEXTS[3:9], LABELS[3:9]).vocabulary_ == ids()


def test_pickles_from_before_there_was_the_parameter():
    clf = text().fit(TEXTS, LABELS)
    vectorizer = SequenceVectorizer().fit(TEXTS)
    for old in (clf, vectorizer):
        vars(old).pop("vocabulary")
    vars(clf).pop("_fitted_with")
    clf, vectorizer = pickle.loads(pickle.dumps((clf, vectorizer)))
    assert clf.partial_fit(TEXTS[:3], LABELS[:3]).get_params()["vocabulary"] is None
    assert vectorizer.fit(TEXTS).transform(TEXTS).shape == (60, 600)


def test_long_ones_are_not_shown_whole(tmp_path):
    from click.testing import CliRunner

    from fastlstm.cli import main

    words = [f"word{i}" for i in range(500)]
    text(vocabulary=words).fit(TEXTS, LABELS).save(tmp_path / "model.fastlstm")
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "model.fastlstm")]).output
    assert "(500 items)" in shown and "word499" not in shown

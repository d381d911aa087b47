"""N-grams, segments, averaged weights and word vectors through the estimators."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceVectorizer

# The order of two tokens decides, so that without n-grams or recurrence all look alike.
TEXTS = ["not good but fine", "good not fine but", "fine good but not", "but fine not good"] * 12
LABELS = ["yes", "no", "no", "yes"] * 12
SETTINGS = {
    "embedding_dim": 6, "hidden_size": 4, "ngrams": 3, "ngram_dropout": 0.2, "token_dropout": 0.1,
    "segment_length": 3, "average_decay": 0.9, "word_vectors": "skipgram", "max_epochs": 6,
    "early_stopping": False, "calibrate": False, "n_estimators": 1, "random_state": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(auto_backend):
    return LSTMSentimentClassifier(wide=None, **SETTINGS).fit(TEXTS, LABELS)


def test_ngrams_are_those_of_the_training_documents(fitted):
    words = {number: word for word, number in fitted.vocabulary_.items()}
    n_tokens = fitted.ngrams_.n_tokens
    assert n_tokens == len(words) + 2
    spelled = {}
    for number, (left, parent) in enumerate(fitted.ngrams_.pairs.tolist(), start=n_tokens):
        spelled[number] = f"{words[left]} {words.get(parent) or spelled[parent]}"
    expected = {
        " ".join(text.split()[place : place + n])
        for text in TEXTS for n in (2, 3) for place in range(5 - n)
    }  # fmt: skip
    assert set(spelled.values()) == expected
    assert fitted.config_.n_ngrams == len(expected)
    assert len(fitted.networks_[0].embedding) == n_tokens + len(expected)
    assert fitted.networks_[0].embedding[n_tokens:].any()


def test_it_learns_the_order_of_words(fitted):
    clf = LSTMSentimentClassifier(
        wide=None, **{**SETTINGS, "max_epochs": 40, "learning_rate": 0.02}
    )
    assert clf.fit(TEXTS, LABELS).score(TEXTS, LABELS) == 1.0


def test_file_and_predictor_give_the_same(fitted, tmp_path):
    path = tmp_path / "model.fastlstm"
    fitted.save(path)
    new = ["good not good", "unheard of", "but", ""]
    expected = fitted.predict_proba(new)
    assert np.array_equal(fastlstm.load(path).predict_proba(new), expected)
    assert np.array_equal(Predictor(path).predict_proba(new), expected)
    again = fastlstm.load(path)
    assert np.array_equal(again.ngrams_.pairs, fitted.ngrams_.pairs)
    assert again.get_params() == fitted.get_params()


def test_the_number_of_threads_changes_nothing():
    found = [
        LSTMSentimentClassifier(wide=None, **SETTINGS, n_jobs=n).fit(TEXTS, LABELS).networks_[0]
        for n in (1, 3)
    ]
    assert np.array_equal(found[0].embedding, found[1].embedding)
    assert np.array_equal(found[0].flat, found[1].flat)


def test_pipeline_of_ids_equals_the_text_estimator(fitted):
    X = SequenceVectorizer(max_features=30000, max_length=600).fit_transform(TEXTS)
    of_ids = LSTMClassifier(batch_size=64, embedding_dropout=0.4, **SETTINGS).fit(X, LABELS)
    assert np.array_equal(of_ids.decision_function(X), fitted.decision_function(TEXTS))


@pytest.mark.parametrize(
    "change",
    [
        {"ngrams": 1},
        {"max_ngrams": 2},
        {"segment_length": None},
        {"average_decay": 0.0},
        {"word_vectors": None},
        {"token_dropout": 0.0},
        {"ngram_dropout": 0.0},
    ],
)
def test_each_setting_has_an_effect(fitted, change):
    other = LSTMSentimentClassifier(wide=None, **{**SETTINGS, **change}).fit(TEXTS, LABELS)
    assert not np.array_equal(other.decision_function(TEXTS), fitted.decision_function(TEXTS))


def test_going_on_keeps_vocabulary_and_ngrams(fitted):
    clf = LSTMSentimentClassifier(wide=None, **SETTINGS, warm_start=True).fit(TEXTS, LABELS)
    before = clf.ngrams_
    clf.fit(TEXTS[:24], LABELS[:24])
    assert clf.ngrams_ is before
    clf.partial_fit(TEXTS[:24], LABELS[:24])
    assert clf.ngrams_ is before
    assert clf.n_iter_ > 6


def test_word_vectors_start_the_embedding():
    """With no step taken the embedding is the vectors, scaled, and 0 for n-grams."""
    settings = {**SETTINGS, "learning_rate": 1e-30, "max_epochs": 1, "average_decay": 0.0}
    clf = LSTMSentimentClassifier(wide=None, **settings).fit(TEXTS, LABELS)
    n_tokens = clf.ngrams_.n_tokens
    table = clf.networks_[0].embedding
    assert table[:n_tokens].std() == pytest.approx(0.1, rel=1e-4)
    assert not table[0].any()
    assert np.abs(table[n_tokens:]).max() < 1e-20

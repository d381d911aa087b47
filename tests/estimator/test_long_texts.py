"""Texts of any length, predicted piece by piece."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import fastlstm
from fastlstm import LSTMSentimentClassifier, Predictor, datasets
from fastlstm.network import long
from fastlstm.text import pieces

pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 6,
    "n_estimators": 2,
    "max_epochs": 2,
    "random_state": 0,
}
KINDS = {
    "as it is": {},
    "head": {"truncation": "head", "max_length": 50},
    "tail": {"truncation": "tail", "max_length": 50, "ngrams": 1},
    "whole": {"max_length": None},
    "whole, trigrams": {"max_length": None, "ngrams": 3, "segment_length": None},
    "whole, attention": {"max_length": None, "pooling": "attention", "wide": None},
    "whole, carried": {"max_length": None, "segment_state": "carried", "num_layers": 2},
    "longer than the text": {"max_length": 10**6},
}


@pytest.fixture(scope="module")
def reviews():
    found = datasets.load_reviews(split="train")
    return found.texts[:120], found.labels[:120]


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    monkeypatch.setattr(long, "LONG", 200)
    monkeypatch.setattr("fastlstm.classifier.long.LONG", 200)
    monkeypatch.setattr(long, "WINDOW", 64)
    monkeypatch.setattr(pieces, "PIECE", 400)
    monkeypatch.setattr(pieces.pieces, "__defaults__", (400,))


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_the_answer_is_that_for_the_whole_text(settings, reviews, tmp_path):
    clf = LSTMSentimentClassifier(**SMALL, **settings).fit(*reviews)
    clf.save(tmp_path / "model.fastlstm")
    lean = Predictor(tmp_path / "model.fastlstm")
    path = tmp_path / "text.txt"
    for n in (0, 1, 3, 40, 120):
        text = "\n".join(reviews[0][:n])
        path.write_text(text, encoding="utf-8", newline="")
        expected = clf.predict_proba([text])[0]
        for model, source in ((clf, path), (lean, str(path)), (lean, iter(text))):
            found = model.predict_long(source)
            assert np.array_equal(found.probabilities, expected)
            assert found.label == clf.predict([text])[0]
            assert found.coverage == pytest.approx(clf.coverage([text])[0])
            encoded = lean.encode([text])
            assert found.n_tokens == len(encoded.whole.ids)
            assert found.n_read == len(encoded.sequences.ids)
    assert found.n_tokens > 500


def test_texts_are_joined_as_they_are(reviews):
    clf = LSTMSentimentClassifier(**SMALL).fit(*reviews)
    assert clf.predict_long(["go", "od fil", "m"]).n_tokens == 2
    seen = []
    found = clf.predict_long((text + "\n" for text in reviews[0]), report=seen.append)
    assert seen == sorted(seen) and seen[-1] == found.n_tokens and len(seen) > 5


def test_eight_bits_and_threads(reviews):
    clf = LSTMSentimentClassifier(**SMALL, max_length=None, n_jobs=2).fit(*reviews).quantize()
    text = "\n".join(reviews[0])
    expected = clf.predict_proba([text])[0]
    for n_jobs in (1, 2):
        assert np.array_equal(clf.set_params(n_jobs=n_jobs).predict_long([text])[1], expected)


def test_refusals(reviews):
    with pytest.raises(NotFittedError):
        LSTMSentimentClassifier().predict_long(["good"])
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": reviews[0][:40], "stars": range(40)})
    clf = LSTMSentimentClassifier(**SMALL).fit(table, reviews[1][:40])
    with pytest.raises(ValueError, match="a long text comes alone. Pass it to predict_proba"):
        clf.predict_long(["good"])
    assert not hasattr(fastlstm.LSTMClassifier, "predict_long")

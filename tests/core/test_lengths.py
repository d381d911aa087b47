"""What "auto" makes of the lengths of training documents."""

import numpy as np
import pytest

from fastlstm import LSTMSentimentClassifier, load
from fastlstm.core import lengths
from fastlstm.core.lengths import many_are_long, settled_length, settled_reading

SHORT, LONG = ["good film", "bad film"], ["good days " * 8, "bad days " * 8]
SMALL = {"embedding_dim": 2, "hidden_size": 2, "n_estimators": 1, "max_epochs": 1, "wide": None}


@pytest.mark.parametrize(
    ("n", "n_long", "expected"),
    [(2000, 400, True), (2000, 399, False), (1999, 1999, False), (0, 0, False), (10, 10, False)],
)
def test_many_are_long(n, n_long, expected):
    of = np.full(n, lengths.USUAL)
    of[:n_long] += 1
    assert many_are_long(of) is expected
    assert settled_length("auto", of) == (lengths.LONGEST if expected else lengths.USUAL)
    reading = ("attention", "carried") if expected else ("max", "fresh")
    assert settled_reading("auto", "auto", of) == reading
    assert settled_length(7, of) == 7 and settled_length(None, of) is None
    assert settled_reading("mean", "auto", of) == ("mean", reading[1])
    assert settled_reading("auto", "truncated", of) == (reading[0], "truncated")


@pytest.fixture
def small_numbers(monkeypatch):
    for name, value in {"USUAL": 10, "LONGEST": 14, "ENOUGH": 40}.items():
        monkeypatch.setattr(lengths, name, value)


def fitted(texts, n=40, **options):
    texts = (texts * n)[:n]
    return LSTMSentimentClassifier(**SMALL, **options).fit(texts, [t[0] for t in texts]), texts


def settled(clf):
    config = clf.config_
    return clf.encoder_.options.max_length, config.pooling, config.segment_state


@pytest.mark.usefixtures("small_numbers")
@pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")
class TestFit:
    @pytest.mark.parametrize(
        ("texts", "options", "expected"),
        [
            (SHORT, {}, (10, "max", "fresh")),
            (LONG, {}, (14, "attention", "carried")),
            (LONG, {"vocabulary": ["good", "bad"]}, (14, "attention", "carried")),
            (LONG, {"max_length": None}, (None, "attention", "carried")),
            (LONG, {"max_length": 10}, (10, "max", "fresh")),  # none is long as it is read
            (LONG, {"pooling": "mean"}, (14, "mean", "carried")),
            (SHORT, {"max_length": None}, (None, "max", "fresh")),
        ],
    )
    def test_it_is_settled(self, texts, options, expected, tmp_path):
        clf, texts = fitted(texts, **options)
        assert settled(clf) == expected
        assert clf.get_params()["max_length"] == options.get("max_length", "auto")
        clf.save(tmp_path / "model.fastlstm")
        again = load(tmp_path / "model.fastlstm")
        assert settled(again) == expected and again.get_params() == clf.get_params()
        assert np.array_equal(again.predict_proba(texts), clf.predict_proba(texts))

    def test_few_documents(self):
        assert settled(fitted(LONG, n=39)[0]) == (10, "max", "fresh")

    def test_later_documents_decide_nothing(self):
        clf, texts = fitted(SHORT)
        clf.set_params(warm_start=True).fit((LONG * 20), ["g", "b"] * 20)
        assert settled(clf) == (10, "max", "fresh")
        clf.partial_fit((LONG * 20), ["g", "b"] * 20)
        assert settled(clf) == (10, "max", "fresh")
        clf, _ = fitted(LONG)
        clf.partial_fit(texts, ["g", "b"] * 20)
        assert settled(clf) == (14, "attention", "carried")

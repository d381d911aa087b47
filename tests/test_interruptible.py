"""What takes long answers Ctrl-C: a real signal in one of its many small calls ends it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMSentimentClassifier, Predictor, WordVectors
from fastlstm.classifier.held_out import HeldOutPart, of_held_out
from fastlstm.data.tables import read_table
from fastlstm.estimator.baselines import tfidf_baseline
from fastlstm.explain import METHODS, faithfulness
from fastlstm.kernels.registry import load_backend
from fastlstm.network.predict import Network
from fastlstm.training.engine import LabelledSequences
from fastlstm.vectors import learned

SETTINGS = {
    "embedding_dim": 8, "hidden_size": 6, "max_epochs": 1, "n_estimators": 1, "random_state": 0,
    "wide": None, "calibrate": False, "word_vectors": None, "max_length": None,
}  # fmt: skip


def corpus(n):
    rng = np.random.default_rng(0)
    return [" ".join(f"w{i}" for i in rng.integers(0, 300, 30)) for _ in range(n)]


TEXTS = corpus(2000)
LABELS = ["ab"[number % 2] for number in range(len(TEXTS))]


@pytest.fixture(scope="module")
def clf(auto_backend):
    return LSTMSentimentClassifier(**SETTINGS, n_jobs=1).fit(TEXTS[:200], LABELS[:200])


@pytest.fixture
def signalled(monkeypatch):
    """Replaces a function by one that sends a signal when it is called for the third time."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def replace(owner, name):
        real, calls = getattr(owner, name), []

        def counted(*arguments, **options):
            calls.append(name)
            if len(calls) == 3:
                signal.raise_signal(signal.SIGINT)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)
        return calls

    yield replace
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def ended(calls, task):
    """Run a task whose calls are counted, to its early end."""
    with pytest.raises(KeyboardInterrupt):
        task()
    assert len(calls) == 3


@pytest.mark.parametrize("task", ["predict_proba", "decision_parts"])
def test_predicting(clf, signalled, task):
    expected = clf.predict_proba(TEXTS[:50])
    ended(signalled(load_backend("auto"), "pack_tokens"), lambda: getattr(clf, task)(TEXTS))
    assert np.array_equal(clf.predict_proba(TEXTS[:50]), expected)


def test_predicting_from_a_file(clf, signalled, tmp_path):
    clf.save(tmp_path / "model.fastlstm")
    predictor = Predictor(tmp_path / "model.fastlstm", n_jobs=1)
    ended(signalled(load_backend("auto"), "pack_tokens"), lambda: predictor.predict(TEXTS))


@pytest.mark.parametrize("method", METHODS)
def test_explaining(clf, signalled, method):
    calls = signalled(load_backend("auto"), "pack_tokens")
    ended(calls, lambda: clf.explain(TEXTS[:300], method=method))


def test_faithfulness(clf, signalled):
    ended(signalled(load_backend("auto"), "pack_tokens"), lambda: faithfulness(clf, TEXTS[:100]))


def test_held_out_predictions(clf, signalled):
    encoded = clf._encode(TEXTS, clf.model_).sequences
    n = len(TEXTS)
    data = LabelledSequences(encoded, np.arange(n) % 2, np.ones(n))
    k = load_backend("auto")
    network = Network(k, clf.config_, clf.networks_[0], "float32")
    part = HeldOutPart(data, data, None)
    ended(
        signalled(k, "pack_tokens"),
        lambda: of_held_out([network], [part], clf.class_prior_, 1),
    )


def test_partial_fit(clf, signalled):
    new = LSTMSentimentClassifier(**SETTINGS, batch_size=8, n_jobs=1)
    ended(signalled(load_backend("auto"), "adam_update"), lambda: new.partial_fit(TEXTS, LABELS))
    assert not hasattr(new, "model_")


def test_word_vectors(signalled, monkeypatch):
    monkeypatch.setattr(learned, "_TOKENS_AT_ONCE", 1000)
    calls = signalled(load_backend("auto"), "skip_gram")
    ended(calls, lambda: WordVectors.learn(TEXTS))
    fresh = LSTMSentimentClassifier(**{**SETTINGS, "word_vectors": "skipgram"})
    calls.clear()
    ended(calls, lambda: fresh.fit(TEXTS, LABELS))
    assert not hasattr(fresh, "model_")


def test_reading_documents(signalled):
    class Tokenizer:
        def split(self, text):
            return text.split()

    calls = signalled(Tokenizer, "split")
    fresh = LSTMSentimentClassifier(**SETTINGS, tokenizer=Tokenizer().split)
    ended(calls, lambda: fresh.fit(TEXTS, LABELS))


def test_the_linear_part(signalled):
    calls = signalled(load_backend("auto"), "dual_descent")
    settings = {**SETTINGS, "wide": "nb", "n_jobs": 1}
    fresh = LSTMSentimentClassifier(**settings)
    ended(calls, lambda: fresh.fit(TEXTS[:300], LABELS[:300]))
    assert not hasattr(fresh, "model_")


def test_baselines(signalled):
    from sklearn.feature_extraction.text import TfidfVectorizer

    calls = signalled(TfidfVectorizer, "decode")
    ended(calls, lambda: tfidf_baseline(TEXTS, LABELS, TEXTS[:9], LABELS[:9]))


def test_reading_a_file(signalled, tmp_path):
    from fastlstm.data import json_tables

    path = tmp_path / "reviews.jsonl"
    path.write_text('{"text": "good", "label": "a"}\n' * 1000, encoding="utf-8")
    ended(signalled(json_tables.json, "loads"), lambda: read_table(path, label_column="label"))


def test_saving_leaves_the_file_that_was_there(clf, signalled, tmp_path):
    path = tmp_path / "model.fastlstm"
    clf.save(path)
    before = path.read_bytes()
    calls = signalled(os, "fsync")
    calls += [""] * 2
    ended(calls, lambda: clf.save(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_loading(clf, signalled, tmp_path):
    path = tmp_path / "model.fastlstm"
    clf.save(path)
    calls = signalled(np, "frombuffer")
    ended(calls, lambda: fastlstm.load(path))


def test_warmup(signalled):
    calls = signalled(load_backend("auto"), "pack_tokens")
    ended(calls, fastlstm.warmup)


def test_the_package_asks_for_no_signal_elsewhere():
    """One place decides what Ctrl-C does."""
    package = Path(fastlstm.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        if "import signal" in path.read_text(encoding="utf-8")
    ]
    assert found == ["training/interrupts.py"]

"""Exported graphs in ONNX Runtime, against the library."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, datasets
from fastlstm.export import to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

REVIEWS = datasets.load_reviews("en", split="train")
TEXTS, LABELS = list(REVIEWS.texts[:200]), list(REVIEWS.labels[:200])
# Empty ones, one without a known word, one of a single word, and a long one, too.
OTHERS = [*TEXTS[:30], "", "zzzz qqqq", "good", "good bad " * 300]
SMALL = {"embedding_dim": 8, "hidden_size": 5, "max_epochs": 1, "random_state": 0, "n_jobs": 1,
         "n_estimators": 2, "max_length": 600}  # fmt: skip

CASES = {
    "default": {},
    "mean": {"pooling": "mean"},
    "mean and max, three tokens": {"pooling": "mean_max", "ngrams": 3},
    "last": {"pooling": "last"},
    "attention": {"pooling": "attention"},
    "rnn": {"cell": "rnn"},
    "two layers": {"num_layers": 2},
    "one direction": {"bidirectional": False, "pooling": "last"},
    "short segments": {"segment_length": 7},
    "short segments, last": {"segment_length": 7, "pooling": "last"},
    "short segments, mean": {"segment_length": 7, "pooling": "mean_max"},
    "carried": {"segment_length": 7, "pooling": "attention", "segment_state": "carried"},
    "whole": {"segment_length": None},
    "cut": {"max_length": 20},
    "head": {"max_length": 20, "truncation": "head"},
    "tail": {"max_length": 20, "truncation": "tail"},
    "of any length": {"max_length": None},
    "networks alone": {"wide": None, "ngrams": 1},
    "not calibrated": {"wide": None, "calibrate": False},
}


def padded(clf, texts):
    whole = clf.encoder_.encode(texts).whole
    ids = np.zeros((len(texts), whole.lengths.max(initial=0)), dtype=np.int64)
    for row in range(len(texts)):
        ids[row, : whole.lengths[row]] = whole.document(row)
    return ids


def session_of(clf):
    graph = to_onnx(clf)
    onnx.checker.check_model(graph, full_check=True)
    return onnxruntime.InferenceSession(graph.SerializeToString())


def run(session, ids):
    return session.run(["probabilities", "label"], {"ids": ids})


def loud(clf):
    """The model with larger weights, so that every part of it is seen."""
    for network in clf.networks_:
        network.flat *= 3
        network.embedding *= 5
    clf._hold(clf.model_, {})
    return clf


@pytest.mark.filterwarnings("ignore::fastlstm.core.errors.TruncationWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_texts(case, n_classes):
    labels = LABELS if n_classes == 3 else [label == "positive" for label in LABELS]
    clf = loud(LSTMSentimentClassifier(**{**SMALL, **CASES[case]}).fit(TEXTS, labels))
    session = session_of(clf)
    ids = padded(clf, OTHERS)
    probabilities, label = run(session, ids)
    expected = clf.predict_proba(OTHERS)
    assert np.ptp(expected, axis=0).min() > 0.01
    assert np.abs(probabilities - expected).max() < 1e-5
    assert list(label) == clf.predict(OTHERS).tolist()
    # A document's answer does not depend on its neighbours, nor on how far it is padded.
    for row in (0, 5, len(OTHERS) - 1, len(OTHERS) - 4):
        length = np.count_nonzero(ids[row])
        alone, _ = run(session, ids[row : row + 1, : length or 1])
        assert np.abs(alone[0] - probabilities[row]).max() < 1e-6


def test_token_ids():
    rng = np.random.default_rng(0)
    X = rng.integers(2, 40, (120, 9))
    X[:, 6:] *= rng.random((120, 3)) < 0.5
    X[4], X[5, 0], X[6, :3] = 0, 0, 0  # padding may be at either end
    y = np.where(X[:, 1] > 20, 7, -3)
    clf = loud(
        LSTMClassifier(embedding_dim=8, hidden_size=6, max_epochs=1, random_state=0).fit(X, y)
    )
    probabilities, label = run(session_of(clf), X.astype(np.int64))
    assert np.abs(probabilities - clf.predict_proba(X)).max() < 1e-5
    assert label.dtype == np.int64 and label.tolist() == clf.predict(X).tolist()


def test_no_documents_and_no_tokens():
    clf = LSTMSentimentClassifier(**SMALL).fit(TEXTS, LABELS)
    session = session_of(clf)
    probabilities, label = run(session, np.zeros((2, 0), dtype=np.int64))
    assert probabilities == pytest.approx(np.tile(clf.class_prior_, (2, 1)), abs=1e-6)
    assert len(label) == 2


def test_eight_bits():
    clf = LSTMSentimentClassifier(**SMALL).fit(TEXTS, LABELS).quantize()
    found, _ = run(session_of(clf), padded(clf, OTHERS))
    # In float32 with the rounded weights; here the LSTM's products may be of whole numbers.
    assert np.abs(found - clf.predict_proba(OTHERS)).max() < 0.01


def test_what_has_no_input_in_the_graph_is_refused():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "stars": np.arange(len(TEXTS)) % 5})
    clf = LSTMSentimentClassifier(**SMALL).fit(table, LABELS)
    with pytest.raises(ValueError, match="the model has columns beside the text"):
        to_onnx(clf)


def test_a_missing_package_is_named(monkeypatch):
    import sys

    clf = LSTMSentimentClassifier(**SMALL).fit(TEXTS, LABELS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[onnx\]'"):
        to_onnx(clf)


def test_command(tmp_path):
    from tests.cli.conftest import failure, invoke, only_json

    clf = LSTMSentimentClassifier(**SMALL).fit(TEXTS, LABELS)
    model, out = tmp_path / "model.fastlstm", tmp_path / "model.onnx"
    clf.save(model)
    result = only_json(invoke("export", model, out, "--json"))
    assert result["bytes"] == out.stat().st_size and result["input"] == "token ids"
    found, _ = run(onnxruntime.InferenceSession(str(out)), padded(clf, OTHERS))
    again = fastlstm.load(model).predict_proba(OTHERS)
    assert np.abs(found - again).max() < 1e-5
    assert "--force" in failure(invoke("export", model, out))
    assert "reads token ids" in invoke("export", model, out, "--force").stdout
    said = failure(invoke("export", model, tmp_path / "model.csv"))
    assert "a graph is written" in said and "model.onnx" in said

"""Plain RNNs, states that are handed on, and attention, as users meet them."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceData

TEXTS = ["a great film", "a dull day", "great fun at all", "a dull film", "not so bad"] * 8
LABELS = ["good", "bad", "good", "bad", "good"] * 8
SMALL = {
    "embedding_dim": 8, "hidden_size": 6, "n_estimators": 1, "max_epochs": 8, "random_state": 0,
    "segment_length": 3,
}  # fmt: skip
KINDS = {
    "rnn": {"cell": "rnn"},
    "rnn, two layers, last": {"cell": "rnn", "num_layers": 2, "pooling": "last"},
    "attention": {"pooling": "attention"},
    "rnn, attention": {"cell": "rnn", "pooling": "attention"},
    "carried": {"segment_state": "carried"},
    "truncated": {"segment_state": "truncated"},
}
each_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)


@each_kind
def test_a_model_learns_and_comes_back_from_its_file(settings, tmp_path):
    clf = LSTMSentimentClassifier(**SMALL, **settings).fit(TEXTS, LABELS)
    assert clf.score(TEXTS, LABELS) == 1
    clf.save(tmp_path / "model.fastlstm")
    again, lean = fastlstm.load(tmp_path / "model.fastlstm"), Predictor(tmp_path / "model.fastlstm")
    for name, value in settings.items():
        assert getattr(again, name) == value
        assert name in ("num_layers",) or getattr(again.config_, name) == value
    expected = clf.predict_proba(TEXTS)
    assert np.array_equal(again.predict_proba(TEXTS), expected)
    assert np.array_equal(lean.predict_proba(TEXTS), expected)
    for text, row in zip(TEXTS[:5], expected, strict=False):  # alone as among others
        assert np.array_equal(lean.predict_proba([text])[0], row)
    again.partial_fit(TEXTS[:5], LABELS[:5])
    assert not np.array_equal(again.predict_proba(TEXTS), expected)


@each_kind
def test_eight_bits(settings, tmp_path):
    clf = LSTMSentimentClassifier(**SMALL, **settings).fit(TEXTS, LABELS)
    small = clf.quantize()
    assert np.abs(small.predict_proba(TEXTS) - clf.predict_proba(TEXTS)).max() < 0.03
    small.save(tmp_path / "small.fastlstm")
    again = Predictor(tmp_path / "small.fastlstm")
    assert np.array_equal(again.predict_proba(TEXTS), small.predict_proba(TEXTS))


@each_kind
def test_weights_do_not_depend_on_threads(settings):
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 40, (60, 12)), rng.integers(0, 3, 60)
    models = [
        LSTMClassifier(**{**SMALL, "max_epochs": 2, "early_stopping": False}, **settings, n_jobs=n)
        for n in (1, 2)
    ]
    one, two = (model.fit(X, y).networks_[0] for model in models)
    assert np.array_equal(one.flat, two.flat) and np.array_equal(one.embedding, two.embedding)


@each_kind
def test_explanations_add_up(settings):
    clf = LSTMSentimentClassifier(**SMALL, **settings).fit(TEXTS, LABELS)
    for method in ("integrated_gradients", "lrp", "occlusion"):
        for found in clf.explain(TEXTS[:2], method=method):
            parts = found.baseline + found.contributions.sum(axis=0) + found.gap
            assert parts == pytest.approx(found.logits)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_carried_states_are_those_of_the_whole_document(pooling):
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 40, (40, 17)), rng.integers(0, 2, 40)
    options = {**SMALL, "max_epochs": 2, "pooling": pooling}
    carried = LSTMClassifier(**options, segment_state="carried").fit(X, y)
    whole = LSTMClassifier(**{**options, "segment_length": None}).fit(X, y)
    assert np.array_equal(carried.networks_[0].flat, whole.networks_[0].flat)
    assert np.array_equal(carried.predict_proba(X), whole.predict_proba(X))
    truncated = LSTMClassifier(**options, segment_state="truncated").fit(X, y)
    assert not np.array_equal(truncated.networks_[0].flat, whole.networks_[0].flat)


def test_truncated_gradients_need_borders():
    clf = LSTMClassifier(segment_state="truncated")
    with pytest.raises(ValueError, match="segment_length=None has none. Set segment_length, or"):
        clf.fit([[1, 2], [2, 1]], [0, 1])


def test_labels_of_steps():
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 2)) for n in (9, 14, 6, 11) * 3]
    X = SequenceData(features=features)
    y = [(values[:, 0] > 0).astype(int) for values in features]
    for settings in ({"cell": "rnn"}, {"segment_state": "truncated"}, {"pooling": "attention"}):
        options = {**SMALL, "max_epochs": 150, "early_stopping": False, "targets": "steps"}
        clf = LSTMClassifier(**options, **settings).fit(X, y)
        found = np.concatenate(clf.predict(X))
        assert np.mean(found == np.concatenate(y)) > 0.8
        assert "attention.w" not in clf.networks_[0].named  # nothing is pooled


def test_a_plain_network_is_a_quarter_of_an_lstm():
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 40, (20, 5)), np.arange(20) % 2
    sizes = {}
    for cell in ("lstm", "rnn"):
        (network,) = LSTMClassifier(max_epochs=1, cell=cell).fit(X, y).networks_
        sizes[cell] = sum(w.size for name, w in network.named.items() if name[:4] == "lstm")
    assert sizes["lstm"] == 4 * sizes["rnn"]

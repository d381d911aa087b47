"""Gradients by lag: beside PyTorch's, and what they say of cells and biases."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceData, memory
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import lstm
from fastlstm.network.parameters import Parameters
from tests.helpers import golden, token_sequences
from tests.layers.test_golden import our_weights

SMALL = {"embedding_dim": 6, "hidden_size": 8, "random_state": 0}


def by_lag(rows, lengths, reverse):
    """Mean norms of rows by lag, of documents one behind the other."""
    found: dict[int, list[float]] = {}
    for part in np.split(rows, np.cumsum(lengths)[:-1]):
        for t, row in enumerate(part):
            found.setdefault(t if reverse else len(part) - 1 - t, []).append(np.linalg.norm(row))
    return np.array([np.mean(found[lag]) for lag in range(len(found))])


def test_norms_are_those_of_pytorch():
    """Two layers in two directions, mean pooling, documents of unequal length."""
    arrays = golden("memory")
    lengths = arrays["lengths"]
    vocabulary, width = arrays["embedding.weight"].shape
    config = ModelConfig(vocabulary, width, 5, num_layers=2, pooling="mean")
    weights = {"embedding": arrays["embedding.weight"]}
    for layer in range(2):
        for d, direction in enumerate(lstm.DIRECTIONS):
            for name, w in our_weights(arrays, layer, d, "lstm.").items():
                weights[f"lstm.{layer}.{direction}.{name}"] = w
    weights["dense.w"], weights["dense.b"] = arrays["dense.weight"].T, arrays["dense.bias"]
    sequences = token_sequences(lengths.tolist())._replace(ids=arrays["ids"].astype(np.int32))
    sums = memory._Sums(config)
    for rows in (np.arange(3), np.arange(3, len(lengths))):
        sums.add(Parameters.from_arrays(weights), sequences, rows, None)
    found = sums.means(1, "here")
    for d in (0, 1):
        for layer in (0, 1):
            for kind, norms in (("h", found.states), ("c", found.cells)):
                expected = by_lag(arrays[f"{kind}_{layer}_{d}"], lengths, d == 1)
                assert norms[layer, d] == pytest.approx(expected, rel=1e-10)
        expected = by_lag(arrays[f"x_{d}"], lengths, d == 1)
        assert found.inputs[d] == pytest.approx(expected, rel=1e-10)
    assert found.n_documents.tolist() == [np.sum(lengths > lag) for lag in range(max(lengths))]


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(0)
    return rng.integers(1, 30, (12, 60)), np.arange(12) % 2


@pytest.fixture(scope="module")
def clf(documents):
    options = {**SMALL, "bidirectional": False, "pooling": "last", "max_epochs": 1}
    return LSTMClassifier(**options).fit(*documents)


def test_inputs_by_central_differences(clf, documents):
    """Of a plain RNN's logit, by the vector of the token three steps before the end."""
    X, _ = documents
    found = memory.gradient_norms(clf, X[:1], cell="rnn", random_state=3)
    parameters = memory._fresh(clf.model_, clf.config_._replace(cell="rnn"), 1.0, 3)
    arrays = {name: w.astype(float) for name, w in parameters.arrays().items()}

    def logit(rows):
        h = np.zeros(8)
        for row in rows:
            weights = (arrays[f"lstm.0.forward.{name}"] for name in ("w_x", "w_h", "b"))
            w_x, w_h, b = weights
            h = np.tanh(row @ w_x + h @ w_h + b)
        return (h @ arrays["dense.w"])[0]

    rows, gradient = arrays["embedding"][X[0]], np.zeros(6)
    for j in range(6):
        step = np.zeros_like(rows)
        step[-4, j] = 1e-6
        gradient[j] = (logit(rows + step) - logit(rows - step)) / 2e-6
    assert found.inputs[0, 3] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def test_a_larger_bias_remembers_longer(clf, documents):
    X, _ = documents
    lives = [
        memory.gradient_norms(clf, X, forget_bias=bias, random_state=0).half_life()
        for bias in (0, 1, 5)
    ]
    assert lives[0] < lives[1] < lives[2]
    plain = memory.gradient_norms(clf, X, cell="rnn")
    assert plain.cells.shape == (1, 1, 0) and plain.cell == "rnn"
    assert plain.title == "a fresh rnn"
    trained = memory.gradient_norms(clf, X)
    assert trained.title == "a trained lstm" and "half-life by layer" in repr(trained)
    assert trained.states.shape == trained.cells.shape == (1, 1, 60)
    assert trained.n_documents.tolist() == [12] * 60 and trained.lags[-1] == 59


def test_the_bias_of_forget_gates_is_where_training_begins(documents):
    X, y = documents
    options = {**SMALL, "learning_rate": 1e-30, "max_epochs": 1, "early_stopping": False}
    for bias in (0, 1, 5):
        (network,) = LSTMClassifier(**options, forget_bias=bias).fit(X, y).networks_
        for direction in lstm.DIRECTIONS:
            biases = network.named[f"lstm.0.{direction}.b"]
            assert biases[8:16] == pytest.approx(bias, abs=1e-20)
            assert np.delete(biases, np.s_[8:16]) == pytest.approx(0, abs=1e-20)
    (network,) = LSTMClassifier(**options, cell="rnn", forget_bias=5).fit(X, y).networks_
    assert network.named["lstm.0.forward.b"] == pytest.approx(np.zeros(8), abs=1e-20)


def test_texts_segments_networks_and_features(tmp_path):
    texts = ["a great film", "a dull day", "great fun at all and more", "", "a dull film"] * 6
    labels = ["good", "bad", "good", "bad", "bad"] * 6
    clf = LSTMSentimentClassifier(
        **SMALL, max_epochs=2, n_estimators=2, segment_length=3, pooling="attention"
    ).fit(texts, labels)
    found = memory.gradient_norms(clf, texts[:5])
    assert found.n_documents.tolist() == [5, 5, 5]  # segments: 3, 3, 3 + 3 and 3 tokens
    clf.save(tmp_path / "model.fastlstm")
    again = memory.gradient_norms(Predictor(tmp_path / "model.fastlstm"), texts[:5])
    assert np.array_equal(again.states, found.states)
    rng = np.random.default_rng(0)
    X = SequenceData(features=[rng.normal(size=(n, 2)) for n in (9, 4) * 8])
    of_steps = LSTMClassifier(hidden_size=4, max_epochs=1).fit(X, [0, 1] * 8)
    assert memory.gradient_norms(of_steps, X).inputs.shape == (2, 9)


def test_mistakes(clf, documents):
    X, y = documents
    with pytest.raises(ValueError, match="cell='gru' is not known; use one of 'lstm', 'rnn'"):
        memory.gradient_norms(clf, X, cell="gru")
    for target in (1, -1, "good"):
        with pytest.raises(ValueError, match="is no logit of this model; use 0 or None"):
            memory.gradient_norms(clf, X, target=target)
    for bias in ("x", float("nan"), float("inf")):
        with pytest.raises(ValueError, match="is no finite number; 1 is usual"):
            memory.gradient_norms(clf, X, forget_bias=bias)
    with pytest.raises(ValueError, match="random_state=-1 is no seed"):
        memory.gradient_norms(clf, X, random_state=-1)
    for other in ("model.fastlstm", 3):
        with pytest.raises(TypeError, match="clf is .*; pass a fitted classifier"):
            memory.gradient_norms(other, X)
    with pytest.raises(ValueError, match="X has no token"):
        memory.gradient_norms(clf, np.zeros_like(X))
    steps = SequenceData(tokens=X.tolist())
    of_steps = LSTMClassifier(**SMALL, max_epochs=1, targets="steps").fit(steps, X % 2)
    with pytest.raises(ValueError, match="classifies each step"):
        memory.gradient_norms(of_steps, steps)


def test_display(clf, documents):
    pytest.importorskip("matplotlib").use("agg")
    X, _ = documents
    found = [memory.gradient_norms(clf, X, cell=cell) for cell in ("rnn", "lstm")]
    display = fastlstm.MemoryDisplay(found).plot()
    assert [line.get_label() for line in display.ax_.lines] == [n.title for n in found]
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.lines[1].get_ydata() == pytest.approx(found[1].states[0, 0])
    (only,) = fastlstm.MemoryDisplay(found).plot(of="cells").ax_.lines
    assert only.get_ydata() == pytest.approx(found[1].cells[0, 0])
    (alone,) = fastlstm.MemoryDisplay(found[0]).plot().ax_.lines
    assert alone.get_label() == "a fresh rnn"
    with pytest.raises(ValueError, match="of='gates' is not known"):
        display.plot(of="gates")
    with pytest.raises(ValueError, match="layer=1, direction=0 is not there: .* 1 layer"):
        display.plot(layer=1)
    with pytest.raises(ValueError, match="a plain RNN has no cells"):
        fastlstm.MemoryDisplay(found[:1]).plot(of="cells")

"""Relevance propagation beside the published rules, written out number by number."""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.explain.relevance import EPSILON, relevance
from fastlstm.explain.rows import Terms
from fastlstm.kernels import reference
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import Parameters
from fastlstm.network.predict import Network
from fastlstm.text.ngrams import NGrams

SEQUENCES = TokenSequences(
    np.array([2, 3, 4, 2, 5, 3, 2, 4], dtype=np.int32), np.array([0, 5, 6, 8])
)
NGRAMS = NGrams(6, np.empty((0, 2)))


def network(bias=True, **shape):
    config = ModelConfig(6, embedding_dim=4, hidden_size=3, n_outputs=2, **shape)
    rng = np.random.default_rng(3)
    arrays = {name: rng.normal(size=shape) for name, shape in config.dense_shapes().items()}
    if not bias:
        for name in arrays:
            if name.endswith(".b"):
                arrays[name][:] = 0
    arrays["embedding"] = rng.normal(size=(6, 4))
    return Network(reference, config, Parameters.from_arrays(arrays))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear_rule(inputs, weights, bias, relevances):
    """Arras et al. (2017), eq. (6) without a share for the bias, one pair at a time."""
    outputs = inputs @ weights + bias
    found = np.zeros(len(inputs))
    for j, relevance_of_j in enumerate(relevances):
        stable = outputs[j] + (EPSILON if outputs[j] >= 0 else -EPSILON)
        for i in range(len(inputs)):
            found[i] += inputs[i] * weights[i, j] / stable * relevance_of_j
    return found


def naive(arrays, prefix, xs, relevance_of_h):
    """Relevance of the inputs of one direction, whose steps are ``xs`` in reading order."""
    w_x, w_h, b = (arrays[f"{prefix}.{name}"] for name in ("w_x", "w_h", "b"))
    n = len(w_h)
    states, h, c = [], np.zeros(n), np.zeros(n)
    for x in xs:
        z = x @ w_x + h @ w_h + b
        i, f, g, o = (z[k * n : (k + 1) * n] for k in range(4))
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        states.append((x, h, c, i, f, g, new))
        h, c = o * np.tanh(new), new
    signal = slice(2 * n, 3 * n)
    out = np.zeros((len(xs), len(w_x)))
    from_h, from_c = np.zeros(n), np.zeros(n)
    for t in reversed(range(len(xs))):
        x, before, c_before, i, f, g, c = states[t]
        of_c = relevance_of_h[t] + from_h + from_c  # the gate o gets nothing
        stable = c + np.where(c >= 0, EPSILON, -EPSILON)
        from_c, of_g = f * c_before / stable * of_c, i * g / stable * of_c
        both = np.concatenate([x, before])
        weights = np.concatenate([w_x[:, signal], w_h[:, signal]])
        shared = linear_rule(both, weights, b[signal], of_g)
        out[t], from_h = shared[: len(x)], shared[len(x) :]
    return out


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_relevance_is_what_the_rules_say(output, bidirectional):
    """Mean pooling, where every output has its share of the logit."""
    net = network(bidirectional=bidirectional, pooling="mean")
    arrays, dense = net.parameters.arrays(), net.parameters.named["dense.w"]
    found = relevance([net], Terms.of(NGRAMS, SEQUENCES), SEQUENCES, [output])
    for row in range(SEQUENCES.n_documents):
        ids = SEQUENCES.document(row)
        xs = arrays["embedding"][ids]
        expected = np.zeros(len(ids))
        for d, direction in enumerate(["forward", "reverse"][: 1 + bidirectional]):
            order = slice(None, None, -1) if d else slice(None)
            weight = dense[3 * d : 3 * d + 3, output] / len(ids)
            h = hidden_states(arrays, f"lstm.0.{direction}", xs[order])
            inputs = naive(arrays, f"lstm.0.{direction}", xs[order], h * weight)
            expected += inputs[order].sum(axis=1)
        part = slice(*SEQUENCES.offsets[row : row + 2])
        assert np.allclose(found.positions[part, 0], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_relevance_in_a_plain_rnn_is_what_the_linear_rule_says(bidirectional):
    net = network(bidirectional=bidirectional, pooling="mean", cell="rnn")
    arrays, dense = net.parameters.arrays(), net.parameters.named["dense.w"]
    found = relevance([net], Terms.of(NGRAMS, SEQUENCES), SEQUENCES, [1])
    for row in range(SEQUENCES.n_documents):
        ids = SEQUENCES.document(row)
        expected = np.zeros(len(ids))
        for d, direction in enumerate(["forward", "reverse"][: 1 + bidirectional]):
            order = slice(None, None, -1) if d else slice(None)
            xs = arrays["embedding"][ids][order]
            w_x, w_h, b = (arrays[f"lstm.0.{direction}.{name}"] for name in ("w_x", "w_h", "b"))
            states = [np.zeros(3)]
            for x in xs:
                states.append(np.tanh(x @ w_x + states[-1] @ w_h + b))
            weight, from_later = dense[3 * d : 3 * d + 3, 1] / len(ids), np.zeros(3)
            of_inputs = np.zeros(len(ids))
            for t in reversed(range(len(ids))):
                of_sum = states[t + 1] * weight + from_later
                both = np.concatenate([xs[t], states[t]])
                shared = linear_rule(both, np.concatenate([w_x, w_h]), b, of_sum)
                of_inputs[t], from_later = shared[:4].sum(), shared[4:]
            expected += of_inputs[order]
        part = slice(*SEQUENCES.offsets[row : row + 2])
        assert np.allclose(found.positions[part, 0], expected, rtol=1e-9, atol=1e-11)


def hidden_states(arrays, prefix, xs):
    w_x, w_h, b = (arrays[f"{prefix}.{name}"] for name in ("w_x", "w_h", "b"))
    n, h, c, out = len(w_h), np.zeros(len(w_h)), np.zeros(len(w_h)), []
    for x in xs:
        z = x @ w_x + h @ w_h + b
        c = sigmoid(z[n : 2 * n]) * c + sigmoid(z[:n]) * np.tanh(z[2 * n : 3 * n])
        h = sigmoid(z[3 * n :]) * np.tanh(c)
        out.append(h)
    return np.array(out)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("segment_length", [0, 2])
def test_without_biases_relevance_is_conserved(
    monkeypatch, cell, pooling, layers, segment_length
):  # fmt: skip
    """Up to the stabiliser, which here is next to nothing."""
    monkeypatch.setattr("fastlstm.explain.relevance.EPSILON", 1e-12)
    net = network(
        bias=False, cell=cell, pooling=pooling, num_layers=layers, segment_length=segment_length
    )
    found = relevance([net], Terms.of(NGRAMS, SEQUENCES), SEQUENCES, [0, 1])
    sums = np.add.reduceat(found.positions, SEQUENCES.offsets[:-1])
    assert np.allclose(sums, found.logits, rtol=1e-6)
    assert not found.baseline.any()
    assert np.allclose(found.logits, net.logits(SEQUENCES, np.array([0.5, 0.5])))

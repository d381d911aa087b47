"""LSTM stacks and whole models against PyTorch, from files that PyTorch wrote.

``tests/golden/make_golden.py`` made them. PyTorch keeps weights as (4 * hidden,
inputs), so ours are their transposes; its gates come in our order (i, f, g, o);
of its two biases only the sum counts, and each has the gradient of the sum.
Everything is float32. Results agree within 1e-5 of the largest value.
"""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels import reference
from fastlstm.network import predict as inference
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import lstm
from fastlstm.network.losses import loss_for
from fastlstm.network.parameters import Parameters, pack_model
from fastlstm.training.engine import GradientEngine, LabelledSequences
from tests.helpers import assert_close, each_backend, golden, packed_batch, token_places

TOLERANCE = 1e-5
# Products may take another way in training than in prediction.
each_packing = pytest.mark.parametrize("training", [True, False], ids=["training", "predicting"])


def torch_suffix(layer, d):
    return f"l{layer}" + ("_reverse" if d else "")


def our_weights(arrays, layer, d, prefix=""):
    end = torch_suffix(layer, d)
    return {
        "w_x": np.ascontiguousarray(arrays[f"{prefix}weight_ih_{end}"].T),
        "w_h": np.ascontiguousarray(arrays[f"{prefix}weight_hh_{end}"].T),
        "b": arrays[f"{prefix}bias_ih_{end}"] + arrays[f"{prefix}bias_hh_{end}"],
    }


def check_weight_gradients(result, arrays, layer, d, prefix="grad."):
    end = torch_suffix(layer, d)
    for name, theirs in (("w_x", "weight_ih"), ("w_h", "weight_hh")):
        assert_close(result[name], arrays[f"{prefix}{theirs}_{end}"].T, TOLERANCE, name)
    for theirs in ("bias_ih", "bias_hh"):
        assert_close(result["b"], arrays[f"{prefix}{theirs}_{end}"], TOLERANCE, theirs)


class Stack:
    """A file's layers run by our code; arrays by document go in and out."""

    def __init__(self, k, arrays, layers, directions, training):
        self.k, self.arrays, self.layers, self.directions = k, arrays, layers, directions
        self.work = Workspace(np.float32)
        self.batch = packed_batch(arrays["lengths"].tolist())
        self.places = token_places(self.batch)
        self.weights = [
            [our_weights(arrays, layer, d) for d in range(directions)] for layer in range(layers)
        ]
        self.packed = [
            [lstm.pack(k, w, training=training) for w in of_layer] for of_layer in self.weights
        ]

    def to_packed(self, by_document):
        rows = np.empty_like(by_document)
        rows[self.places] = by_document
        return rows

    def states(self, h, c, layer):
        """PyTorch's states of a layer, documents in the order of the packed batch."""
        own = slice(layer * self.directions, (layer + 1) * self.directions)
        return lstm.InitialState(
            *(np.ascontiguousarray(self.arrays[name][own][:, self.batch.rows]) for name in (h, c))
        )

    def by_document(self, states):
        """Inverse of the reordering in ``states``."""
        out = np.empty_like(states)
        out[:, self.batch.rows] = states
        return out

    def forward(self):
        caches, rows = [], self.to_packed(self.arrays["x"])
        for layer, packed in enumerate(self.packed):
            caches.append(
                lstm.forward(
                    self.k, self.work, f"layer{layer}", lstm.LayerInput(rows), self.batch,
                    packed, initial=self.states("h0", "c0", layer),
                )
            )  # fmt: skip
            rows = caches[-1].out
        return caches

    def final_states(self, cache):
        hidden = cache.c[0].shape[1]
        every = np.arange(self.batch.n_sequences)
        ends = [self.batch.starts[self.batch.lengths - 1] + every, every]
        h = [cache.out[ends[d], d * hidden : (d + 1) * hidden] for d in range(self.directions)]
        c = [cache.c[d][ends[d]] for d in range(self.directions)]
        return self.by_document(np.stack(h)), self.by_document(np.stack(c))


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@each_packing
def test_lstm(k, training, layers, directions):
    arrays = golden(f"lstm_{layers}_layers_{directions}_directions")
    stack = Stack(k, arrays, layers, directions, training)
    caches = stack.forward()
    assert_close(caches[-1].out[stack.places], arrays["y"], TOLERANCE, "y")
    finals = [stack.final_states(cache) for cache in caches]
    assert_close(np.concatenate([h for h, _ in finals]), arrays["h_n"], TOLERANCE, "h_n")
    assert_close(np.concatenate([c for _, c in finals]), arrays["c_n"], TOLERANCE, "c_n")

    d_out = stack.to_packed(arrays["d_y"])
    for layer in reversed(range(layers)):
        gradients = [
            lstm.zero_gradient(k, len(w["w_x"]), len(w["w_h"]), np.float32)
            for w in stack.weights[layer]
        ]
        d_out, d_initial, _ = lstm.backward(
            k, stack.work, f"layer{layer}", caches[layer], d_out, stack.batch,
            stack.packed[layer], gradients, stack.states("d_h_n", "d_c_n", layer),
        )  # fmt: skip
        own = slice(layer * directions, (layer + 1) * directions)
        assert_close(stack.by_document(d_initial.h), arrays["d_h0"][own], TOLERANCE, "d_h0")
        assert_close(stack.by_document(d_initial.c), arrays["d_c0"][own], TOLERANCE, "d_c0")
        for d in range(directions):
            n_gates = stack.weights[layer][d]["b"].size
            result = {name: g[..., :n_gates] for name, g in gradients[d]._asdict().items()}
            check_weight_gradients(result, arrays, layer, d)
    assert_close(d_out[stack.places], arrays["d_x"], TOLERANCE, "d_x")


def load_model(pooling, n_classes):
    """Configuration, weights and labelled documents of a file."""
    kind = f"model_{pooling}" if pooling in ("last", "mean", "max") else pooling
    arrays = golden(f"{kind}_{n_classes}_classes")
    vocabulary_size, width = arrays["embedding.weight"].shape
    config = ModelConfig(
        vocabulary_size=vocabulary_size,
        embedding_dim=width,
        hidden_size=arrays["lstm.weight_hh_l0"].shape[1],
        num_layers=2,
        bidirectional=True,
        pooling={"steps": "max", "rnn": "max", "truncated": "mean"}.get(pooling, pooling),
        n_outputs=len(arrays["dense.bias"]),
        n_step_features=arrays["features"].shape[1] if "features" in arrays else 0,
        by_step=pooling == "steps",
        cell="rnn" if pooling == "rnn" else "lstm",
        segment_length=3 if pooling == "truncated" else 0,
        segment_state="truncated" if pooling == "truncated" else "fresh",
    )
    weights = {"embedding": arrays["embedding.weight"]}
    for layer in range(2):
        for d, direction in enumerate(lstm.DIRECTIONS):
            for name, w in our_weights(arrays, layer, d, "lstm.").items():
                weights[f"lstm.{layer}.{direction}.{name}"] = w
    weights["dense.w"] = arrays["dense.weight"].T
    weights["dense.b"] = arrays["dense.bias"]
    if pooling == "attention":
        weights["attention.w"] = arrays["attention.weight"][0]
    assert {name: w.shape for name, w in weights.items() if name != "embedding"} == (
        config.dense_shapes()
    )
    offsets = np.concatenate([[0], np.cumsum(arrays["lengths"])]).astype(np.int64)
    features = arrays.get("features")
    sequences = TokenSequences(arrays["ids"].astype(np.int32), offsets, None, features)
    weight = arrays["weight"].astype(np.float64)
    data = LabelledSequences(sequences, arrays["y"], weight, config.by_step)
    return config, Parameters.from_arrays(weights), data, arrays


@each_backend
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "pooling", ["last", "mean", "max", "steps", "attention", "rnn", "truncated"]
)
@each_packing
def test_model(k, training, pooling, n_classes):
    config, parameters, data, arrays = load_model(pooling, n_classes)
    packed = pack_model(k, config, parameters, training=training)
    logits = inference.predict_logits(k, config, parameters, packed, data.sequences)
    assert_close(logits, arrays["logits"], TOLERANCE, "logits")

    rows = np.arange(data.sequences.n_documents)
    with ShardPool(1) as pool:
        engine = GradientEngine(k, config, pool)
        result = engine(parameters, packed, data, rows, None)
    assert result.loss == pytest.approx(float(arrays["loss"]), rel=TOLERANCE)
    table = np.zeros_like(parameters.embedding)
    table[result.embedding.ids] = result.embedding.values
    assert_close(table, arrays["grad.embedding.weight"], TOLERANCE, "embedding")
    assert_close(result.dense.named["dense.w"], arrays["grad.dense.weight"].T, TOLERANCE)
    assert_close(result.dense.named["dense.b"], arrays["grad.dense.bias"], TOLERANCE)
    if pooling == "attention":
        expected = arrays["grad.attention.weight"][0]
        assert_close(result.dense.named["attention.w"], expected, TOLERANCE)
    for layer in range(2):
        for d, direction in enumerate(lstm.DIRECTIONS):
            group = result.dense.block(f"lstm.{layer}.{direction}")
            check_weight_gradients(group, arrays, layer, d, "grad.lstm.")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_loss_of_the_stored_logits(n_classes):
    """The loss alone, so that an error in it cannot hide behind one in the model."""
    config, _, data, arrays = load_model("last", n_classes)
    loss, _ = loss_for(config.n_outputs)(arrays["logits"], data.y, data.weight / data.weight.sum())
    assert loss == pytest.approx(float(arrays["loss"]), rel=1e-6)


def test_packing_of_the_stored_documents_is_a_permutation():
    """The maps between documents and packed rows that the tests above rely on."""
    _, _, data, _ = load_model("last", 2)
    batch = pack(reference, data.sequences, np.arange(data.sequences.n_documents))
    assert np.array_equal(batch.ids[token_places(batch)], data.sequences.ids)

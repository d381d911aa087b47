"""The network: embedding -> LSTM stack -> pooling -> dense, forward and backward.

Everything here works on plain records. A shard's pass is a function of weights
and shard alone; summing over shards and updating weights happen in ``training``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastlstm.core.random import Streams
from fastlstm.core.records import TokenBatch, TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import inference_chunks, pack
from fastlstm.kernels.contract import POOLING
from fastlstm.layers import dense, dropout, embedding, lstm, pooling
from fastlstm.layers.embedding import EmbeddingGradient

POOLINGS = tuple(POOLING)

# Bounds of one inference chunk: enough rows to fill the multipliers, and tokens
# times gates that stay a few megabytes.
CHUNK_DOCUMENTS = 48
_CHUNK_TOKENS = 8192

# Columns of a weight gradient that one task computes.
_GRADIENT_COLUMNS = 256


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a network; together with its weights it is a model.

    ``n_outputs`` is 1 for two classes (one logit) and the number of classes else.
    """

    vocabulary_size: int
    embedding_dim: int = 64
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = True
    pooling: str = "max"
    n_outputs: int = 1
    dropout: float = 0.0
    embedding_dropout: float = 0.0

    @property
    def n_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def output_width(self) -> int:
        """Width of a layer's output."""
        return self.n_directions * self.hidden_size

    @property
    def pooled_width(self) -> int:
        return pooling.width(self.pooling, self.output_width)

    def dense_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every weight but the embedding, in storage order."""
        shapes = {}
        gates = 4 * self.hidden_size
        for layer in range(self.num_layers):
            n_inputs = self.embedding_dim if layer == 0 else self.output_width
            for direction in lstm.DIRECTIONS[: self.n_directions]:
                prefix = f"lstm.{layer}.{direction}"
                shapes[f"{prefix}.w_x"] = (n_inputs, gates)
                shapes[f"{prefix}.w_h"] = (self.hidden_size, gates)
                shapes[f"{prefix}.b"] = (gates,)
        shapes["dense.w"] = (self.pooled_width, self.n_outputs)
        shapes["dense.b"] = (self.n_outputs,)
        return shapes


class Parameters:
    """Weights of a model, or gradients of its dense part.

    All weights but the embedding lie in one flat array, so that an optimiser
    handles them in one call; ``named`` gives views of it.

    Attributes
    ----------
    embedding : float array, shape (vocabulary_size, embedding_dim), or None
    flat : float array, shape (n_dense,)
    named : dict of str -> float array
    """

    def __init__(self, embedding_table, flat, shapes):
        self.embedding = embedding_table
        self.flat = flat
        self.named = {}
        first = 0
        for name, shape in shapes.items():
            last = first + math.prod(shape)
            self.named[name] = flat[first:last].reshape(shape)
            first = last

    @classmethod
    def zeros(cls, config: ModelConfig, dtype, embedding_table=None) -> Parameters:
        """Dense weights of 0 in the shapes of ``config``."""
        shapes = config.dense_shapes()
        size = sum(math.prod(shape) for shape in shapes.values())
        return cls(embedding_table, np.zeros(size, dtype=dtype), shapes)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Parameters:
        """Weights from what ``arrays`` gave; dense weights are copied.

        Arrays from a memory map are read-only, and kernels are compiled for
        writable ones: such an embedding is copied too.
        """
        dense_arrays = {name: w for name, w in arrays.items() if name != "embedding"}
        flat = np.concatenate([w.ravel() for w in dense_arrays.values()])
        table = np.require(arrays["embedding"], requirements=["C", "W"])
        return cls(table, flat, {name: w.shape for name, w in dense_arrays.items()})

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """The weights below a prefix, by their last name."""
        cut = len(prefix) + 1
        return {n[cut:]: w for n, w in self.named.items() if n.startswith(prefix + ".")}

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> array of every weight, the embedding included; views."""
        return {"embedding": self.embedding, **self.named}

    def copy(self) -> Parameters:
        shapes = {name: w.shape for name, w in self.named.items()}
        return Parameters(self.embedding.copy(), self.flat.copy(), shapes)

    def __reduce__(self):
        return Parameters.from_arrays, (self.arrays(),)


def init_parameters(config: ModelConfig, streams: Streams, dtype=np.float32) -> Parameters:
    """Fresh weights, drawn in a fixed order."""
    rng = streams.embedding
    table = embedding.init(rng, config.vocabulary_size, config.embedding_dim, dtype)
    rng = streams.weights
    parameters = Parameters.zeros(config, dtype, table)
    for name in parameters.named:
        if name.endswith(".w_x"):
            prefix = name[: -len(".w_x")]
            n_inputs = parameters.named[name].shape[0]
            fresh = lstm.init(rng, n_inputs, config.hidden_size, dtype)
            for key, value in fresh.items():
                parameters.named[f"{prefix}.{key}"][:] = value
    head = dense.init(rng, config.pooled_width, config.n_outputs, dtype)
    parameters.named["dense.w"][:] = head["w"]
    return parameters


class PackedModel(NamedTuple):
    """Weights in the backend's layout: directions of each layer, and the dense layer."""

    layers: list[list[lstm.PackedDirection]]
    dense: dense.PackedDense


def pack_model(k, config: ModelConfig, parameters: Parameters, packed=None) -> PackedModel:
    """Pack all dense weights, into ``packed`` if it is given."""
    layers = []
    for layer in range(config.num_layers):
        directions = []
        for d, direction in enumerate(lstm.DIRECTIONS[: config.n_directions]):
            old = None if packed is None else packed.layers[layer][d]
            weights = parameters.group(f"lstm.{layer}.{direction}")
            directions.append(lstm.pack(k, weights, old))
        layers.append(directions)
    head = dense.pack(k, parameters.group("dense"), None if packed is None else packed.dense)
    return PackedModel(layers, head)


class ForwardState(NamedTuple):
    """What one shard's forward pass leaves for its backward pass."""

    batch: TokenBatch
    looked_up: embedding.EmbeddingOutput
    caches: list[lstm.LSTMCache]
    winner: np.ndarray
    head_input: np.ndarray
    keys: np.ndarray | None


def n_dropout_keys(config: ModelConfig) -> int:
    """Keys that ``forward`` reads: the embedding, between layers, the pooled vector."""
    return config.num_layers + 1


def forward(k, work: Workspace, config, table, packed: PackedModel, batch, keys=None):
    """Logits of one packed shard.

    Parameters
    ----------
    k : backend module
    work : Workspace
    config : ModelConfig
    table : float array, shape (vocabulary_size, embedding_dim)
    packed : PackedModel
    batch : TokenBatch
    keys : sequence of int, or None
        Dropout keys, ``n_dropout_keys(config)`` of them; None for inference.

    Returns
    -------
    logits : float array, shape (batch.n_documents, n_outputs)
        In the order of ``batch.rows``.
    state : ForwardState
    """
    looked_up = embedding.forward(k, work, table, batch.ids)
    vectors = _dropped(k, work, "embedding.drop", looked_up.vectors, config.embedding_dropout,
                       keys, 0)  # fmt: skip
    inputs = lstm.LayerInput(vectors, looked_up.inverse)
    caches = []
    for layer, directions in enumerate(packed.layers):
        if layer:
            rows = _dropped(k, work, f"lstm.{layer}.drop", caches[-1].out, config.dropout,
                            keys, layer)  # fmt: skip
            inputs = lstm.LayerInput(rows)
        caches.append(lstm.forward(k, work, f"lstm.{layer}", inputs, batch, directions))
    pooled, winner = pooling.forward(
        k, work, caches[-1].out, batch, config.pooling, config.hidden_size
    )
    head_input = _dropped(k, work, "head.drop", pooled, config.dropout, keys, config.num_layers)
    logits = dense.forward(k, work, head_input, packed.dense)
    return logits, ForwardState(batch, looked_up, caches, winner, head_input, keys)


def _dropped(k, work, name, x, rate, keys, position):
    return dropout.apply(k, work, name, x, rate, None if keys is None else int(keys[position]))


class ShardGradient(NamedTuple):
    """A shard after its backward pass, ready for ``weight_gradient`` tasks."""

    embedding: EmbeddingGradient
    caches: list[lstm.LSTMCache]
    head_input: np.ndarray
    d_head: np.ndarray


def backward(k, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits):
    """Walk back through one shard; weight gradients are left to ``weight_gradient``.

    Parameters
    ----------
    d_logits : float array, shape (n_documents, n_outputs)

    Returns
    -------
    ShardGradient
    """
    keys, batch = state.keys, state.batch
    d_pooled, d_head = dense.backward(k, work, d_logits, packed.dense, config.pooled_width)
    d_pooled = _dropped(k, work, "head.d_drop", d_pooled, config.dropout, keys, config.num_layers)
    d_out = pooling.backward(
        k, work, d_pooled, state.winner, batch, config.pooling, config.hidden_size
    )
    for layer in reversed(range(config.num_layers)):
        d_rows, _ = lstm.backward(
            k, work, f"lstm.{layer}", state.caches[layer], d_out, batch, packed.layers[layer]
        )
        rate = config.dropout if layer else config.embedding_dropout
        d_out = _dropped(k, work, f"lstm.{layer}.d_drop", d_rows, rate, keys, layer)
    gradient = EmbeddingGradient(state.looked_up.tokens, d_out)
    return ShardGradient(gradient, state.caches, state.head_input, d_head)


def gradient_tasks(config: ModelConfig) -> list[tuple[int, int, int, int]]:
    """Independent parts of the weight gradients: (layer, direction, low, high).

    Layer -1 is the dense layer. The list depends on the model alone.
    """
    gates = 4 * config.hidden_size
    tasks = [
        (layer, d, low, min(low + _GRADIENT_COLUMNS, gates))
        for layer in range(config.num_layers)
        for d in range(config.n_directions)
        for low in range(0, gates, _GRADIENT_COLUMNS)
    ]
    return [*tasks, (-1, 0, 0, 0)]


def weight_gradient(k, config, shards: list[ShardGradient], task, out: Parameters) -> None:
    """One task's part of the weight gradients, summed over the shards in their order."""
    layer, d, low, high = task
    for number, shard in enumerate(shards):
        accumulate = number > 0
        if layer < 0:
            dense.gradient(k, shard.head_input, shard.d_head, accumulate, out.group("dense"))
        else:
            group = out.group(f"lstm.{layer}.{lstm.DIRECTIONS[d]}")
            lstm.gradient(k, shard.caches[layer], d, low, high, accumulate, group)


def predict_logits(
    k, config: ModelConfig, parameters: Parameters, packed: PackedModel,
    sequences: TokenSequences, run: Callable = map,
) -> np.ndarray:  # fmt: skip
    """Logits of many documents; empty ones get NaN for the caller to fill.

    Parameters
    ----------
    sequences : TokenSequences
    run : callable
        ``map``, or one that spreads the calls over threads.

    Returns
    -------
    logits : float array, shape (n_documents, n_outputs)
        A document's row does not depend on the other documents.
    """
    dtype = parameters.flat.dtype
    logits = np.full((sequences.n_documents, config.n_outputs), np.nan, dtype=dtype)
    spare: list[Workspace] = []

    def work_on(rows):
        try:
            work = spare.pop()
        except IndexError:  # every workspace is in use by another thread
            work = Workspace(dtype)
        batch = pack(sequences, rows)
        values, _ = forward(k, work, config, parameters.embedding, packed, batch)
        logits[batch.rows] = values
        spare.append(work)

    chunks = inference_chunks(sequences.lengths, CHUNK_DOCUMENTS, _CHUNK_TOKENS)
    for _ in run(work_on, chunks):
        pass
    return logits


class Network:
    """A model ready to predict: configuration, weights, and their packed form.

    Parameters
    ----------
    k : backend module
    config : ModelConfig
    parameters : Parameters
    """

    def __init__(self, k, config: ModelConfig, parameters: Parameters):
        self.k = k
        self.config = config
        self.parameters = parameters
        self.packed = pack_model(k, config, parameters)

    def logits(self, sequences: TokenSequences, prior: np.ndarray, run=map) -> np.ndarray:
        """Logits of documents; empty ones get those of the class prior.

        Parameters
        ----------
        sequences : TokenSequences
        prior : float array, shape (n_classes,)
            Probabilities for documents without a token.
        run : callable
            As in ``predict_logits``.

        Returns
        -------
        logits : float array, shape (n_documents, n_outputs)
        """
        largest = int(sequences.ids.max(initial=0))
        if largest >= self.config.vocabulary_size:  # a kernel would read beyond the table
            raise ValueError(
                f"token id {largest} is not below vocabulary_size={self.config.vocabulary_size}."
            )
        logits = predict_logits(self.k, self.config, self.parameters, self.packed, sequences, run)
        logits[sequences.lengths == 0] = prior_logits(prior)
        return logits


def prior_logits(prior) -> np.ndarray:
    """Logits whose probabilities are ``prior``: one log-odds, or one log a class."""
    logs = np.log(np.maximum(prior, 1e-12))
    return logs[1:] - logs[:1] if len(logs) == 2 else logs

"""The network: embedding -> LSTM stack -> pooling -> dense, forward and backward.

Everything here works on plain records. A shard's pass is a function of weights
and shard alone; summing over shards and updating weights happen in ``training``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastlstm.core.random import Streams
from fastlstm.core.records import TokenBatch
from fastlstm.core.workspace import Workspace, aligned_zeros
from fastlstm.kernels.contract import POOLING
from fastlstm.layers import dense, dropout, embedding, lstm, pooling, segments
from fastlstm.layers.embedding import EmbeddingGradient

POOLINGS = tuple(POOLING)

NO_PARENTS = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a network; together with its weights it is a model.

    ``n_outputs`` is 1 for two classes (one logit) and the number of classes else. Of
    ``vocabulary_size`` ids the last ``n_ngrams`` stand for n-grams. Documents of more than
    ``segment_length`` tokens are read in segments; 0 reads them whole.
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
    n_ngrams: int = 0
    segment_length: int = 0

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
    parents : int32 array, shape (n_ngrams,)
        See ``embedding.Table``; not trained.
    flat : float array, shape (n_dense,)
    named : dict of str -> float array
    """

    def __init__(self, embedding_table, flat, shapes, parents=NO_PARENTS):
        self.embedding = embedding_table
        self.parents = parents
        self.flat = flat
        self.named = {}
        self._groups = {}
        self._parts = {}
        first = 0
        for name, shape in shapes.items():
            last = first + math.prod(shape)
            self.named[name] = flat[first:last].reshape(shape)
            # In storage order: the weights below a prefix are one run of ``flat``.
            prefix, _, own = name.rpartition(".")
            self._groups.setdefault(prefix, {})[own] = self.named[name]
            begin = self._parts[prefix].start if prefix in self._parts else first
            self._parts[prefix] = slice(begin, last)
            first = last

    @property
    def table(self) -> embedding.Table:
        return embedding.Table(self.embedding, self.parents)

    @classmethod
    def zeros(
        cls, config: ModelConfig, dtype, embedding_table=None, parents=NO_PARENTS
    ) -> Parameters:
        """Dense weights of 0 in the shapes of ``config``."""
        shapes = config.dense_shapes()
        size = sum(math.prod(shape) for shape in shapes.values())
        return cls(embedding_table, aligned_zeros(size, dtype), shapes, parents)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], parents=NO_PARENTS) -> Parameters:
        """Weights from what ``arrays`` gave; dense weights are copied.

        Arrays from a memory map are read-only, and kernels are compiled for
        writable ones: such an embedding is copied too.
        """
        dense_arrays = {name: w for name, w in arrays.items() if name != "embedding"}
        flat = np.concatenate([w.ravel() for w in dense_arrays.values()])
        table = np.require(arrays["embedding"], requirements=["C", "W"])
        return cls(table, flat, {name: w.shape for name, w in dense_arrays.items()}, parents)

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """The weights below a prefix, a name of ``parts``, by their last name."""
        return self._groups[prefix]

    def part(self, prefix: str) -> slice:
        """Where the weights below a prefix, a name of ``parts``, lie in ``flat``."""
        return self._parts[prefix]

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> array of every weight, the embedding included; views."""
        return {"embedding": self.embedding, **self.named}

    def copy(self) -> Parameters:
        shapes = {name: w.shape for name, w in self.named.items()}
        return Parameters(self.embedding.copy(), self.flat.copy(), shapes, self.parents)

    def __reduce__(self):
        return Parameters.from_arrays, (self.arrays(), self.parents)


def init_parameters(
    config: ModelConfig, streams: Streams, dtype=np.float32, parents=NO_PARENTS
) -> Parameters:
    """Fresh weights, drawn in a fixed order; rows of n-grams begin at 0."""
    rng = streams.embedding
    table = aligned_zeros((config.vocabulary_size, config.embedding_dim), dtype)
    n_tokens = config.vocabulary_size - config.n_ngrams
    table[:n_tokens] = embedding.init(rng, n_tokens, config.embedding_dim, dtype)
    rng = streams.weights
    parameters = Parameters.zeros(config, dtype, table, parents)
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


def pack_model(
    k, config: ModelConfig, parameters: Parameters, precision="float32", training=False
) -> PackedModel:
    """Pack all dense weights; products with the LSTM's will have that precision.

    Training on a CPU with matrix tiles multiplies float32 another way than prediction
    (``kernels/numba/bfloat16.py``), with results that differ by rounding alone.
    """
    layers = [
        [
            lstm.pack(k, parameters.group(f"lstm.{layer}.{direction}"), None, precision, training)
            for direction in lstm.DIRECTIONS[: config.n_directions]
        ]
        for layer in range(config.num_layers)
    ]
    return PackedModel(layers, dense.pack(k, parameters.group("dense")))


def repack(k, packed: PackedModel, parameters: Parameters, part: str) -> None:
    """Pack the weights of one part, a name of ``parts``, anew."""
    weights = parameters.group(part)
    if part == "dense":
        dense.pack(k, weights, packed.dense)
    else:
        _, layer, direction = part.split(".")
        old = packed.layers[int(layer)][lstm.DIRECTIONS.index(direction)]
        lstm.pack(k, weights, old)


def parts(config: ModelConfig) -> list[str]:
    """Prefixes of the dense weights: each direction of each layer, and the dense layer."""
    directions = lstm.DIRECTIONS[: config.n_directions]
    return [
        *(f"lstm.{layer}.{d}" for layer in range(config.num_layers) for d in directions), "dense",
    ]  # fmt: skip


class ForwardState(NamedTuple):
    """What one shard's forward pass leaves for its backward pass."""

    batch: TokenBatch
    looked_up: embedding.EmbeddingOutput | None
    caches: list[lstm.LSTMCache]
    winner: np.ndarray
    share: np.ndarray | None
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
    table : embedding.Table
    packed : PackedModel
    batch : TokenBatch
    keys : sequence of int, or None
        Dropout keys, ``n_dropout_keys(config)`` of them; None for inference.

    Returns
    -------
    logits : float array, shape (len(batch.rows), n_outputs)
        In the order of ``batch.rows``.
    state : ForwardState
    """
    looked_up = embedding.forward(
        k, work, table, batch.ids, config.embedding_dropout, _key(keys, 0)
    )
    inputs = lstm.LayerInput(looked_up.vectors, looked_up.inverse)
    logits, state = forward_from(k, work, config, packed, batch, inputs, keys)
    return logits, state._replace(looked_up=looked_up)


def forward_from(
    k, work: Workspace, config, packed: PackedModel, batch, inputs, keys=None, projected=None
):
    """As ``forward``, from the vectors of tokens on.

    Parameters
    ----------
    inputs : LayerInput
    projected : list of float arrays, or None
        What the first layer's directions make of ``inputs.rows``, as in ``lstm.forward``.
    """
    caches = []
    for layer, directions in enumerate(packed.layers):
        if layer:
            rows = dropout.apply(k, work, f"lstm.{layer}.drop", caches[-1].out, config.dropout,
                                 _key(keys, layer))  # fmt: skip
            inputs = lstm.LayerInput(rows)
        caches.append(
            lstm.forward(k, work, f"lstm.{layer}", inputs, batch, directions, projected=projected)
        )
        projected = None
    pooled, winner = pooling.forward(
        k, work, caches[-1].out, batch, config.pooling, config.hidden_size
    )
    pooled, share = segments.forward(pooled, batch, config.pooling, config.hidden_size)
    head_input = dropout.apply(
        k, work, "head.drop", pooled, config.dropout, _key(keys, config.num_layers)
    )
    logits = dense.forward(k, work, head_input, packed.dense)
    return logits, ForwardState(batch, None, caches, winner, share, head_input, keys)


def _key(keys, position):
    return None if keys is None else int(keys[position])


class DenseGradients:
    """Gradients of all weights but the embedding, that shards add to one after the other.

    Rows are padded as the kernels want them; ``add_to`` takes the padding off.

    Attributes
    ----------
    layers : list of lists of DirectionGradient
    dense : DenseGradient
    """

    def __init__(self, k, config: ModelConfig, dtype):
        shapes = config.dense_shapes()
        self.layers = [
            [
                lstm.zero_gradient(
                    k, shapes[f"lstm.{layer}.{direction}.w_x"][0], config.hidden_size, dtype
                )
                for direction in lstm.DIRECTIONS[: config.n_directions]
            ]
            for layer in range(config.num_layers)
        ]
        self.dense = dense.zero_gradient(k, config.pooled_width, config.n_outputs, dtype)
        gradients = [*(d for layer in self.layers for d in layer), self.dense]
        self._padded = [array for gradient in gradients for array in gradient]
        self._narrow = {}  # part -> name -> the array without its padding
        for part, gradient in zip(parts(config), gradients, strict=True):
            self._narrow[part] = {
                name: array[..., : shapes[f"{part}.{name}"][-1]]
                for name, array in gradient._asdict().items()
            }

    def clear(self) -> None:
        for array in self._padded:
            array.fill(0)

    def add_to(self, out: Parameters, part: str, accumulate: bool) -> None:
        """Put one part, a name of ``parts``, into ``out``, or add it."""
        targets = out.group(part)
        for name, source in self._narrow[part].items():
            target = targets[name]
            if accumulate:
                np.add(target, source, out=target)
            else:
                np.copyto(target, source)


def backward(
    k, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
) -> EmbeddingGradient:  # fmt: skip
    """Walk back through one shard.

    Parameters
    ----------
    d_logits : float array, shape (n_documents, n_outputs)
    gradients : DenseGradients
        Those of the dense weights are added to it.

    Returns
    -------
    EmbeddingGradient
    """
    d_vectors = backward_to(k, work, config, packed, state, d_logits, gradients)
    key = _key(state.keys, 0)
    return embedding.backward(k, work, state.looked_up, d_vectors, config.embedding_dropout, key)


def backward_to(
    k, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
):  # fmt: skip
    """As ``backward``, down to the rows of the first layer's input, whose gradient it returns.

    It is None if the rows were projected by the caller, see ``lstm.backward``.
    """
    keys, batch = state.keys, state.batch
    d_out = backward_head(k, work, config, packed, state, d_logits, gradients)
    for layer in reversed(range(config.num_layers)):
        d_out, _ = lstm.backward(
            k, work, f"lstm.{layer}", state.caches[layer], d_out, batch, packed.layers[layer],
            gradients.layers[layer],
        )  # fmt: skip
        if layer:
            d_out = dropout.apply(
                k, work, f"lstm.{layer}.d_drop", d_out, config.dropout, _key(keys, layer)
            )
    return d_out


def backward_head(
    k, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
):  # fmt: skip
    """As ``backward``, down to the outputs of the last LSTM layer, whose gradient it returns."""
    batch = state.batch
    d_pooled = dense.backward(k, work, state.head_input, d_logits, packed.dense, gradients.dense)
    d_pooled = dropout.apply(
        k, work, "head.d_drop", d_pooled, config.dropout, _key(state.keys, config.num_layers)
    )
    d_pooled = segments.backward(d_pooled, state.share, batch)
    return pooling.backward(
        k, work, d_pooled, state.winner, batch, config.pooling, config.hidden_size
    )

"""Weights of a network, their packed form, and their gradients."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.random import Streams
from fastlstm.core.workspace import aligned_zeros
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import attention, dense, embedding, lstm

NO_PARENTS = np.zeros(0, dtype=np.int32)


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
        self._blocks = {}
        self._places = {}
        first = 0
        for name, shape in shapes.items():
            last = first + math.prod(shape)
            self.named[name] = flat[first:last].reshape(shape)
            # In storage order: the weights below a prefix are one run of ``flat``.
            prefix, _, own = name.rpartition(".")
            self._blocks.setdefault(prefix, {})[own] = self.named[name]
            begin = self._places[prefix].start if prefix in self._places else first
            self._places[prefix] = slice(begin, last)
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

    def block(self, name: str) -> dict[str, np.ndarray]:
        """The weights of a block, a name of ``weight_blocks``, by their last name."""
        return self._blocks[name]

    def where(self, block: str) -> slice:
        """Where the weights of a block, a name of ``weight_blocks``, lie in ``flat``."""
        return self._places[block]

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> array of every weight, the embedding included; views."""
        return {"embedding": self.embedding, **self.named}

    def copy(self, embedding_table=None) -> Parameters:
        """A copy, with ``embedding_table`` where a copy of the embedding is at hand."""
        shapes = {name: w.shape for name, w in self.named.items()}
        table = self.embedding.copy() if embedding_table is None else embedding_table
        return Parameters(table, self.flat.copy(), shapes, self.parents)

    def __reduce__(self):
        return Parameters.from_arrays, (self.arrays(), self.parents)


def init_parameters(
    config: ModelConfig, streams: Streams, dtype=np.float32, parents=NO_PARENTS, forget_bias=1.0
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
            hidden = config.hidden_size
            fresh = lstm.init(rng, n_inputs, hidden, dtype, config.n_gates, forget_bias)
            for key, value in fresh.items():
                parameters.named[f"{prefix}.{key}"][:] = value
    head = dense.init(rng, config.pooled_width, config.n_outputs, dtype)
    # What stands beside the text begins with no say.
    parameters.named["dense.w"][: config.pooled_width] = head["w"]
    return parameters


class PackedModel(NamedTuple):
    """Weights in the backend's layout: directions of each layer, and what stands above them."""

    layers: list[list[lstm.PackedDirection]]
    dense: dense.PackedDense
    attention: attention.PackedAttention | None = None

    def block(self, name: str) -> Any:
        """The packed form of a block, a name of ``weight_blocks``."""
        if name in ("dense", "attention"):
            return getattr(self, name)
        _, layer, direction = name.split(".")
        return self.layers[int(layer)][lstm.DIRECTIONS.index(direction)]


def pack_model(
    k: Kernels, config: ModelConfig, parameters: Parameters, precision="float32", training=False
) -> PackedModel:
    """Pack all dense weights; products with the LSTM's will have that precision.

    Training on a CPU with AMX tiles multiplies float32 another way than prediction
    (``src_ext/split_floats.inc``), with results that differ by rounding alone.
    """
    layers = [
        [
            lstm.pack(k, parameters.block(f"lstm.{layer}.{direction}"), None, precision, training)
            for direction in lstm.DIRECTIONS[: config.n_directions]
        ]
        for layer in range(config.num_layers)
    ]
    above = dense.pack(k, parameters.block("dense"))
    if not config.has_attention:
        return PackedModel(layers, above)
    return PackedModel(layers, above, attention.pack(parameters.block("attention")))


def repack(k: Kernels, packed: PackedModel, parameters: Parameters, block: str) -> None:
    """Pack the weights of one block, a name of ``weight_blocks``, anew."""
    weights, into = parameters.block(block), packed.block(block)
    if block == "attention":
        attention.pack(weights, into)
    elif block == "dense":
        dense.pack(k, weights, into)
    else:
        lstm.pack(k, weights, into)


def weight_blocks(config: ModelConfig) -> list[str]:
    """Prefixes of the dense weights: directions of the layers, dense layer, attention."""
    directions = lstm.DIRECTIONS[: config.n_directions]
    blocks = [f"lstm.{layer}.{d}" for layer in range(config.num_layers) for d in directions]
    return [*blocks, "dense", *(["attention"] if config.has_attention else [])]


class DenseGradients:
    """Gradients of all weights but the embedding, that shards add to one after the other.

    Rows are padded as the kernels want them; ``training/blocks.py`` takes the padding off.

    Attributes
    ----------
    layers : list of lists of DirectionGradient
    dense : DenseGradient
    attention : AttentionGradient or None
    blocks : list of DirectionGradient and, behind them, those
        In the order of ``weight_blocks``.
    """

    def __init__(self, k: Kernels, config: ModelConfig, dtype):
        shapes = config.dense_shapes()
        self.layers = [
            [
                lstm.zero_gradient(
                    k,
                    shapes[f"lstm.{layer}.{direction}.w_x"][0],
                    config.hidden_size,
                    dtype,
                    config.n_gates,
                )  # fmt: skip
                for direction in lstm.DIRECTIONS[: config.n_directions]
            ]
            for layer in range(config.num_layers)
        ]
        self.dense = dense.zero_gradient(k, config.head_width, config.n_outputs, dtype)
        self.attention = None
        if config.has_attention:
            self.attention = attention.zero_gradient(config.output_width, dtype)
        above = [block for block in (self.dense, self.attention) if block is not None]
        gradients: list[Any] = [*(d for layer in self.layers for d in layer), *above]
        self.blocks = gradients
        self._padded = [array for gradient in gradients for array in gradient]

    def clear(self) -> None:
        for array in self._padded:
            array.fill(0)

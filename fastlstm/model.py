"""The network: embedding -> LSTM stack -> pooling -> dense, forward and backward.

Everything here works on plain records. A shard's pass is a function of weights
and shard alone; summing over shards and updating weights happen in ``training``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from fastlstm.core.random import Streams
from fastlstm.core.records import TokenBatch, TokenSequences
from fastlstm.core.threads import COMPANION, ShardPool
from fastlstm.core.workspace import Workspace, aligned_empty, aligned_zeros
from fastlstm.data.batching import inference_chunks, pack
from fastlstm.kernels.contract import POOLING
from fastlstm.layers import dense, dropout, embedding, lstm, pooling, segments
from fastlstm.layers.embedding import EmbeddingGradient

POOLINGS = tuple(POOLING)

# Bounds of one inference chunk: enough rows to fill the multipliers, and tokens
# times gates that stay a few megabytes.
CHUNK_DOCUMENTS = 48
_CHUNK_TOKENS = 8192

# Tokens of a document, times the square of the hidden size, from which a second thread
# pays even where it sleeps deeply: waking it then takes some milliseconds.
_SIDE_BY_SIDE = 16_000_000

# Working memory, in bytes, that is kept for the next call; more is given back.
_SPARE_BYTES = 64 << 20

# Memory, in bytes, up to which a model keeps the projection of its whole vocabulary.
PROJECTED_BUDGET = 64 << 20

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
    looked_up: embedding.EmbeddingOutput
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
    caches = []
    for layer, directions in enumerate(packed.layers):
        if layer:
            rows = dropout.apply(k, work, f"lstm.{layer}.drop", caches[-1].out, config.dropout,
                                 _key(keys, layer))  # fmt: skip
            inputs = lstm.LayerInput(rows)
        caches.append(lstm.forward(k, work, f"lstm.{layer}", inputs, batch, directions))
    pooled, winner = pooling.forward(
        k, work, caches[-1].out, batch, config.pooling, config.hidden_size
    )
    pooled, share = segments.forward(pooled, batch, config.pooling, config.hidden_size)
    head_input = dropout.apply(
        k, work, "head.drop", pooled, config.dropout, _key(keys, config.num_layers)
    )
    logits = dense.forward(k, work, head_input, packed.dense)
    return logits, ForwardState(batch, looked_up, caches, winner, share, head_input, keys)


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
    keys, batch = state.keys, state.batch
    d_pooled = dense.backward(k, work, state.head_input, d_logits, packed.dense, gradients.dense)
    d_pooled = dropout.apply(
        k, work, "head.d_drop", d_pooled, config.dropout, _key(keys, config.num_layers)
    )
    d_pooled = segments.backward(d_pooled, state.share, batch)
    d_out = pooling.backward(
        k, work, d_pooled, state.winner, batch, config.pooling, config.hidden_size
    )
    for layer in reversed(range(config.num_layers)):
        d_out, _ = lstm.backward(
            k, work, f"lstm.{layer}", state.caches[layer], d_out, batch, packed.layers[layer],
            gradients.layers[layer],
        )  # fmt: skip
        if layer:
            d_out = dropout.apply(
                k, work, f"lstm.{layer}.d_drop", d_out, config.dropout, _key(keys, layer)
            )
    return embedding.backward(
        k, work, state.looked_up, d_out, config.embedding_dropout, _key(keys, 0)
    )


def infer(
    k, work: Workspace, config, table, packed: PackedModel, batch, projected=None, beside=None
):
    """Logits of one packed batch, keeping nothing for a backward pass.

    Parameters
    ----------
    projected : list of float arrays, or None
        What ``project_vocabulary`` gave.
    beside : callable or None
        ``beside(calls, cancel)`` makes calls on two threads, or returns False; see
        ``Companion.run``. It serves documents too few to be shared out: directions
        run side by side, and a layer runs behind the one below it.

    Returns
    -------
    logits : float array, shape (len(batch.rows), n_outputs)
        The numbers that ``forward`` gives.
    """
    if projected is None:
        looked_up = embedding.forward(k, work, table, batch.ids)
        inputs = lstm.LayerInput(looked_up.vectors, looked_up.inverse)
    else:
        inputs = lstm.LayerInput(table.rows, batch.ids)
    if beside is None or (len(packed.layers) == 1 and not config.bidirectional):
        for layer, directions in enumerate(packed.layers):
            out = lstm.infer(k, work, f"lstm.{layer}", inputs, batch, directions, projected)
            inputs, projected = lstm.LayerInput(out), None
    else:
        out = _infer_side_by_side(k, work, packed, inputs, batch, projected, beside)
    pooled, _ = pooling.forward(k, work, out, batch, config.pooling, config.hidden_size)
    pooled, _ = segments.forward(pooled, batch, config.pooling, config.hidden_size)
    return dense.forward(k, work, pooled, packed.dense)


def _infer_side_by_side(k, work, packed, inputs, batch, projected, beside):
    """The last layer's output; two sweeps at a time."""
    layers = list(enumerate(packed.layers))
    if len(packed.layers[0]) == 2:
        for layer, directions in layers:
            sweeps, out = lstm.inference_sweeps(
                k, work, f"lstm.{layer}", inputs, batch, directions, projected
            )
            if not beside(sweeps):
                _one_after_the_other(sweeps)
            inputs, projected = lstm.LayerInput(out), None
        return out
    counters = [np.zeros(1, dtype=np.int64) for _ in layers]
    sweeps = []
    for layer, directions in layers:
        below = {"ready": counters[layer - 1]} if layer else {}
        found, out = lstm.inference_sweeps(
            k, work, f"lstm.{layer}", inputs, batch, directions, projected,
            done=counters[layer], **below,
        )  # fmt: skip
        sweeps += found
        inputs, projected = lstm.LayerInput(out), None

    def wait_no_longer():
        for counter in counters:
            counter[0] = np.iinfo(np.int64).max

    if not beside(sweeps, wait_no_longer):
        _one_after_the_other(sweeps)
    return out


def _one_after_the_other(sweeps):
    for sweep in sweeps:
        sweep()


def project_vocabulary(k, config: ModelConfig, table, packed: PackedModel):
    """The first layer's input projection of every id, one array a direction."""
    vectors = embedding.all_vectors(table)
    work = Workspace(vectors.dtype)
    return [
        lstm.project_into(
            k, work, vectors, direction,
            aligned_empty((len(vectors), len(direction.b)), vectors.dtype),
        )
        for direction in packed.layers[0]
    ]  # fmt: skip


def predict_logits(
    k, config: ModelConfig, parameters: Parameters, packed: PackedModel,
    sequences: TokenSequences, run: Callable = map, projected=None, spare=None, beside=None,
) -> np.ndarray:  # fmt: skip
    """Logits of many documents; empty ones get NaN for the caller to fill.

    Parameters
    ----------
    sequences : TokenSequences
    run : callable
        ``map``, or one that spreads the calls over threads.
    projected : list of float arrays, or None
        What ``project_vocabulary`` gave.
    spare : list of Workspace, or None
        Working memory that is kept between calls.
    beside : callable or None
        As in ``infer``, for documents that are one chunk.

    Returns
    -------
    logits : float array, shape (n_documents, n_outputs)
        A document's row does not depend on the other documents.
    """
    dtype = parameters.flat.dtype
    logits = np.full((sequences.n_documents, config.n_outputs), np.nan, dtype=dtype)
    spare = [] if spare is None else spare

    def work_on(rows):
        try:
            work = spare.pop()
        except IndexError:  # every workspace is in use by another thread
            work = Workspace(dtype)
        batch = pack(k, sequences, rows, config.segment_length)
        logits[batch.rows] = infer(
            k, work, config, parameters.table, packed, batch, projected, beside
        )
        if work.n_bytes <= _SPARE_BYTES:
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
    precision : {"float32", "bfloat16"}
        Of the LSTM's matrix products.
    """

    def __init__(self, k, config: ModelConfig, parameters: Parameters, precision="float32"):
        self.k = k
        self.config = config
        self.parameters = parameters
        self.packed = pack_model(k, config, parameters, precision)
        self._projected = None
        self._tokens_read = 0
        self._spare = []

    def _projected_vocabulary(self, n_tokens: int):
        """The projection of all tokens, once it has paid to compute it, or None.

        It is kept where it fits ``PROJECTED_BUDGET``, from the call on before which
        the model had read as many tokens as it knows.
        """
        rows = self.config.vocabulary_size
        widths = sum(len(direction.b) for direction in self.packed.layers[0])
        n_bytes = rows * widths * self.parameters.flat.itemsize
        if self._projected is None and self._tokens_read >= rows and n_bytes <= PROJECTED_BUDGET:
            self._projected = project_vocabulary(
                self.k, self.config, self.parameters.table, self.packed
            )
        self._tokens_read += n_tokens
        return self._projected

    def logits(self, sequences: TokenSequences, prior: np.ndarray, n_threads=1) -> np.ndarray:
        """Logits of documents; empty ones get those of the class prior.

        Parameters
        ----------
        sequences : TokenSequences
        prior : float array, shape (n_classes,)
            Probabilities for documents without a token.
        n_threads : int
            Threads at most; more of them than one where that is faster.

        Returns
        -------
        logits : float array, shape (n_documents, n_outputs)
        """
        largest = int(sequences.ids.max(initial=0))
        if largest >= self.config.vocabulary_size:  # a kernel would read beyond the table
            raise ValueError(
                f"token id {largest} is not below vocabulary_size={self.config.vocabulary_size}."
            )
        projected = self._projected_vocabulary(len(sequences.ids))
        beside = self._beside(sequences) if n_threads > 1 else None
        # Starting a thread for a single chunk of work would not pay.
        several = sequences.n_documents > CHUNK_DOCUMENTS or len(sequences.ids) > _CHUNK_TOKENS
        with ShardPool(n_threads if several else 1, self.k) as pool:
            logits = predict_logits(
                self.k, self.config, self.parameters, self.packed, sequences, pool.map,
                projected, self._spare, beside,
            )  # fmt: skip
        logits[sequences.lengths == 0] = prior_logits(prior)
        return logits

    def _beside(self, sequences: TokenSequences):
        """How to run two sweeps of one document at the same time, if that pays, or None."""
        work = len(sequences.ids) * self.config.hidden_size**2
        pays = sequences.n_documents == 1 and work >= _SIDE_BY_SIDE
        return partial(COMPANION.run, self.k) if pays else None


def prior_logits(prior) -> np.ndarray:
    """Logits whose probabilities are ``prior``: one log-odds, or one log a class."""
    logs = np.log(np.maximum(prior, 1e-12))
    return logs[1:] - logs[:1] if len(logs) == 2 else logs

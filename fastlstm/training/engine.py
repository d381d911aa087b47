"""Minibatch gradients from shards.

The number of threads changes who computes a shard, never what is computed: shards
are cut by the minibatch alone and summed in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import Workspace, WorkspacePool
from fastlstm.data.batching import ACCUMULATORS, pack, split_shards
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import backward, forward, n_dropout_keys
from fastlstm.network.layers import embedding
from fastlstm.network.losses import class_of, loss_for, predicted_class
from fastlstm.network.parameters import DenseGradients, Parameters, weight_blocks


class LabelledSequences(NamedTuple):
    """Documents with what they should be classified as.

    Attributes
    ----------
    sequences : TokenSequences
    y : int64 array, shape (n_documents,), or float64 array
        Class indices, or probabilities as the losses take them.
    weight : float64 array, shape (n_documents,)
    """

    sequences: TokenSequences
    y: np.ndarray
    weight: np.ndarray

    def take(self, rows) -> LabelledSequences:
        """The documents ``rows``."""
        return LabelledSequences(self.sequences.take(rows), self.y[rows], self.weight[rows])

    @classmethod
    def join(cls, parts: list[LabelledSequences]) -> LabelledSequences:
        """The documents of all parts; their targets are of one kind."""
        sequences, y, weight = zip(*parts, strict=True)
        return cls(TokenSequences.join(list(sequences)), np.concatenate(y), np.concatenate(weight))


def pool_for(k: Kernels, data: LabelledSequences, n_threads: int) -> ShardPool:
    """Threads to train on documents: one where even all of them are a single shard."""
    rows = np.arange(len(data.y))
    several = len(split_shards(data.sequences.lengths_of(rows), rows)) > 1
    return ShardPool(n_threads if several else 1, k)


class MinibatchResult(NamedTuple):
    """Loss of a minibatch, its gradients, and how much was right.

    Attributes
    ----------
    loss : float
        Sum of weighted losses over the number of documents and the mean weight.
    dense : Parameters
    embedding : EmbeddingGradient
    squared_norm : float
        Of all gradients together.
    correct : float
        Weighted share of documents classified right, normalised as the loss is.
    n_tokens : int
    """

    loss: float
    dense: Parameters
    embedding: embedding.EmbeddingGradient
    squared_norm: float
    correct: float
    n_tokens: int


class _ShardResult(NamedTuple):
    embedding: embedding.EmbeddingGradient
    loss: float
    correct: float
    n_tokens: int


class GradientEngine:
    """Loss and gradients of minibatches, with memory that is kept between them.

    Parameters
    ----------
    k : Kernels
    config : ModelConfig
    pool : ShardPool
        May be another one later.
    dtype : dtype
    most_bytes : int or None
        Memory of a thread beyond it is given back after each minibatch.
    """

    def __init__(
        self, k: Kernels, config: ModelConfig, pool: ShardPool, dtype=np.float32,
        most_bytes: int | None = None,
    ):  # fmt: skip
        self.k = k
        self.config = config
        self.pool = pool
        self.dtype = dtype
        self.loss = loss_for(config.n_outputs)
        self.gradient = Parameters.zeros(config, dtype)
        self.weight_blocks = weight_blocks(config)
        self._merge = Workspace(dtype)
        self._accumulators: list[DenseGradients] = []
        self._workspaces = WorkspacePool(dtype, most_bytes)
        self._weight: np.ndarray | None = None  # of the data set, which epochs share
        self._mean_weight = 1.0

    def __call__(self, parameters, packed, data: LabelledSequences, rows, rng):
        """One minibatch.

        Parameters
        ----------
        parameters : Parameters
        packed : PackedModel
            ``parameters`` in the backend's layout.
        data : LabelledSequences
        rows : int64 array
            The minibatch's documents, none empty.
        rng : numpy.random.Generator or None
            Source of dropout masks; None trains without dropout.

        Returns
        -------
        MinibatchResult
            Its gradients are valid until the next call.
        """
        shards = split_shards(data.sequences.lengths_of(rows), rows)
        n_accumulators = min(ACCUMULATORS, len(shards))
        while len(self._accumulators) < n_accumulators:
            self._accumulators.append(DenseGradients(self.k, self.config, self.dtype))
        # The mean over all documents, not over the minibatch: a weight must count in
        # a minibatch of one, too.
        if data.weight is not self._weight:
            self._weight, self._mean_weight = data.weight, float(data.weight.mean())
        total = len(rows) * self._mean_weight or 1.0
        keys = [None] * len(shards)
        if rng is not None and (self.config.dropout or self.config.embedding_dropout):
            shape = (len(shards), n_dropout_keys(self.config))
            keys = list(rng.integers(0, 2**32, size=shape))
        results: dict[int, _ShardResult] = {}

        def sweep(number):
            gradients = self._accumulators[number]
            gradients.clear()
            with self._workspaces.borrow() as work:
                for shard in range(number, len(shards), n_accumulators):
                    results[shard] = self._shard(
                        parameters, packed, data, shards[shard], total, keys[shard], gradients,
                        work,
                    )  # fmt: skip

        self.pool.map(sweep, range(n_accumulators))
        done = [results[shard] for shard in range(len(shards))]
        merged, norm = self._reduce(done, n_accumulators)
        return MinibatchResult(
            sum(shard.loss for shard in done),
            self.gradient,
            merged,
            norm,
            sum(shard.correct for shard in done),
            sum(shard.n_tokens for shard in done),
        )

    def _shard(self, parameters, packed, data, rows, total, keys, gradients, work):
        k, config = self.k, self.config
        batch = pack(k, data.sequences, rows, config.segment_length)
        y, weight = data.y[batch.rows], data.weight[batch.rows] / total
        # Training that explodes is noticed and reported by the loop.
        with np.errstate(over="ignore", invalid="ignore"):
            logits, state = forward(k, work, config, parameters.table, packed, batch, keys)
            loss, d_logits = self.loss(logits, y, weight)
            gradient = backward(k, work, config, packed, state, d_logits, gradients).embedding
        correct = float((weight * (predicted_class(logits) == class_of(y))).sum())
        # The workspace serves the next shard.
        gradient = embedding.EmbeddingGradient(gradient.ids.copy(), gradient.values.copy())
        return _ShardResult(gradient, loss, correct, batch.n_tokens)

    def _reduce(self, done, n_accumulators):
        """Sum accumulators and shards in their order; the squared norm of the sums."""
        merged = None

        def reduce(block):
            nonlocal merged
            if block is None:
                merged = embedding.merge(
                    self.k, self._merge, [shard.embedding for shard in done],
                    self.config.vocabulary_size,
                )  # fmt: skip
                return self.k.squared_norm(merged.values.reshape(-1))
            with np.errstate(over="ignore", invalid="ignore"):
                for number, sums in enumerate(self._accumulators[:n_accumulators]):
                    sums.add_to(self.gradient, block, accumulate=number > 0)
            return self.k.squared_norm(self.gradient.flat[self.gradient.where(block)])

        norms = self.pool.map(reduce, [None, *self.weight_blocks])
        return merged, float(sum(norms))

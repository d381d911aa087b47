"""Minibatch gradients from shards.

The number of threads changes who computes a shard, never what is computed: shards
are cut by the minibatch alone and summed in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.threads import ShardPool
from fastlstm.data.batching import ACCUMULATORS, split_shards
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import n_dropout_keys
from fastlstm.network.layers import embedding
from fastlstm.network.parameters import Parameters, weight_blocks
from fastlstm.training.blocks import DenseSums, RowSums
from fastlstm.training.lanes import LabelledSequences, Lane, LaneResult, Minibatch, lanes_of


def pool_for(k: Kernels, data: LabelledSequences, n_threads: int, n_networks: int = 1) -> ShardPool:
    """Threads to train networks side by side: no more than these and their lanes employ.

    A network has one lane where even all documents are a single shard.
    """
    rows = np.arange(data.sequences.n_documents)
    several = len(split_shards(data.sequences.lengths_of(rows), rows)) > 1
    return ShardPool(min(n_threads, n_networks * (ACCUMULATORS if several else 1)), k)


class MinibatchResult(NamedTuple):
    """Loss of a minibatch, its gradients, and how much was right.

    Attributes
    ----------
    loss : float
        Sum of weighted losses over the number of labels and the mean weight.
    dense : Parameters
    embedding : EmbeddingGradient
    squared_norm : float
        Of all gradients together.
    correct : float
        Weighted share of labels that were found, normalised as the loss is.
    n_tokens : int
    """

    loss: float
    dense: Parameters
    embedding: embedding.EmbeddingGradient
    squared_norm: float
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

    Attributes
    ----------
    recompute : bool or "auto"
        See ``recompute.is_worth_it``; may be another one later.
    """

    def __init__(
        self, k: Kernels, config: ModelConfig, pool: ShardPool, dtype=np.float32,
        most_bytes: int | None = None,
    ):  # fmt: skip
        self.k = k
        self.config = config
        self.pool = pool
        self.dtype = dtype
        self.recompute: bool | str = "auto"
        self._dense = DenseSums(k, config, dtype)
        self.gradient = self._dense.total
        self.weight_blocks = weight_blocks(config)
        self._rows = RowSums(k, dtype)
        self._lanes: list[Lane] = []
        self._make_lane = lanes_of(k, config, dtype, most_bytes)
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
        n_lanes = min(ACCUMULATORS, len(shards))
        while len(self._lanes) < n_lanes:
            self._add_lane()
        # The mean over all labels, not over the minibatch: a weight must count in
        # a minibatch of one, too.
        if data.weight is not self._weight:
            self._weight, self._mean_weight = data.weight, float(data.weight.mean())
        total = data.n_labels(rows) * self._mean_weight
        batch = Minibatch(parameters, packed, data, total or 1.0, self.recompute)
        keys = None
        drops = self.config.dropout or self.config.embedding_dropout or self.config.side_dropout
        if rng is not None and drops:
            shape = (len(shards), n_dropout_keys(self.config))
            keys = rng.integers(0, 2**32, size=shape)

        def run(number):
            own = slice(number, None, n_lanes)
            return self._lanes[number](batch, shards[own], None if keys is None else keys[own])

        done = self.pool.map(run, range(n_lanes))
        merged, norm = self._reduce(done, len(shards), parameters.embedding)
        return MinibatchResult(
            sum(lane.loss for lane in done),
            self.gradient,
            merged,
            norm,
            sum(lane.correct for lane in done),
            sum(lane.n_tokens for lane in done),
        )

    def _add_lane(self) -> None:
        lane = self._make_lane()
        self._dense.add_lane(lane.gradients)
        self._lanes.append(lane)

    def _reduce(self, done: list[LaneResult], n_shards: int, table: np.ndarray):
        """Sum lanes, and shards in their order; the squared norm of the sums."""
        of_table: Callable[[], Any] = partial(self._rows, done, n_shards, table)
        calls = [of_table, *self._dense.calls(len(done))]
        (merged, norm), *norms = self.pool.run(calls)
        return merged, float(sum([norm, *norms]))

"""Minibatch gradients from shards.

The number of threads changes who computes a shard, never what is computed: shards
are cut by the minibatch alone and summed in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.threads import BLAS_ON_ONE_THREAD, ShardPool
from fastlstm.core.workspace import WorkspacePool
from fastlstm.data.batching import ACCUMULATORS, pack, split_shards
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import n_dropout_keys
from fastlstm.network.layers import embedding
from fastlstm.network.norms import squared_norms
from fastlstm.network.parameters import Parameters, weight_blocks
from fastlstm.training.blocks import DenseSums, RowSums
from fastlstm.training.lanes import (
    LabelledSequences,
    Lane,
    LaneResult,
    Minibatch,
    WalkedLane,
    lanes_of,
)


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


class Shards(NamedTuple):
    """A minibatch in parts.

    Attributes
    ----------
    rows : list of int64 arrays
        Documents of each shard.
    keys : int64 array, shape (n_shards, n_dropout_keys), or None
    """

    rows: list[np.ndarray]
    keys: np.ndarray | None


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
    trains_table : bool
        Whether the embedding has a gradient; may be another one later.
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
        self.trains_table = True
        self._dense = DenseSums(k, config, dtype)
        self.gradient = self._dense.total
        self.weight_blocks = weight_blocks(config)
        self._rows = RowSums(k, dtype)
        self._lanes: list[Lane] = []
        self._work = WorkspacePool(dtype, most_bytes)
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
        # The mean over all labels, not over the minibatch: a weight must count in
        # a minibatch of one, too.
        if data.weight is not self._weight:
            self._weight, self._mean_weight = data.weight, float(data.weight.mean())
        total = data.n_labels(rows) * self._mean_weight
        batch = Minibatch(parameters, packed, data, total or 1.0, self.recompute)
        return self.add_up(batch, self.cut(data, rows, rng))

    def cut(self, data: LabelledSequences, rows, rng) -> Shards:
        """The shards of a minibatch, which a pass over it walks."""
        shards = split_shards(data.sequences.lengths_of(rows), rows)
        keys = None
        drops = self.config.dropout or self.config.embedding_dropout or self.config.side_dropout
        if rng is not None and drops:
            shape = (len(shards), n_dropout_keys(self.config))
            keys = rng.integers(0, 2**32, size=shape)
        return Shards(shards, keys)

    def norms(self, batch: Minibatch, cut: Shards) -> list[np.ndarray]:
        """The norm of each document's own gradient, float64, of each shard in its order.

        Of a document that counts as ``batch`` says. Nothing is dropped.
        """
        with BLAS_ON_ONE_THREAD:
            return self.pool.map(partial(self._norms_of, batch), cut.rows)

    def _norms_of(self, batch: Minibatch, rows: np.ndarray) -> np.ndarray:
        k, config, data = self.k, self.config, batch.data
        if batch.again(config, rows):
            return np.array([self._norm_of_one(batch, rows, row) for row in rows])
        packed = pack(k, data.sequences, rows, config.cut_length, config.by_step)
        labels = packed.places if config.by_step else packed.rows
        with self._work.borrow() as work, np.errstate(over="ignore", invalid="ignore"):
            squares = squared_norms(
                k, work, config, batch.parameters.table, batch.packed, packed, data.y[labels],
                data.weight[labels] / batch.total, self.trains_table,
            )  # fmt: skip
        place = np.argsort(packed.rows, kind="stable")
        found: np.ndarray = np.sqrt(squares)[place[np.searchsorted(packed.rows[place], rows)]]
        return found

    def _norm_of_one(self, batch: Minibatch, rows: np.ndarray, row: int) -> float:
        """By the gradient itself, with states that are computed again: others weigh nothing."""
        data = batch.data
        own = data.sequences.places(np.array([row])) if data.by_step else row
        weight = np.zeros_like(data.weight)
        weight[own] = data.weight[own]
        lane = WalkedLane(self.k, self.config, self.dtype, self._work)
        alone = batch._replace(data=data._replace(weight=weight))
        done = lane(alone, [rows], None)
        dense = DenseSums(self.k, self.config, self.dtype)
        dense.add_lane(lane.gradients)
        square = sum(call() for call in dense.calls(1))
        if self.trains_table:
            square += sum(self.k.squared_norm(part.values.reshape(-1)) for part in done.found())
        return float(np.sqrt(square))

    def add_up(self, batch: Minibatch, cut: Shards) -> MinibatchResult:
        """Losses and gradients of all shards, as a call returns them."""
        shards = cut.rows
        n_lanes = min(ACCUMULATORS, len(shards))
        while len(self._lanes) < n_lanes:
            self._add_lane()

        def run(number):
            own = slice(number, None, n_lanes)
            keys = None if cut.keys is None else cut.keys[own]
            return self._lanes[number](batch, shards[own], keys)

        done = self.pool.map(run, range(n_lanes))
        merged, norm = self._reduce(done, len(shards), batch.parameters.embedding)
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
        if not self.trains_table:
            calls[0] = partial(_no_rows, table)
        (merged, norm), *norms = self.pool.run(calls)
        return merged, float(sum([norm, *norms]))


def _no_rows(table: np.ndarray) -> tuple[embedding.EmbeddingGradient, float]:
    """The gradient of a table that is not trained, and its squared norm."""
    return embedding.EmbeddingGradient(np.empty(0, np.int32), table[:0]), 0.0

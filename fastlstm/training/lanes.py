"""Lanes of a minibatch: shards whose gradients add to the same accumulator.

A backend may compute a lane in one call (``whole_lanes.LaneKernels``). For the others it is walked
here, one kernel after the other. Both make the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, cast

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import WorkspacePool
from fastlstm.data.batching import pack
from fastlstm.kernels import whole_lanes
from fastlstm.kernels.contract import Kernels
from fastlstm.kernels.whole_lanes import LaneKernels, TrainedNetwork
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import backward, forward
from fastlstm.network.layers.embedding import EmbeddingGradient
from fastlstm.network.losses import class_of, loss_for, predicted_class
from fastlstm.network.parameters import DenseGradients, PackedModel, Parameters
from fastlstm.network.recompute import is_worth_it

# Shards that the backend computes in one call: none runs so long that Ctrl-C feels ignored.
_SHARDS_AT_ONCE = 4


class LabelledSequences(NamedTuple):
    """Documents with what they should be classified as.

    Attributes
    ----------
    sequences : TokenSequences
    y : int64 array, shape (n_labels,), or float64 array
        Class indices, or probabilities as the losses take them, of each document.
    weight : float64 array, shape (n_labels,)
    by_step : bool
        Whether each token has a label, and not the document.
    """

    sequences: TokenSequences
    y: np.ndarray
    weight: np.ndarray
    by_step: bool = False

    def n_labels(self, rows: np.ndarray) -> int:
        """Labels of the documents ``rows``."""
        return int(self.sequences.lengths_of(rows).sum()) if self.by_step else len(rows)

    def take(self, rows) -> LabelledSequences:
        """The documents ``rows``."""
        labels = self.sequences.places(rows) if self.by_step else rows
        taken = self.sequences.take(rows)
        return LabelledSequences(taken, self.y[labels], self.weight[labels], self.by_step)

    @classmethod
    def join(cls, parts: list[LabelledSequences]) -> LabelledSequences:
        """The documents of all parts; their targets are of one kind."""
        sequences, y, weight, by_step = zip(*parts, strict=True)
        joined = TokenSequences.join(list(sequences))
        return cls(joined, np.concatenate(y), np.concatenate(weight), by_step[0])


class Minibatch(NamedTuple):
    """What all lanes of a minibatch read.

    Attributes
    ----------
    parameters : Parameters
    packed : PackedModel
    data : LabelledSequences
    total : float
        What weights are divided by.
    recompute : bool or "auto"
        See ``recompute.is_worth_it``.
    """

    parameters: Parameters
    packed: PackedModel
    data: LabelledSequences
    total: float
    recompute: bool | str = "auto"

    def again(self, config: ModelConfig, rows: np.ndarray) -> bool:
        """Whether the shard of these documents keeps few states."""
        n_tokens = int(self.data.sequences.lengths_of(rows).sum())
        itemsize = self.parameters.flat.dtype.itemsize
        return is_worth_it(config, n_tokens, itemsize, self.recompute)


class LaneResult(NamedTuple):
    """What a lane leaves beside the gradients of the dense weights.

    Attributes
    ----------
    found : callable
        ``found() -> list of EmbeddingGradient`` of each shard; valid until the lane's next
        minibatch.
    compiled : whole_lanes.Lane or None
        That of the backend which has found them.
    loss, correct : float
    n_tokens : int
    """

    loss: float
    correct: float
    n_tokens: int
    found: Callable[[], list[EmbeddingGradient]]
    compiled: whole_lanes.Lane | None = None


class Lane(Protocol):
    """One accumulator, and how to add to it."""

    gradients: DenseGradients

    def __call__(self, batch: Minibatch, shards: list[np.ndarray], keys) -> LaneResult:
        """Replace the accumulated gradients by those of the shards.

        Parameters
        ----------
        batch : Minibatch
        shards : list of int64 arrays
            Rows of the data set.
        keys : int64 array, shape (n_shards, n_dropout_keys), or None
        """


def lanes_of(k: Kernels, config: ModelConfig, dtype, most_bytes: int | None) -> Callable[[], Lane]:
    """Makes lanes of the kind that the backend can compute, which share their memory.

    What a thread has used beyond ``most_bytes`` is given back.
    """
    workspaces = WorkspacePool(dtype, most_bytes)
    if isinstance(k, LaneKernels):
        compiled, make = k, partial(k.LaneMemory, config)
        memories = WorkspacePool(dtype, most_bytes, make)
        return lambda: CompiledLane(compiled, config, dtype, memories, workspaces)
    return lambda: WalkedLane(k, config, dtype, workspaces)


class WalkedLane:
    """A lane by single kernels, see ``Lane``."""

    def __init__(
        self, k: Kernels, config: ModelConfig, dtype, workspaces: WorkspacePool,
        gradients: DenseGradients | None = None,
    ):  # fmt: skip
        self.k, self.config, self.workspaces = k, config, workspaces
        self.gradients = gradients or DenseGradients(k, config, dtype)
        self.loss = loss_for(config.n_outputs)

    def __call__(self, batch: Minibatch, shards: list[np.ndarray], keys) -> LaneResult:
        self.gradients.clear()
        with self.workspaces.borrow() as work:
            embeddings, *numbers = zip(
                *(
                    self._shard(work, batch, rows, None if keys is None else keys[number])
                    for number, rows in enumerate(shards)
                ),
                strict=True,
            )
        loss, correct, n_tokens = map(sum, numbers)
        return LaneResult(loss, correct, n_tokens, lambda: list(embeddings))

    def _shard(self, work, batch: Minibatch, rows, keys):
        k, config, data = self.k, self.config, batch.data
        again = batch.again(config, rows)
        packed = pack(k, data.sequences, rows, config.cut_length, config.by_step)
        labels = packed.places if config.by_step else packed.rows
        y, weight = data.y[labels], data.weight[labels] / batch.total
        # Training that explodes is noticed and reported by the loop.
        with np.errstate(over="ignore", invalid="ignore"):
            logits, state = forward(
                k, work, config, batch.parameters.table, batch.packed, packed, keys, again=again
            )
            loss, d_logits = self.loss(logits, y, weight)
            gradient = backward(
                k, work, config, batch.packed, state, d_logits, self.gradients
            ).embedding
        correct = float((weight * (predicted_class(logits) == class_of(y))).sum())
        assert gradient is not None, "training looks up its rows"
        # The workspace serves the next shard.
        gradient = EmbeddingGradient(gradient.ids.copy(), gradient.values.copy())
        return gradient, loss, correct, packed.n_tokens


class CompiledLane:
    """A lane in one call of the backend, see ``Lane``; one that keeps few states is walked."""

    def __init__(
        self, k: LaneKernels, config: ModelConfig, dtype, memories: WorkspacePool,
        workspaces: WorkspacePool | None = None,
    ):  # fmt: skip
        workspaces = workspaces or WorkspacePool(dtype)
        self.k, self.config, self.memories = k, config, memories
        self.gradients = DenseGradients(cast(Kernels, k), config, dtype)
        self._walked = WalkedLane(cast(Kernels, k), config, dtype, workspaces, self.gradients)
        self._lane = k.Lane(config, self.gradients.blocks)
        self._of: tuple[Parameters, PackedModel] | None = None
        self._network: TrainedNetwork | None = None

    def __call__(self, batch: Minibatch, shards: list[np.ndarray], keys) -> LaneResult:
        parameters, packed, data, total, _ = batch
        if any(batch.again(self.config, rows) for rows in shards):
            return self._walked(batch, shards, keys)
        if self._of is None or self._of[0] is not parameters or self._of[1] is not packed:
            self._network = self.k.TrainedNetwork(
                self.config, parameters.embedding, parameters.parents, packed
            )
            self._of = parameters, packed
        for first in range(0, len(shards), _SHARDS_AT_ONCE):
            part = slice(first, first + _SHARDS_AT_ONCE)
            rows = np.concatenate(shards[part])
            n_sequences = len(rows)
            if self.config.cut_length:
                lengths = data.sequences.lengths_of(rows)
                n_sequences = int((-(-lengths // self.config.cut_length)).sum())
            with self.memories.borrow() as memory:
                numbers = self._lane(
                    self._network, memory, data.sequences.ids, data.sequences.offsets, data.y,
                    data.weight, total, rows, np.cumsum([0, *map(len, shards[part])]),
                    None if keys is None else keys[part].astype(np.uint32), data.sequences.side,
                    data.sequences.features, n_sequences, first == 0,
                )  # fmt: skip
        return LaneResult(*numbers, self._found, self._lane)

    def _found(self) -> list[EmbeddingGradient]:
        return [EmbeddingGradient(*found) for found in self._lane.found()]

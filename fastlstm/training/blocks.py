"""Sums of gradients and steps of the optimiser, one block of dense weights after the other.

A backend may compute each in one call (``whole_lanes.LaneKernels``). For the others they are made
here of single kernels. Both make the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np

from fastlstm.core.workspace import Workspace
from fastlstm.kernels import whole_lanes
from fastlstm.kernels.contract import Kernels
from fastlstm.kernels.whole_lanes import LaneKernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import embedding
from fastlstm.network.parameters import DenseGradients, Parameters, weight_blocks
from fastlstm.training.lanes import LaneResult

_WHOLE = np.zeros(1, dtype=np.int32)


def block_of(k: Kernels, *arguments) -> whole_lanes.Block:
    """See ``whole_lanes.Block``, of the kind that the backend can compute."""
    return (k.Block if isinstance(k, LaneKernels) else partial(WalkedBlock, k))(*arguments)


class DenseSums:
    """Gradients of the dense weights that lanes add up to.

    Parameters
    ----------
    k : Kernels
    config : ModelConfig
    dtype : dtype

    Attributes
    ----------
    total : Parameters
        Without an embedding.
    """

    def __init__(self, k: Kernels, config: ModelConfig, dtype):
        self.total = Parameters.zeros(config, dtype)
        make = k.Sums if isinstance(k, LaneKernels) else partial(WalkedSums, k)
        self._sums: dict[str, whole_lanes.Sums] = {
            name: make(self.total.flat[self.total.where(name)]) for name in weight_blocks(config)
        }

    def add_lane(self, gradients: DenseGradients) -> None:
        """One more lane's accumulator, behind the others."""
        for (name, sums), padded in zip(self._sums.items(), gradients.blocks, strict=True):
            arrays, of_lane = self.total.block(name), padded._asdict()
            sums.add_lane(
                [of_lane[own] for own in arrays], [array.shape[-1] for array in arrays.values()]
            )

    def calls(self, n_lanes: int) -> list[Callable[[], float]]:
        """For each block: put the sum of the first lanes into ``total``; its squared norm."""
        return [partial(sums, n_lanes) for sums in self._sums.values()]


class WalkedSums:
    """See ``whole_lanes.Sums``."""

    def __init__(self, k: Kernels, sums: np.ndarray):
        self.k, self.sums = k, sums
        self._lanes: list[list[np.ndarray]] = []

    def add_lane(self, gradients: Sequence[np.ndarray], widths: Sequence[int]) -> None:
        pairs = zip(gradients, widths, strict=True)
        self._lanes.append([array[..., :width] for array, width in pairs])

    def __call__(self, n_lanes: int) -> float:
        first = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for array, *others in zip(*self._lanes[:n_lanes], strict=True):
                target = self.sums[first : first + array.size].reshape(array.shape)
                np.copyto(target, array)
                for other in others:
                    np.add(target, other, out=target)
                first += array.size
        return self.k.squared_norm(self.sums)


class WalkedBlock:
    """See ``whole_lanes.Block``."""

    def __init__(
        self, k: Kernels, optimizer: str, weights: np.ndarray, arrays: Sequence[np.ndarray],
        packed, gradient: np.ndarray, slots: Sequence[np.ndarray], average: np.ndarray | None,
    ):  # fmt: skip
        self.k = k
        whole = weights[None], _WHOLE
        self._step = partial(
            getattr(k, optimizer), *whole, gradient[None], *(slot[None] for slot in slots)
        )
        *matrices, self._bias = arrays
        self._packs = [
            partial(k.pack, matrix, turned, packed[2 * number + turned])
            for number, matrix in enumerate(matrices)
            for turned in (False, True)
        ]
        self._packed_bias = packed[2 * len(matrices)][: len(self._bias)]
        self._average = None if average is None else average[None]
        self._whole = whole

    def __call__(self, factors: Sequence[float], packs: bool, share: float) -> None:
        self._step(*factors)
        if packs:
            for pack in self._packs:
                pack()
            self._packed_bias[:] = self._bias
        if self._average is not None:
            weights, rows = self._whole
            shares = np.full(1, share, weights.dtype)
            self.k.average_rows(weights, rows, shares, self._average)


class RowSums:
    """The gradient of the table that the shards of a minibatch add up to.

    Parameters
    ----------
    k : Kernels
    dtype : dtype
    """

    def __init__(self, k: Kernels, dtype):
        self.k = k
        self._work = Workspace(dtype)
        self._merged: whole_lanes.MergedRows | None = None

    def __call__(
        self, done: list[LaneResult], n_shards: int, table: np.ndarray
    ) -> tuple[embedding.EmbeddingGradient, float]:
        """Each row of the table once, and the squared norm; valid until the next call.

        The table, which others may want to have for themselves, is not held.
        """
        lanes = [lane.compiled for lane in done if lane.compiled is not None]
        if n_shards > 1 and len(lanes) == len(done):
            if self._merged is None:
                self._merged = cast(LaneKernels, self.k).MergedRows(table)
            *found, norm = self._merged(lanes, n_shards)
            return embedding.EmbeddingGradient(*found), norm
        of_lanes = [lane.found() for lane in done]
        parts = [of_lanes[n % len(done)][n // len(done)] for n in range(n_shards)]
        merged = embedding.merge(self.k, self._work, parts, len(table))
        return merged, self.k.squared_norm(merged.values.reshape(-1))

"""A moving average of the weights, which often predicts better than the last ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastlstm.kernels.contract import Kernels
from fastlstm.network.parameters import Parameters

# Rows of the embedding that one task brings up to date.
_ROWS_AT_ONCE = 1024


class WeightAverage:
    """Exponential moving average: share ``decay`` of the old value stays at each step.

    At first less of it stays, so that the average forgets where training began
    (docs/explanation/maths.md, eq. (111)), as in TensorFlow's ``ExponentialMovingAverage``.

    A row of the embedding that does not change is approached by the product of the steps'
    shares, so its average need not move before it does: a step costs what it changes.

    Parameters
    ----------
    k : Kernels
    parameters : Parameters
        Where it begins.
    decay : float

    Attributes
    ----------
    parameters : Parameters
        The average. That of the embedding is true after ``finish``.
    """

    def __init__(self, k: Kernels, parameters: Parameters, decay: float):
        self.k = k
        self.decay = decay
        self.parameters = parameters.copy()
        self._step = 0
        # The logarithm of what stays of the beginning, now and when a row was last moved.
        self._kept = 0.0
        self._kept_then = np.zeros(len(parameters.embedding))

    def before(self, parameters: Parameters, rows: np.ndarray) -> None:
        """These rows of the embedding are about to change, in the next step."""
        share = -np.expm1(self._kept - self._kept_then[rows])
        table = parameters.embedding
        self.k.average_rows(table, rows, share.astype(table.dtype), self.parameters.embedding)
        self._kept_then[rows] = self._kept

    @property
    def share(self) -> float:
        """Of the way to the dense weights that their average goes after the next step."""
        return 1 - self._keeps(self._step + 1)

    def _keeps(self, step: int) -> float:
        return min(self.decay, (1 + step) / (10 + step))

    def count(self) -> None:
        """Take note of a step, after which the dense weights' average has moved."""
        self._step += 1
        self._kept += math.log(self._keeps(self._step))

    def finish(self, parameters: Parameters, run: Callable) -> None:
        """Bring the whole average up to date.

        Parameters
        ----------
        parameters : Parameters
            The weights after the last step.
        run : callable
            ``map``, or one that spreads the calls over threads.
        """
        rows = np.flatnonzero(self._kept_then != self._kept).astype(np.int32)
        parts = [rows[at : at + _ROWS_AT_ONCE] for at in range(0, len(rows), _ROWS_AT_ONCE)]
        for _ in run(lambda part: self.before(parameters, part), parts):
            pass

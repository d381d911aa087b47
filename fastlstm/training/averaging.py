"""A moving average of the weights, which often predicts better than the last ones."""

from __future__ import annotations

import numpy as np

from fastlstm.network.parameters import Parameters

# Steps between two updates: the average moves little in them, and reads every weight.
_EVERY = 8

# Numbers that are averaged at once, few enough for the cache.
_AT_ONCE = 1 << 16


class WeightAverage:
    """Exponential moving average: share ``decay`` of the old value stays at each step.

    At first less of it stays, so that the average forgets where training began
    (docs/explanation/maths.md, eq. (111)), as in TensorFlow's ``ExponentialMovingAverage``.

    Attributes
    ----------
    parameters : Parameters
        The average.
    """

    def __init__(self, parameters: Parameters, decay: float):
        self.decay = decay
        self.parameters = parameters.copy()
        self._step = 0
        self._kept = 1.0  # share of the old value that stays, since the last update

    def step(self, parameters: Parameters, run, last: bool = False) -> None:
        """Take note of a training step.

        Parameters
        ----------
        parameters : Parameters
            The weights after it.
        run : callable
            ``map``, or one that spreads the calls over threads.
        last : bool
            Bring the average up to date, whatever the number of the step.
        """
        self._step += 1
        self._kept *= min(self.decay, (1 + self._step) / (10 + self._step))
        if self._step % _EVERY and not last:
            return
        share = np.float32(1 - self._kept)
        self._kept = 1.0

        def update(pair):
            average, new = pair
            difference = new - average
            difference *= share
            average += difference

        pairs = [(self.parameters.flat, parameters.flat)]
        old, new = self.parameters.embedding.reshape(-1), parameters.embedding.reshape(-1)
        for first in range(0, len(old), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            pairs.append((old[part], new[part]))
        for _ in run(update, pairs):
            pass

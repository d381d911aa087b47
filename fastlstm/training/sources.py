"""Which documents a step of training reads, and what gradient it takes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fastlstm.core.options import Options
from fastlstm.data.batching import minibatches
from fastlstm.training.engine import GradientEngine, LabelledSequences, MinibatchResult


class Source(Protocol):
    """Steps of an epoch.

    Attributes
    ----------
    tells : bool
        Whether losses and what was found may stand in the history.
    """

    tells: bool

    def n_steps(self, train: LabelledSequences) -> int:
        """Of an epoch."""

    def batches(
        self, train: LabelledSequences, rng: np.random.Generator
    ) -> Sequence[np.ndarray]:  # fmt: skip
        """Rows of the documents of each step of an epoch."""

    def __call__(self, parameters, packed, data: LabelledSequences, rows, rng) -> MinibatchResult:
        """As a call of ``GradientEngine``."""


class Minibatches:
    """Each document once an epoch, in minibatches of similar length.

    Parameters
    ----------
    engine : GradientEngine
    options : Options
    """

    tells = True

    def __init__(self, engine: GradientEngine, options: Options) -> None:
        self._batch_size = int(options.batch_size)
        self._engine = engine

    def n_steps(self, train: LabelledSequences) -> int:
        return -(-int(np.sum(train.sequences.lengths > 0)) // self._batch_size)

    def batches(self, train: LabelledSequences, rng: np.random.Generator) -> list[np.ndarray]:
        return minibatches(train.sequences.lengths, self._batch_size, rng)

    def __call__(self, parameters, packed, data, rows, rng) -> MinibatchResult:
        return self._engine(parameters, packed, data, rows, rng)

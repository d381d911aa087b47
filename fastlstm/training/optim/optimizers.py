"""Optimisers: Adam, AdamW and SGD with momentum.

An optimiser has no hidden state. ``init(weights)`` makes the state of one 2-D table of
weights; ``update(k, table, rows, gradient, state, step, rate, scale)`` changes table and
state in place, by the kernel ``kernel`` with ``factors(step, rate, scale)``. The dense weights
are a table of one row; the embedding is a table of which only the rows seen in a minibatch are
given, so that unseen rows keep weights and moments (as in PyTorch's SparseAdam;
docs/explanation/maths.md, "Optimisation").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer(NamedTuple):
    """How weights move along their gradient.

    Attributes
    ----------
    init : callable
        ``init(table) -> state``
    kernel : str
        Name of the kernel that makes a step.
    factors : callable
        ``factors(step, rate, scale)``: what the kernel is given behind the arrays.
    """

    init: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    kernel: str
    factors: Callable[[int, float, float], tuple[float, ...]]

    def update(self, k, table, rows, gradient, state, step, rate, scale) -> None:
        """One step for ``rows`` of the table, in place."""
        make = getattr(k, self.kernel)
        make(table, rows, gradient, *state, *self.factors(step, rate, scale))


def _zeros(table: np.ndarray) -> np.ndarray:
    return np.zeros(table.shape, table.dtype)  # takes no memory before it is written to


def adam(weight_decay: float = 0.0) -> Optimizer:
    """Adam (Kingma & Ba 2015), with decoupled weight decay if it is not 0.

    Parameters
    ----------
    weight_decay : float
        Share of a weight, times the learning rate, taken off at each step
        (Loshchilov & Hutter 2019).
    """

    def init(table):
        return _zeros(table), _zeros(table)

    def factors(step, rate, scale):
        # Eqs. (81) to (84), on the rows of eq. (86) alone; the corrections are those of (82).
        corrections = 1.0 / (1.0 - BETA1**step), 1.0 / (1.0 - BETA2**step)
        return scale, rate, rate * weight_decay, BETA1, BETA2, *corrections, EPSILON

    return Optimizer(init, "adam_update", factors)


def sgd(momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    """Gradient descent with momentum (v = momentum v + gradient; w -= rate v)."""

    def init(table):
        return (_zeros(table),)

    def factors(step, rate, scale):
        return scale, rate, rate * weight_decay, momentum  # of eq. (85)

    return Optimizer(init, "sgd_update", factors)


OPTIMIZERS = {
    "adam": lambda momentum, weight_decay: adam(),
    "adamw": lambda momentum, weight_decay: adam(weight_decay),
    "sgd": sgd,
}


def make_optimizer(name: str, *, momentum: float, weight_decay: float) -> Optimizer:
    """The optimiser of that name, one of ``OPTIMIZERS``."""
    if name not in OPTIMIZERS:
        names = ", ".join(map(repr, OPTIMIZERS))
        raise ValueError(f"optimizer={name!r} is not known; use one of {names}.")
    return OPTIMIZERS[name](momentum, weight_decay)


def clip_factor(squared_norm: float, max_norm: float | None) -> float:
    """Factor that brings a gradient's global norm down to ``max_norm``, at most 1: eq. (80)."""
    if max_norm is None or not squared_norm > max_norm**2:
        return 1.0
    return max_norm / float(np.sqrt(squared_norm))

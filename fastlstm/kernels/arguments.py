"""Records of arrays that kernels take, see ``contract.Kernels``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Steps(NamedTuple):
    """How one direction walks a packed batch.

    Attributes
    ----------
    n_live, starts : int64 arrays, shape (n_steps,)
        Live rows of each step, and its first row.
    reverse : bool
        Walk from the last step to the first.
    column : int
        First column of this direction in arrays that hold all directions.
    """

    n_live: np.ndarray
    starts: np.ndarray
    reverse: bool
    column: int


class PackedDirection(NamedTuple):
    """Weights of one direction in the backend's layout; ``_t`` are the transposed ones.

    Those packed as int8 have no transposed ones: empty arrays of the same dimensions.

    ``b`` is a float array of shape (padded_width(4 * hidden),).
    """

    w_x: np.ndarray
    w_x_t: np.ndarray
    w_h: np.ndarray
    w_h_t: np.ndarray
    b: np.ndarray
    n_inputs: int
    hidden: int


class DirectionState(NamedTuple):
    """States before a direction's first step, float arrays of shape (n_documents, hidden).

    ``given`` is False where ``h`` is 0, so that its product can be left out.
    """

    h: np.ndarray
    c: np.ndarray
    given: bool


class StateGradient(NamedTuple):
    """Gradients of states: (n_documents, padded_width(hidden)) and (n_documents, hidden)."""

    h: np.ndarray
    c: np.ndarray


class DirectionGradient(NamedTuple):
    """Gradients of a direction's weights, rows padded to padded_width(4 * hidden)."""

    w_x: np.ndarray
    w_h: np.ndarray
    b: np.ndarray

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
    border : int
        No gradient of a state crosses from one step to another where steps of that number,
        or of a multiple of it, begin; 0 is nowhere.
    first : int
        Number of the first step, where the steps are a part of more.
    """

    n_live: np.ndarray
    starts: np.ndarray
    reverse: bool
    column: int
    border: int = 0
    first: int = 0


class PackedDirection(NamedTuple):
    """Weights of one direction in the backend's layout; ``_t`` are the transposed ones.

    Those packed as int8 have no transposed ones: empty arrays of the same dimensions.

    ``b`` is a float array of shape (padded_width(n_gates * hidden),). ``n_gates`` says which
    cell it is, see ``CELLS``.
    """

    w_x: np.ndarray
    w_x_t: np.ndarray
    w_h: np.ndarray
    w_h_t: np.ndarray
    b: np.ndarray
    n_inputs: int
    hidden: int
    n_gates: int = 4

    @property
    def n_columns(self) -> int:
        """Columns of the matrices: all gates."""
        return self.n_gates * self.hidden

    @property
    def cell_width(self) -> int:
        """Numbers of a state that are not in the output: those of an LSTM's cell."""
        return cell_width(self.n_gates, self.hidden)


# Cell -> blocks of ``hidden`` columns of its weights: the gates [i | f | g | o] of an LSTM, and
# the one sum of a plain RNN, whose tanh is the output.
CELLS = {"lstm": 4, "rnn": 1}


def cell_width(n_gates: int, hidden: int) -> int:
    """Numbers that a cell with so many gates hands on beside its output."""
    return hidden if n_gates == CELLS["lstm"] else 0


class DirectionState(NamedTuple):
    """States before a direction's first step.

    Float arrays of shape (n_documents, hidden) and (n_documents, cell_width). ``given`` is
    False where ``h`` is 0, so that its product can be left out.
    """

    h: np.ndarray
    c: np.ndarray
    given: bool


class StateGradient(NamedTuple):
    """Gradients of states: (n_documents, padded_width(hidden)) and (n_documents, cell_width)."""

    h: np.ndarray
    c: np.ndarray


class DirectionGradient(NamedTuple):
    """Gradients of a direction's weights, rows padded to padded_width(n_gates * hidden)."""

    w_x: np.ndarray
    w_h: np.ndarray
    b: np.ndarray

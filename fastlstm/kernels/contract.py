"""What a backend is: a module with these names, alike in signature and effect.

Conventions that hold for every kernel:

- serial, releases the GIL where it is compiled, starts no threads;
- results go to the arrays named last, which the caller allocates;
- arrays are C-contiguous; inputs are only read;
- float arrays of one call share one dtype, float32 or float64;
- token ids and row indices are int32, step and length arrays int64;
- packed time-major sequences, longest document first, no padding.

Four functions describe memory instead of computing. ``padded_width(n, dtype)`` is
the row length of an array that a product writes ``n`` columns into; the columns
beyond ``n`` hold no meaning. ``packed_dtype(dtype, precision, training)`` is the element
type of packed weights and of scratch memory, and decides the precision of products.
``packed_shape(k, n, dtype)`` is the shape of a (k, n) matrix after ``pack`` for such
a type, ``scratch_size(...)`` the length of the scratch memory and ``block_rows`` the
number of rows of a sweep's working memory.

Two serve the pool of threads (``core/threads.py``): ``wait_for_all`` waits for others
without the interpreter's lock, and ``take_turns`` says whether kernels should
keep threads from meeting at that lock.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KERNELS = (
    "padded_width",
    "packed_dtype",
    "packed_shape",
    "scratch_size",
    "block_rows",
    "pack",
    "matmul",
    "weight_gradient",
    "lstm_forward",
    "lstm_backward",
    "pack_tokens",
    "distinct_tokens",
    "gather_rows",
    "scatter_add_rows",
    "pool_forward",
    "pool_backward",
    "dropout",
    "squared_norm",
    "adam_update",
    "sgd_update",
    "skip_gram",
    "take_turns",
    "wait_for_all",
)

# Codes of the pooling kernels.
POOLING = {"last": 0, "mean": 1, "max": 2, "mean_max": 3}


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

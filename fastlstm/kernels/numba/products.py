"""What the sweeps need of matrix products, in one form for each precision.

These are names for compiled code. ``floats.py`` and ``bfloat16.py`` give them their
forms; Numba chooses by the element type of ``packed``, ``scratch`` or ``out``.
"""

from __future__ import annotations


def pack_matrix(w, transpose, out):
    """``w``, or ``w.T``, in the layout of a right-hand matrix."""
    raise NotImplementedError("for compiled callers")


def left_operand(x, x_at, x_row, n_rows, depth, packed, scratch, scratch_row):
    """Rows of ``x`` as ``product_rows`` reads them: (array, place, row length).

    Where they have to be converted, ``n_rows`` of them go to ``scratch``, from its row
    ``scratch_row`` on.
    """
    raise NotImplementedError("for compiled callers")


def product_rows(
    a, a_at, a_row, n_rows, packed, columns, init, init_at, init_row, out, out_at, out_row
):  # fmt: skip
    """Rows of a product at given places.

    Row ``i`` of the result, ``init row i + a row i @ packed``, goes to
    ``out.flat[out_at + i * out_row:]``; an ``init_row`` of 0 repeats one row.
    """
    raise NotImplementedError("for compiled callers")


def add_gradient(
    x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
    scratch, scratch_at, d_x_weights, d_h_weights, d_bias,
):  # fmt: skip
    """Add ``x.T @ d``, ``h.T @ d`` and the column sums of ``d`` over ``count`` tokens."""
    raise NotImplementedError("for compiled callers")

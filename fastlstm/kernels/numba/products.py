"""Products in float32 and float64, built from the micro-kernel, and which form a product has.

A right-hand matrix is packed into panels of ``MICRO_VECTORS`` vectors, which the micro-kernel
reads as one contiguous stream. The left-hand matrix is read in place. Each output element is
one chain of fused multiply-adds in the order of the summed index, whatever the number of
rows: a document's numbers do not depend on its neighbours.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import overload

from fastlstm.kernels.layout import GRADIENT_BLOCK, ROWS_AT_ONCE
from fastlstm.kernels.numba.handover import kernel
from fastlstm.kernels.numba.host import MICRO_ROWS, MICRO_VECTORS, VECTOR_BYTES
from fastlstm.kernels.numba.integers import multiply_integers, pack_integers
from fastlstm.kernels.numba.jit import OPTIONS, in_order, part_of_kernels
from fastlstm.kernels.numba.micro_kernel import multiply_columns, multiply_rows, pack_panel


def multiply(
    a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
    out, out_at, out_row,
):  # fmt: skip
    """Rows of a product at given places.

    Row ``i`` of the result, ``init row i + a row i @ packed``, goes to
    ``out.flat[out_at + i * out_row:]``; an ``init_row`` of 0 repeats one row. The type of
    ``packed``, which is that of ``scratch``, decides how it is made.
    """
    raise NotImplementedError  # compiled code takes one of the two below


@overload(multiply, jit_options=OPTIONS)
def _multiply(
    a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
    out, out_at, out_row,
):  # fmt: skip
    def floats(
        a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
        out, out_at, out_row,
    ):  # fmt: skip
        panels, depth, width = packed.shape
        length = width // MICRO_VECTORS
        for panel in range(panels):
            column = panel * width
            vectors = min(MICRO_VECTORS, (columns - column + length - 1) // length)
            row = 0
            while row < n_rows:
                rows = min(MICRO_ROWS, n_rows - row)
                if n_rows - row == MICRO_ROWS + 1 or n_rows - row == MICRO_ROWS + 2:
                    rows = 4  # 7 = 4 + 3 and 8 = 4 + 4 keep the multipliers busier than 6 + 1
                multiply_rows(
                    rows, vectors, depth,
                    a, a_at + row * a_row, a_row,
                    packed, panel * depth * width,
                    init, init_at + row * init_row + column, init_row,
                    out, out_at + row * out_row + column, out_row,
                )  # fmt: skip
                row += rows

    def integers(
        a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
        out, out_at, out_row,
    ):  # fmt: skip
        multiply_integers(
            a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
            out, out_at, out_row,
        )  # fmt: skip

    return integers if packed.dtype == types.int8 else floats


@part_of_kernels
def _add_product(a, a_at, a_row, m, panel, panel_at, count, vectors, column, out):
    """out[:m, column:] += a.T @ panel over ``count`` tokens."""
    row = 0
    while row < m:
        rows = min(MICRO_ROWS, m - row)
        place = row * out.shape[1] + column
        multiply_columns(
            rows, vectors, count, a, a_at + row, a_row, panel, panel_at,
            out, place, out.shape[1], out, place, out.shape[1],
        )  # fmt: skip
        row += rows


@in_order
def add_gradient(
    x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
    scratch, d_x_weights, d_h_weights, d_bias,
):  # fmt: skip
    """Add ``x.T @ d``, ``h.T @ d`` and the column sums of d over ``count`` tokens."""
    length = VECTOR_BYTES // scratch.itemsize
    width = length * MICRO_VECTORS
    for first in range(0, count, GRADIENT_BLOCK):
        tokens = min(GRADIENT_BLOCK, count - first)
        for column in range(0, columns, width):
            # ``d`` is padded to whole panels.
            pack_panel(
                d, d_at + first * d_row + column, d_row, tokens, scratch, 0,
                len(d_bias) > 0, d_bias, column,
            )  # fmt: skip
            vectors = min(MICRO_VECTORS, (columns - column + length - 1) // length)
            _add_product(
                x, x_at + first * x_row, x_row, n_inputs, scratch, 0, tokens, vectors, column,
                d_x_weights,
            )  # fmt: skip
            _add_product(
                h, h_at + first * h_row, h_row, hidden, scratch, 0, tokens, vectors, column,
                d_h_weights,
            )  # fmt: skip


def _pack(w, transpose, out):
    raise NotImplementedError  # compiled code takes one of the two below


@overload(_pack, jit_options=OPTIONS)
def _pack_form(w, transpose, out):
    def floats(w, transpose, out):
        panels, depth, width = out.shape
        columns = w.shape[0] if transpose else w.shape[1]
        for panel in range(panels):
            first = panel * width
            count = min(width, columns - first)
            for k in range(depth):
                if transpose:
                    for j in range(count):
                        out[panel, k, j] = w[first + j, k]
                else:
                    for j in range(count):
                        out[panel, k, j] = w[k, first + j]
                for j in range(count, width):
                    out[panel, k, j] = 0.0

    def integers(w, transpose, out):
        pack_integers(w, transpose, out)

    return integers if out.dtype == types.int8 else floats


@kernel
def pack(w, transpose, out):
    _pack(w, transpose, out)


@kernel
def matmul(a, depth, packed, columns, bias, scratch, out):
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        multiply(
            a, first * a.shape[1], a.shape[1], count, depth, packed, columns, bias, 0, 0, scratch,
            out, first * out.shape[1], out.shape[1],
        )  # fmt: skip


@kernel
def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        add_gradient(
            a, first * a.shape[1], a.shape[1], a.shape[1], a, 0, 0, 0,
            d, first * d.shape[1], d.shape[1], count, columns, scratch,
            d_weights, d_weights, d_bias,
        )  # fmt: skip

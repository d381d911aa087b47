"""Products in float32 and float64, built from accumulator tiles.

A right-hand matrix is packed into panels of ``TILE_VECTORS`` vectors, so that a
tile reads it as one contiguous stream. The left-hand matrix is read in place.
Each output element is one chain of fused multiply-adds in the order of the summed
index, whatever the number of rows: a document's numbers do not depend on its
neighbours.
"""

from __future__ import annotations

from numba.core import types
from numba.extending import overload

from fastlstm.kernels.layout import GRADIENT_BLOCK
from fastlstm.kernels.numba.host import VECTOR_BYTES
from fastlstm.kernels.numba.jit import IN_ORDER, OPTIONS, jit
from fastlstm.kernels.numba.lanes import TILE_ROWS, TILE_VECTORS
from fastlstm.kernels.numba.products import add_gradient, left_operand, pack_matrix, product_rows
from fastlstm.kernels.numba.tiles import column_tile, pack_panel, row_tile


@overload(pack_matrix, jit_options=OPTIONS)
def _pack_float(w, transpose, out):
    if not isinstance(out.dtype, types.Float):
        return None

    def by_panels(w, transpose, out):
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

    return by_panels


@overload(left_operand, jit_options=OPTIONS)
def _left_operand_float(x, x_at, x_row, n_rows, depth, packed, scratch, scratch_row):
    if isinstance(packed.dtype, types.Float):

        def as_it_is(x, x_at, x_row, n_rows, depth, packed, scratch, scratch_row):
            return x, x_at, x_row

        return as_it_is
    return None


@overload(product_rows, jit_options=OPTIONS)
def _product_rows_float(
    a, a_at, a_row, n_rows, packed, columns, init, init_at, init_row, out, out_at, out_row
):  # fmt: skip
    if not isinstance(packed.dtype, types.Float):
        return None

    def tiled(
        a, a_at, a_row, n_rows, packed, columns, init, init_at, init_row, out, out_at, out_row
    ):  # fmt: skip
        panels, depth, width = packed.shape
        lanes = width // TILE_VECTORS
        for panel in range(panels):
            column = panel * width
            vectors = min(TILE_VECTORS, (columns - column + lanes - 1) // lanes)
            row = 0
            while row < n_rows:
                rows = min(TILE_ROWS, n_rows - row)
                if n_rows - row == TILE_ROWS + 1 or n_rows - row == TILE_ROWS + 2:
                    rows = 4  # 7 = 4 + 3 and 8 = 4 + 4 keep the multipliers busier than 6 + 1
                row_tile(
                    rows, vectors, depth,
                    a, a_at + row * a_row, a_row,
                    packed, panel * depth * width,
                    init, init_at + row * init_row + column, init_row,
                    out, out_at + row * out_row + column, out_row,
                )  # fmt: skip
                row += rows

    return tiled


@jit
def _add_product(a, a_at, a_row, m, panel, panel_at, count, vectors, column, out):
    """out[:m, column:] += a.T @ panel over ``count`` tokens."""
    row = 0
    while row < m:
        rows = min(TILE_ROWS, m - row)
        place = row * out.shape[1] + column
        column_tile(
            rows, vectors, count, a, a_at + row, a_row, panel, panel_at,
            out, place, out.shape[1], out, place, out.shape[1],
        )  # fmt: skip
        row += rows


@overload(add_gradient, jit_options=IN_ORDER)
def _add_gradient_float(
    x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
    scratch, scratch_at, d_x_weights, d_h_weights, d_bias,
):  # fmt: skip
    if not isinstance(scratch.dtype, types.Float):
        return None

    def by_panels(
        x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
        scratch, scratch_at, d_x_weights, d_h_weights, d_bias,
    ):  # fmt: skip
        lanes = VECTOR_BYTES // scratch.itemsize
        width = lanes * TILE_VECTORS
        for first in range(0, count, GRADIENT_BLOCK):
            tokens = min(GRADIENT_BLOCK, count - first)
            for column in range(0, columns, width):
                # ``d`` is padded to whole panels.
                pack_panel(
                    d, d_at + first * d_row + column, d_row, tokens, scratch, scratch_at,
                    d_bias, column,
                )  # fmt: skip
                vectors = min(TILE_VECTORS, (columns - column + lanes - 1) // lanes)
                _add_product(
                    x, x_at + first * x_row, x_row, n_inputs, scratch, scratch_at, tokens,
                    vectors, column, d_x_weights,
                )  # fmt: skip
                _add_product(
                    h, h_at + first * h_row, h_row, hidden, scratch, scratch_at, tokens,
                    vectors, column, d_h_weights,
                )  # fmt: skip

    return by_panels

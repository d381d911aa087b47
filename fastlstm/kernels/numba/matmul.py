"""The kernels that are a matrix product by themselves."""

from __future__ import annotations

from fastlstm.kernels.layout import ROWS_AT_ONCE
from fastlstm.kernels.numba import bfloat16, floats  # noqa: F401 - forms of the products
from fastlstm.kernels.numba.handover import kernel
from fastlstm.kernels.numba.products import add_gradient, left_operand, pack_matrix, product_rows


@kernel
def pack(w, transpose, out):
    pack_matrix(w, transpose, out)


@kernel
def matmul(a, depth, packed, columns, bias, scratch, out):
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        x, x_at, x_row = left_operand(
            a, first * a.shape[1], a.shape[1], count, depth, packed, scratch, 0
        )
        product_rows(
            x, x_at, x_row, count, packed, columns, bias, 0, 0,
            out, first * out.shape[1], out.shape[1],
        )  # fmt: skip


@kernel
def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        add_gradient(
            a, first * a.shape[1], a.shape[1], a.shape[1], a, 0, 0, 0,
            d, first * d.shape[1], d.shape[1], count, columns, scratch, 0,
            d_weights, d_weights, d_bias,
        )  # fmt: skip

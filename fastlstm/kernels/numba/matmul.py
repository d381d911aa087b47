"""The kernels that are a matrix product by themselves."""

from __future__ import annotations

from fastlstm.kernels.layout import ROWS_AT_ONCE
from fastlstm.kernels.numba import bfloat16, floats  # noqa: F401 - forms of the products
from fastlstm.kernels.numba.jit import jit
from fastlstm.kernels.numba.products import add_gradient, left_operand, pack_matrix, product_rows
from fastlstm.kernels.numba.turns import leave_python, return_to_python


@jit
def pack(w, transpose, out):
    """Pack a right-hand matrix into the layout of its products.

    Parameters
    ----------
    w : float array, shape (k, n), or (n, k) with ``transpose``
    transpose : bool
        Pack ``w.T`` instead.
    out : array, ``packed_shape(k, n, dtype)`` of a type that ``packed_dtype`` gave
        Overwritten.
    """
    leave_python()
    pack_matrix(w, transpose, out)
    return_to_python()


@jit
def matmul(a, depth, packed, columns, bias, scratch, out):
    """out[:, :columns] = bias + a[:, :depth] @ w.

    Parameters
    ----------
    a : float array, shape (m, at least depth)
    depth : int
    packed : array
        ``w`` of shape (depth, columns) as ``pack`` left it.
    columns : int
    bias : float array, shape (padded_width(columns),)
    scratch : array, shape (scratch_size(...),)
    out : float array, shape (m, padded_width(columns)); overwritten
    """
    leave_python()
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        x, x_at, x_row = left_operand(
            a, first * a.shape[1], a.shape[1], count, depth, packed, scratch, 0
        )
        product_rows(
            x, x_at, x_row, count, packed, columns, bias, 0, 0,
            out, first * out.shape[1], out.shape[1],
        )  # fmt: skip
    return_to_python()


@jit
def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    """d_weights[:, :columns] += a.T @ d and d_bias[:columns] += column sums of d.

    Parameters
    ----------
    a : float array, shape (n, m)
    d : float array, shape (n, padded_width(columns))
    columns : int
    scratch : array, shape (scratch_size(...),)
    d_weights : float array, shape (m, padded_width(columns))
    d_bias : float array, shape (padded_width(columns),)
    """
    leave_python()
    for first in range(0, a.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, a.shape[0] - first)
        add_gradient(
            a, first * a.shape[1], a.shape[1], a.shape[1], a, 0, 0, 0,
            d, first * d.shape[1], d.shape[1], count, columns, scratch, 0,
            d_weights, d_weights, d_bias,
        )  # fmt: skip
    return_to_python()

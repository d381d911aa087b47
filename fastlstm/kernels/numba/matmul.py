"""Matrix products: one accumulator tile serves all of them.

A right-hand matrix is packed into panels of ``TILE_VECTORS`` vectors, so that
the tile reads it as one contiguous stream. The left-hand matrix is read in place
through a stride for rows and one for the summed index, which makes the same tile
serve ``a @ w`` and ``a.T @ d``. Each output element is one chain of fused
multiply-adds in the order of the summed index, whatever the number of rows: a
document's numbers do not depend on its neighbours.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastlstm.kernels.numba.jit import jit
from fastlstm.kernels.numba.lanes import (
    TILE_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    Lanes,
    data_pointer,
)

# Tokens summed at a time in a weight gradient: 96 x one panel stays in the L1 cache.
_GRADIENT_BLOCK = 96
_PANEL_BYTES = VECTOR_BYTES * TILE_VECTORS


def panel_width(dtype) -> int:
    """Columns of one packed panel."""
    return _PANEL_BYTES // np.dtype(dtype).itemsize


def padded_width(n: int, dtype) -> int:
    """Row length of an array that ``matmul`` may write ``n`` columns into."""
    width = panel_width(dtype)
    return -(-n // width) * width


def packed_shape(k: int, n: int, dtype) -> tuple[int, ...]:
    """Shape of the packed form of a (k, n) matrix: (panels, k, panel width)."""
    width = panel_width(dtype)
    return (-(-n // width), k, width)


def _emit_tile(builder, lanes, rows, vectors, arg):
    """Emit one (rows x vectors) tile: out = init + sum over k of a[:, k] b[k, :]."""
    index = ir.IntType(64)

    def at(pointer, *terms):
        offset = terms[0]
        for term in terms[1:]:
            offset = builder.add(offset, term)
        return builder.gep(pointer, [offset])

    def constant(value):
        return ir.Constant(index, value)

    a_rows = [at(arg.a, arg.a_offset, builder.mul(arg.a_row, constant(i))) for i in range(rows)]
    cells = [(i, j) for i in range(rows) for j in range(vectors)]
    start = []
    for i, j in cells:
        row = builder.mul(arg.init_row, constant(i))
        start.append(lanes.load(at(arg.init, arg.init_offset, row, constant(j * lanes.count))))
    before = builder.block
    loop = builder.append_basic_block("tile.loop")
    done = builder.append_basic_block("tile.done")
    builder.cbranch(builder.icmp_signed(">", arg.k, constant(0)), loop, done)

    builder.position_at_end(loop)
    k = builder.phi(index)
    k.add_incoming(constant(0), before)
    totals = [builder.phi(lanes.type) for _ in cells]
    b_row = builder.add(arg.b_offset, builder.mul(k, constant(lanes.count * TILE_VECTORS)))
    b = [lanes.load(at(arg.b, b_row, constant(j * lanes.count))) for j in range(vectors)]
    a_step = builder.mul(k, arg.a_k)
    a = [lanes.broadcast(builder.load(at(row, a_step))) for row in a_rows]
    sums = [lanes.fma(a[i], b[j], total) for (i, j), total in zip(cells, totals, strict=True)]
    following = builder.add(k, constant(1))
    k.add_incoming(following, loop)
    for total, first, then in zip(totals, start, sums, strict=True):
        total.add_incoming(first, before)
        total.add_incoming(then, loop)
    builder.cbranch(builder.icmp_signed("<", following, arg.k), loop, done)

    builder.position_at_end(done)
    results = []
    for first, then in zip(start, sums, strict=True):
        result = builder.phi(lanes.type)
        result.add_incoming(first, before)
        result.add_incoming(then, loop)
        results.append(result)
    for (i, j), result in zip(cells, results, strict=True):
        row = builder.mul(arg.out_row, constant(i))
        lanes.store(result, at(arg.out, arg.out_offset, row, constant(j * lanes.count)))


class _TileArguments:
    """The intrinsic's LLVM values by name; arrays as pointers to their first element."""

    names = (
        "rows", "vectors", "k",
        "a", "a_offset", "a_row", "a_k",
        "b", "b_offset",
        "init", "init_offset", "init_row",
        "out", "out_offset", "out_row",
    )  # fmt: skip

    def __init__(self, context, builder, signature, values):
        for name, kind, value in zip(self.names, signature.args, values, strict=True):
            if isinstance(kind, types.Array):
                value = data_pointer(context, builder, kind, value)
            elif kind != types.int64:
                value = context.cast(builder, value, kind, types.int64)
            setattr(self, name, value)


@intrinsic
def _tile(
    typingctx, rows, vectors, k, a, a_offset, a_row, a_k, b, b_offset,
    init, init_offset, init_row, out, out_offset, out_row,
):  # fmt: skip
    """out[i, j] = init[i, j] + sum_k a[i, k] b[k, j] for one tile.

    ``rows`` <= TILE_ROWS and ``vectors`` <= TILE_VECTORS choose the emitted
    variant at run time; offsets and strides count elements.
    """

    def codegen(context, builder, signature, values):
        arg = _TileArguments(context, builder, signature, values)
        dtype = a.dtype
        lanes = Lanes(builder, dtype, VECTOR_BYTES // (8 if dtype == types.float64 else 4))
        end = builder.append_basic_block("tile.end")
        variant = builder.add(
            builder.mul(arg.rows, ir.Constant(ir.IntType(64), TILE_VECTORS + 1)), arg.vectors
        )
        switch = builder.switch(variant, end)
        for rows in range(1, TILE_ROWS + 1):
            for vectors in range(1, TILE_VECTORS + 1):
                block = builder.append_basic_block(f"tile.{rows}x{vectors}")
                code = rows * (TILE_VECTORS + 1) + vectors
                switch.add_case(ir.Constant(ir.IntType(64), code), block)
                builder.position_at_end(block)
                _emit_tile(builder, lanes, rows, vectors, arg)
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    arguments = (
        rows, vectors, k, a, a_offset, a_row, a_k, b, b_offset,
        init, init_offset, init_row, out, out_offset, out_row,
    )  # fmt: skip
    return types.void(*arguments), codegen


@jit
def pack(w, transpose, out):
    """Pack a matrix into panels of contiguous rows; missing columns become 0.

    Parameters
    ----------
    w : float array, shape (k, n), or (n, k) with ``transpose``
    transpose : bool
        Pack ``w.T`` instead.
    out : float array, ``packed_shape(k, n)``; overwritten
    """
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


@jit
def matmul_rows(
    a, a_offset, a_row, n_rows, packed, columns, init, init_offset, init_row, out, out_offset
):  # fmt: skip
    """Rows of a product at given places; the public ``matmul`` and the sweeps use it.

    Row ``i`` of the result, ``init row i + a row i @ packed``, goes to
    ``out.flat[out_offset + i * out.shape[1]:]``; ``init_row`` 0 repeats one row.
    """
    panels, depth, width = packed.shape
    lanes = width // TILE_VECTORS
    out_row = out.shape[1]
    for panel in range(panels):
        column = panel * width
        vectors = min(TILE_VECTORS, (columns - column + lanes - 1) // lanes)
        row = 0
        while row < n_rows:
            rows = min(TILE_ROWS, n_rows - row)
            if n_rows - row == TILE_ROWS + 1 or n_rows - row == TILE_ROWS + 2:
                rows = 4  # 7 = 4 + 3 and 8 = 4 + 4 keep the multipliers busier than 6 + 1
            _tile(
                rows, vectors, depth,
                a, a_offset + row * a_row, a_row, 1,
                packed, panel * depth * width,
                init, init_offset + row * init_row + column, init_row,
                out, out_offset + row * out_row + column, out_row,
            )  # fmt: skip
            row += rows


@jit
def matmul(a, packed, columns, bias, out):
    """out[:, :columns] = bias + a @ w.

    Parameters
    ----------
    a : float array, shape (m, k), C-contiguous
    packed : float array
        ``w`` of shape (k, columns) as ``pack`` left it.
    columns : int
    bias : float array, shape (padded_width(columns),)
    out : float array, shape (m, padded_width(columns)); overwritten
    """
    matmul_rows(a, 0, a.shape[1], a.shape[0], packed, columns, bias, 0, 0, out, 0)


@jit
def weight_gradient(a, d, low, high, accumulate, out):
    """out[:, low:high] (+)= a.T @ d[:, low:high].

    Parameters
    ----------
    a : float array, shape (n, m)
    d : float array, shape (n, at least padded_width(high))
    low, high : int
        Columns of this call; ``low`` is a multiple of the panel width, so that
        calls for different columns can run on different threads.
    accumulate : bool
        Add to ``out`` instead of overwriting it.
    out : float array, shape (m, columns)
    """
    depth, m = a.shape
    lanes = VECTOR_BYTES // out.itemsize
    width = lanes * TILE_VECTORS
    block = np.empty((_GRADIENT_BLOCK, width), dtype=out.dtype)
    total = np.empty((TILE_ROWS, width), dtype=out.dtype)
    if not accumulate:
        out[:, low:high] = 0.0
    for first in range(0, depth, _GRADIENT_BLOCK):
        count = min(_GRADIENT_BLOCK, depth - first)
        for column in range(low, high, width):
            columns = min(width, high - column)
            for k in range(count):
                for j in range(columns):
                    block[k, j] = d[first + k, column + j]
                for j in range(columns, width):
                    block[k, j] = 0.0
            vectors = (columns + lanes - 1) // lanes
            row = 0
            while row < m:
                rows = min(TILE_ROWS, m - row)
                if columns == width:
                    place = row * out.shape[1] + column
                    _tile(
                        rows, vectors, count,
                        a, first * m + row, 1, m,
                        block, 0,
                        out, place, out.shape[1],
                        out, place, out.shape[1],
                    )  # fmt: skip
                else:
                    # The last panel is narrower than the tile: sum beside it.
                    total[:rows] = 0.0
                    _tile(
                        rows, vectors, count,
                        a, first * m + row, 1, m,
                        block, 0,
                        total, 0, width,
                        total, 0, width,
                    )  # fmt: skip
                    for i in range(rows):
                        for j in range(columns):
                            out[row + i, column + j] += total[i, j]
                row += rows


@jit
def bias_gradient(d, low, high, accumulate, out):
    """out[low:high] (+)= column sums of d.

    Parameters
    ----------
    d : float array, shape (n, at least high)
    low, high : int
    accumulate : bool
    out : float array, shape (columns,)
    """
    if not accumulate:
        out[low:high] = 0.0
    for k in range(d.shape[0]):
        for j in range(low, high):
            out[j] += d[k, j]

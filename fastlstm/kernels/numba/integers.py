"""Products of 8-bit integers, for prediction (docs/explanation/maths.md, section 15).

Plain loops, one row and one panel at a time. Integers and scales are those of
``src_ext/int8.inc``; in a panel the terms of all columns follow term by term.
"""

from __future__ import annotations

import math

import numpy as np

from fastlstm.kernels.numba.jit import in_order, part_of_kernels

# Numbers with a smaller scale count as zeros.
_SMALLEST = np.float32(2.0**-100)


@part_of_kernels
def _largest(x, first, step, count):
    """Largest magnitude of some elements; NaN if one of them is not finite."""
    largest, finite = np.float32(0), True
    for k in range(count):
        value = abs(x[first + k * step])
        if not value < np.inf:
            finite = False
        elif value > largest:
            largest = value
    return largest if finite else np.float32(np.nan)


@part_of_kernels
def _round_row(x, first, count, out):
    """The row's integers to ``out``; returns its scale."""
    largest = _largest(x, first, 1, count)
    scale, factor = largest / np.float32(127), np.float32(0)
    if scale >= _SMALLEST:
        factor = np.float32(127) / largest
    elif scale < _SMALLEST:
        scale = np.float32(0)
    for k in range(count):
        out[k] = np.int8(np.rint(x[first + k] * factor)) if factor > 0 else np.int8(0)
    return scale


@in_order
def pack_integers(w, transpose, out):
    """As ``products.pack``, into panels of scales and integers."""
    columns, depth = w.shape if transpose else w.shape[::-1]
    flat, step, next_column = w.reshape(-1), 1 if transpose else columns, depth if transpose else 1
    width = out.shape[1] // (8 + (depth + 3) // 4 * 4)
    for panel in range(out.shape[0]):
        memory = out[panel]
        for place in range(len(memory)):
            memory[place] = 0
        scales = memory[: 4 * width].view(np.float32)
        for j in range(min(width, columns - panel * width)):
            first = (panel * width + j) * next_column
            # 17 bits of a scale: its multiples are floats without rounding.
            mantissa, exponent = math.frexp(np.float64(_largest(flat, first, step, depth)) / 127)
            scale = np.float32(math.ldexp(np.rint(math.ldexp(mantissa, 17)), exponent - 17))
            if scale < _SMALLEST:
                scale = np.float32(0)
            scales[j] = scale
            if scale > 0:
                for k in range(depth):
                    term = np.int8(np.rint(flat[first + k * step] / scale))
                    memory[(8 + k) * width + j] = term


@in_order
def multiply_integers(
    a, a_at, a_row, n_rows, depth, packed, columns, init, init_at, init_row, scratch,
    out, out_at, out_row,
):  # fmt: skip
    """As ``products.multiply``, with weights packed as int8."""
    x, start, result = a.reshape(-1), init.reshape(-1), out.reshape(-1)
    width = packed.shape[1] // (8 + (depth + 3) // 4 * 4)
    sums = scratch[len(scratch) - 4 * width :].view(np.int32)
    for row in range(n_rows):
        row_scale = _round_row(x, a_at + row * a_row, depth, scratch)
        for panel in range(packed.shape[0]):
            memory, column = packed[panel], panel * width
            scales = memory[: 4 * width].view(np.float32)
            for j in range(width):
                sums[j] = 0
            for k in range(depth):
                left, first = np.int32(scratch[k]), (8 + k) * width
                for j in range(width):
                    sums[j] += left * np.int32(memory[first + j])
            source, target = init_at + row * init_row + column, out_at + row * out_row + column
            for j in range(min(width, columns - column)):
                result[target + j] = start[source + j] + np.float32(sums[j]) * (
                    row_scale * scales[j]
                )

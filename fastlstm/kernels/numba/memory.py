"""Shapes and element types of the memory that callers allocate for the kernels."""

from __future__ import annotations

import numpy as np

from fastlstm.core.errors import BackendError
from fastlstm.kernels.numba.floats import GRADIENT_BLOCK
from fastlstm.kernels.numba.host import HAS_DOT_PRODUCTS, HAS_TILES, VECTOR_BYTES
from fastlstm.kernels.numba.lanes import TILE_VECTORS
from fastlstm.kernels.numba.matmul import ROWS_AT_ONCE
from fastlstm.kernels.numba.pieces import COLUMNS, PANEL, ROWS, TERMS, padded_terms

_CONFLICT_BYTES = 2048
_PANEL_BYTES = VECTOR_BYTES * TILE_VECTORS
_PIECES = {np.dtype(np.uint16): 1, np.dtype(np.int16): 3}


def panel_width(dtype) -> int:
    """Columns of one packed panel of floats."""
    return _PANEL_BYTES // np.dtype(dtype).itemsize


def padded_width(n: int, dtype) -> int:
    """Row length of a float array that a product may write ``n`` columns into.

    Whole panels; and rows that lie a multiple of half a page apart would share a few
    lines of the cache, so such a length gets one vector more.
    """
    width = panel_width(dtype)
    padded = -(-n // width) * width
    if padded * np.dtype(dtype).itemsize % _CONFLICT_BYTES == 0:
        padded += VECTOR_BYTES // np.dtype(dtype).itemsize
    return padded


def packed_dtype(dtype, precision: str, training: bool) -> np.dtype:
    """Element type of packed weights and of scratch memory.

    Parameters
    ----------
    dtype : dtype of the float arrays
    precision : {"float32", "bfloat16"}
    training : bool
        Whether many rows are multiplied at a time. Matrix tiles then serve float32,
        too; a document alone would keep them waiting for weights of one and a half
        times the size.

    Raises
    ------
    BackendError
        If the CPU lacks the instructions.
    ValueError
        If ``precision`` is "bfloat16" and ``dtype`` is not float32.
    """
    dtype = np.dtype(dtype)
    if precision == "bfloat16":
        if dtype != np.float32:
            raise ValueError(f"precision='bfloat16' needs float32 weights, not {dtype}.")
        if not (HAS_TILES or HAS_DOT_PRODUCTS):
            raise BackendError(
                "precision='bfloat16' needs a CPU with bfloat16 products (AMX or AVX512-BF16), "
                "which this one lacks. Use precision='float32'."
            )
        return np.dtype(np.uint16)
    return np.dtype(np.int16) if training and HAS_TILES and dtype == np.float32 else dtype


def packed_shape(k: int, n: int, dtype) -> tuple[int, ...]:
    """Shape of the packed form of a (k, n) matrix.

    (panels, k, panel width) for floats; (pieces, panels, blocks of 32 terms, 4, 16, 32)
    for 16-bit pieces.
    """
    pieces = _PIECES.get(np.dtype(dtype))
    if pieces:
        return (pieces, -(-n // (PANEL * COLUMNS)), padded_terms(k) // TERMS, PANEL, 16, 32)
    width = panel_width(dtype)
    return (-(-n // width), k, width)


def scratch_size(n_inputs: int, hidden: int, n_documents: int, dtype) -> int:
    """Elements of scratch memory that products of these sizes use."""
    pieces = _PIECES.get(np.dtype(dtype))
    if not pieces:
        return GRADIENT_BLOCK * panel_width(dtype)
    rows = max(ROWS_AT_ONCE, n_documents)
    widest = max(n_inputs, 4 * hidden)
    left = rows * (pieces * padded_terms(widest) + TERMS)
    tokens = padded_terms(rows)
    right = -(-4 * hidden // (PANEL * COLUMNS)) * PANEL * COLUMNS * tokens
    turned = -(-max(n_inputs, hidden) // ROWS) * ROWS * (pieces * tokens + TERMS)
    return max(left, pieces * right + turned)

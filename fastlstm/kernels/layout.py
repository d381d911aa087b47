"""Shapes and element types of the memory that callers allocate for compiled kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.errors import BackendError

# Tokens of a sweep's block, unless a single step has more.
BLOCK_TOKENS = 128

# The same where one document is predicted: the layer above may follow at that distance.
TOKENS_OF_ONE = 16

# Rows of one product or gradient at a time: what scratch memory has room for.
ROWS_AT_ONCE = 128

# Tokens summed at a time in a gradient of floats: 96 x one panel stays in the L1 cache.
GRADIENT_BLOCK = 96

# bfloat16 numbers lie in blocks of 32 terms and 16 columns, 4 blocks to a panel.
TERMS, COLUMNS, ROWS, PANEL = 32, 16, 16, 4

# Bytes of a row of integers before its terms: its scale, in a cache line of its own.
LEFT_HEAD = 64

# Element type of packed weights -> bfloat16 numbers that stand for a float.
_NUMBERS = {np.dtype(np.uint16): 1, np.dtype(np.int16): 3}

_CONFLICT_BYTES = 2048


def padded_terms(k: int) -> int:
    """Length of the summed index of bfloat16 products with its padding."""
    return -(-k // TERMS) * TERMS


def padded_integers(k: int) -> int:
    """Length of the summed index of products of 8-bit integers with its padding."""
    return -(-k // 4) * 4


def int8_dtype(dtype, training: bool) -> np.dtype:
    """The element type of weights packed for ``precision="int8"``, at every level.

    Raises
    ------
    ValueError
        In training, and for other weights than those of float32.
    """
    if training:
        raise ValueError(
            "precision='int8' is for prediction: train with precision='float32' or 'bfloat16'."
        )
    if np.dtype(dtype) != np.float32:
        raise ValueError(f"precision='int8' needs float32 weights, not {np.dtype(dtype)}.")
    return np.dtype(np.int8)


class Layout(NamedTuple):
    """How a backend lays out memory at one instruction level; see ``contract.Kernels``.

    Attributes
    ----------
    vector_bytes : int
    micro_vectors : int
        Vectors of a panel of packed floats.
    has_amx, has_dot_products : bool
        Whether there are AMX tiles, and dot products of bfloat16 numbers.
    """

    vector_bytes: int
    micro_vectors: int
    has_amx: bool = False
    has_dot_products: bool = False

    def panel_width(self, dtype) -> int:
        """Columns of one packed panel of floats."""
        return self.vector_bytes * self.micro_vectors // np.dtype(dtype).itemsize

    def padded_width(self, n: int, dtype) -> int:
        """Whole panels, and sometimes a vector more.

        Rows that lie a multiple of half a page apart would share a
        few lines of the cache, so such a length gets one vector more.
        """
        itemsize = np.dtype(dtype).itemsize
        width = self.panel_width(dtype)
        padded = -(-n // width) * width
        if padded * itemsize % _CONFLICT_BYTES == 0:
            padded += self.vector_bytes // itemsize
        return padded

    def packed_dtype(self, dtype, precision: str, training: bool) -> np.dtype:
        """uint16 for bfloat16, int16 for split floats, int8 for int8, else ``dtype`` itself.

        Training in float32 uses split floats where there are AMX tiles. In prediction a
        document alone would wait for weights of one and a half times the size.
        """
        dtype = np.dtype(dtype)
        if precision == "int8":
            return int8_dtype(dtype, training)
        if precision == "bfloat16":
            if dtype != np.float32:
                raise ValueError(f"precision='bfloat16' needs float32 weights, not {dtype}.")
            if not (self.has_amx or self.has_dot_products):
                raise BackendError(
                    "precision='bfloat16' needs a CPU with bfloat16 products (AMX or "
                    "AVX512-BF16), which this one lacks. Use precision='float32'."
                )
            return np.dtype(np.uint16)
        is_split = training and self.has_amx and dtype == np.float32
        return np.dtype(np.int16) if is_split else dtype

    def packed_shape(self, k: int, n: int, dtype) -> tuple[int, ...]:
        """(panels, k, panel width) for floats; (numbers, panels, chunks, 4, 16, 32) for bfloat16.

        For integers (panels, bytes): a scale and a sum of four bytes each for each column,
        and the terms.
        """
        if np.dtype(dtype) == np.int8:
            width = self.panel_width(np.float32)
            return (-(-n // width), width * (8 + padded_integers(k)))
        numbers = _NUMBERS.get(np.dtype(dtype))
        if numbers:
            return (numbers, -(-n // (PANEL * COLUMNS)), padded_terms(k) // TERMS, PANEL, 16, 32)
        width = self.panel_width(dtype)
        return (-(-n // width), k, width)

    def scratch_size(self, n_inputs: int, hidden: int, n_documents: int, dtype) -> int:
        """One panel of a gradient's tokens for floats; else converted operands.

        A row of integers has room for 16 bits a term; the sums of a panel, of 32 bits each,
        follow the rows.
        """
        if np.dtype(dtype) == np.int8:
            row = LEFT_HEAD + 2 * padded_integers(max(n_inputs, hidden))
            sums = 4 * self.panel_width(np.float32)
            return max(ROWS_AT_ONCE, n_documents) * row + sums
        numbers = _NUMBERS.get(np.dtype(dtype))
        if not numbers:
            return GRADIENT_BLOCK * self.panel_width(dtype)
        rows = max(ROWS_AT_ONCE, n_documents)
        widest = max(n_inputs, 4 * hidden)
        left = rows * (numbers * padded_terms(widest) + TERMS)
        tokens = padded_terms(rows)
        right = -(-4 * hidden // (PANEL * COLUMNS)) * PANEL * COLUMNS * tokens
        turned = -(-max(n_inputs, hidden) // ROWS) * ROWS * (numbers * tokens + TERMS)
        return max(left, numbers * right + turned)

    def block_rows(self, n_documents: int) -> int:
        """Tokens of a block, or those of a step if it has more."""
        return max(BLOCK_TOKENS, n_documents)

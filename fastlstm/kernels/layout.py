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

# Element type of packed weights -> bfloat16 numbers that stand for a float.
_NUMBERS = {np.dtype(np.uint16): 1, np.dtype(np.int16): 3}

_CONFLICT_BYTES = 2048


def padded_terms(k: int) -> int:
    """Length of the summed index of bfloat16 products with its padding."""
    return -(-k // TERMS) * TERMS


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
        """uint16 for bfloat16, int16 for split floats, else ``dtype`` itself.

        Training in float32 uses split floats where there are AMX tiles. In prediction a
        document alone would wait for weights of one and a half times the size.
        """
        dtype = np.dtype(dtype)
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
        """(panels, k, panel width) for floats; (numbers, panels, chunks, 4, 16, 32) for others."""
        numbers = _NUMBERS.get(np.dtype(dtype))
        if numbers:
            return (numbers, -(-n // (PANEL * COLUMNS)), padded_terms(k) // TERMS, PANEL, 16, 32)
        width = self.panel_width(dtype)
        return (-(-n // width), k, width)

    def scratch_size(self, n_inputs: int, hidden: int, n_documents: int, dtype) -> int:
        """One panel of a gradient's tokens for floats; else converted operands."""
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

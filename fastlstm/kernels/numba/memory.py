"""How this backend lays out memory at the level of this CPU; names of the contract."""

from __future__ import annotations

from fastlstm.kernels.layout import Layout
from fastlstm.kernels.numba.host import HAS_DOT_PRODUCTS, HAS_TILES, VECTOR_BYTES
from fastlstm.kernels.numba.lanes import TILE_VECTORS

LAYOUT = Layout(VECTOR_BYTES, TILE_VECTORS, HAS_TILES, HAS_DOT_PRODUCTS)

padded_width = LAYOUT.padded_width
packed_dtype = LAYOUT.packed_dtype
packed_shape = LAYOUT.packed_shape
scratch_size = LAYOUT.scratch_size
block_rows = LAYOUT.block_rows

"""The Numba backend: the contract's kernels, compiled on first use.

Importing this package defines the kernels; nothing is compiled before a call.
"""

from fastlstm.kernels.numba.attention import attend_backward, attend_forward, attend_spread
from fastlstm.kernels.numba.dual import dual_descent
from fastlstm.kernels.numba.elementwise import (
    adam_update,
    average_rows,
    distinct_tokens,
    dropout,
    gather_rows,
    pack_tokens,
    pool_backward,
    pool_forward,
    scatter_add_rows,
    sgd_update,
    squared_norm,
)
from fastlstm.kernels.numba.handover import hand_over, wait_for_all
from fastlstm.kernels.numba.host import LAYOUT, LEVEL, packed_dtype
from fastlstm.kernels.numba.products import matmul, pack, weight_gradient
from fastlstm.kernels.numba.skip_gram import skip_gram
from fastlstm.kernels.numba.sweep import lstm_backward, lstm_forward

NAME = "numba"

padded_width = LAYOUT.padded_width
packed_shape = LAYOUT.packed_shape
scratch_size = LAYOUT.scratch_size
block_rows = LAYOUT.block_rows

__all__ = [
    "LAYOUT",
    "LEVEL",
    "NAME",
    "adam_update",
    "attend_backward",
    "attend_forward",
    "attend_spread",
    "average_rows",
    "block_rows",
    "distinct_tokens",
    "dropout",
    "dual_descent",
    "gather_rows",
    "hand_over",
    "lstm_backward",
    "lstm_forward",
    "matmul",
    "pack",
    "pack_tokens",
    "packed_dtype",
    "packed_shape",
    "padded_width",
    "pool_backward",
    "pool_forward",
    "scatter_add_rows",
    "scratch_size",
    "sgd_update",
    "skip_gram",
    "squared_norm",
    "wait_for_all",
    "weight_gradient",
]

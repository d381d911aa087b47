"""What this machine's processor can do, and how memory is laid out for it."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from numba.core import config

from fastlstm.core.errors import BackendError
from fastlstm.kernels.layout import Layout
from fastlstm.kernels.levels import limited


def host_features() -> dict[str, bool]:
    """Instruction sets that Numba compiles for, by LLVM's names, such as "avx2".

    Those of this CPU, unless NUMBA_CPU_NAME or NUMBA_CPU_FEATURES asks for others.
    """
    if config.CPU_FEATURES is not None:
        return {name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name}
    if config.CPU_NAME is not None:
        return {}
    return llvm.get_host_cpu_features()


def _level() -> str:
    """The highest level of this CPU that changes code, or the lower one of FASTLSTM_CPU."""
    features = host_features()
    found = "baseline"
    if features.get("avx2") and features.get("fma"):
        found = "avx2"
        if features.get("avx512f") and features.get("avx512bw"):
            found = "avx512"
    return limited(found)


LEVEL = _level()
VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}[LEVEL]

# Rows and vectors of the micro-kernel. 6 x 4 fills 24 of AVX-512's (and NEON's) 32
# registers, 6 x 2 fills 12 of the 16 that AVX2 and SSE have.
MICRO_ROWS = 6
_MANY_REGISTERS = VECTOR_BYTES == 64 or "aarch64" in llvm.get_default_triple()
MICRO_VECTORS = 4 if _MANY_REGISTERS else 2

LAYOUT = Layout(VECTOR_BYTES, MICRO_VECTORS)


def packed_dtype(dtype, precision, training):
    """See ``contract.Kernels``; products of floats alone."""
    if precision == "bfloat16" and np.dtype(dtype) == np.float32:
        raise BackendError(
            "precision='bfloat16' needs the C kernels, which backend='numba' has not. Install "
            "fastlstm where there is GCC or Clang, or use precision='float32'."
        )
    return LAYOUT.packed_dtype(dtype, precision, training)

"""What this machine's processor can do, and how much of it to use."""

from __future__ import annotations

import ctypes
import platform
import sys

import llvmlite.binding as llvm
from numba.core import config

from fastlstm.kernels.levels import limited

# Linux hands the tile registers out on demand: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA).
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18


def host_features() -> dict[str, bool]:
    """Instruction sets that Numba compiles for, by LLVM's names, such as "avx2".

    Those of this CPU, unless NUMBA_CPU_NAME or NUMBA_CPU_FEATURES asks for others.
    """
    if config.CPU_FEATURES is not None:
        return {name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name}
    if config.CPU_NAME is not None:
        return {}
    return llvm.get_host_cpu_features()


def _may_use_tiles() -> bool:
    """Ask the system for the matrix tiles; False where there are none."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0
    except (OSError, AttributeError):
        return False


def _level() -> str:
    """The highest level of this CPU, or the lower one that FASTLSTM_CPU names.

    It decides the length of the kernels' vectors and the form of their products.
    """
    features = host_features()
    found = "baseline"
    if features.get("avx2") and features.get("fma"):
        found = "avx2"
        if features.get("avx512f") and features.get("avx512bw"):
            found = "avx512"
            tiles = features.get("amx-tile") and features.get("amx-bf16")
            if tiles and limited("amx") == "amx" and _may_use_tiles():
                found = "amx"
    return limited(found)


LEVEL = _level()
HAS_TILES = LEVEL == "amx"
HAS_DOT_PRODUCTS = LEVEL in ("avx512", "amx") and bool(host_features().get("avx512bf16"))
VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64, "amx": 64}[LEVEL]

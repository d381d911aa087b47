"""What the CPU has, by its names in data sheets; ``levels`` says what the kernels use of it."""

from __future__ import annotations

from pathlib import Path

_LINUX = Path("/proc/cpuinfo")

# Flags as Linux and LLVM have them, without what parts their words.
_VECTORS = (("AVX-512", {"avx512f", "avx512bw"}), ("AVX2", {"avx2", "fma"}))
_FURTHER: dict[str, tuple[set[str], ...]] = {
    "VNNI": ({"avx512vnni"}, {"avxvnni"}),
    "BF16": ({"avx512bf16"},),
    "AMX": ({"amxtile", "amxbf16"},),
}


def cpu_instructions() -> str | None:
    """What this CPU has, such as "AVX-512 + VNNI + BF16", whether kernels use it or not.

    VNNI multiplies bytes, BF16 bfloat16 numbers, and AMX tiles of either.

    Returns
    -------
    str or None
        "baseline" without any of these; None where nothing tells.
    """
    flags = _linux_flags() if _LINUX.exists() else _compiler_flags()
    return None if flags is None else named(flags)


def named(flags: set[str]) -> str:
    """The names of what some flags mean, by Linux' or LLVM's names."""
    plain = {flag.lower().replace("-", "").replace("_", "") for flag in flags}
    vectors = next((name for name, needs in _VECTORS if needs <= plain), "baseline")
    further = [name for name, ways in _FURTHER.items() if any(each <= plain for each in ways)]
    return " + ".join([vectors, *further])


def _linux_flags() -> set[str]:
    for line in _LINUX.read_text(encoding="utf-8").splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _compiler_flags() -> set[str] | None:
    try:
        from fastlstm.kernels.numba.host import host_features
    except ImportError:
        return None
    return {name for name, found in host_features().items() if found}

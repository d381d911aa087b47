"""What a CPU has is named by its flags, as Linux or LLVM lists them."""

from __future__ import annotations

import sys

import pytest

from fastlstm.kernels.instructions import _linux_flags, cpu_instructions, named

# Flags of CPUs as Linux lists them; those that say nothing here are left out.
LINUX = {
    "sse sse2 ssse3 sse4_1 sse4_2 avx": "baseline",
    "sse2 avx fma avx2": "AVX2",
    "sse2 avx avx2": "baseline",  # without fused multiply-adds
    "sse2 avx fma avx2 avx_vnni": "AVX2 + VNNI",
    "sse2 avx fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl": "AVX-512",
    "sse2 avx fma avx2 avx512f avx512cd": "AVX2",  # of the first Xeon Phi
    "fma avx2 avx512f avx512bw avx512vl avx512_vnni": "AVX-512 + VNNI",
    "fma avx2 avx512f avx512bw avx512_bf16 avx512_vnni": "AVX-512 + VNNI + BF16",
    "fma avx2 avx512f avx512bw avx512_bf16 avx512_vnni avx_vnni amx_bf16 amx_tile amx_int8":
        "AVX-512 + VNNI + BF16 + AMX",
    "fp asimd evtstrm aes pmull sha1 sha2 crc32": "baseline",
}  # fmt: skip


@pytest.mark.parametrize("flags", LINUX)
def test_flags_of_linux(flags):
    assert named(set(flags.split())) == LINUX[flags]


def test_flags_of_llvm():
    flags = {"fma", "avx2", "avx512f", "avx512bw", "avx512vnni", "avx512bf16", "amx-tile"}
    assert named(flags) == "AVX-512 + VNNI + BF16"
    assert named(flags | {"amx-bf16"}) == "AVX-512 + VNNI + BF16 + AMX"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists flags")
def test_linux_and_llvm_agree_on_this_cpu():
    llvm = pytest.importorskip("llvmlite.binding")
    found = {name for name, there in llvm.get_host_cpu_features().items() if there}
    assert named(_linux_flags()) == named(found) == cpu_instructions()

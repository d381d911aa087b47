"""The machine's multiply-add peak, from loops that touch registers only.

    python benchmarks/peak.py

float32: fused multiply-adds on the widest vectors. bfloat16 with sums in float32:
AMX tiles (tdpbf16ps) or AVX-512 (vdpbf16ps), the better of the two; None on
machines that have neither. The loops are emitted through Numba, so no C compiler
is needed. Figures are GFLOP/s, a multiply-add counts as two.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# Independent chains of sums: latency times units, and within 16 registers.
_CHAINS = 12
_TRIALS, _SECONDS = 5, 0.1

# arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA): Linux gives AMX on request only.
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18

# Sums in tiles 0 to 3 of the products of 4 and 5 with 6 and 7. $0 counts the turns
# down, $1 is the tile configuration, $2 a tile of zeros, $3 its row stride in bytes.
_AMX_LOOP = "\n".join(
    [
        "ldtilecfg ($1)",
        *(f"tileloadd ($2, $3, 1), %tmm{tile}" for tile in range(8)),
        "1:",
        "tdpbf16ps %tmm6, %tmm4, %tmm0",
        "tdpbf16ps %tmm6, %tmm5, %tmm1",
        "tdpbf16ps %tmm7, %tmm4, %tmm2",
        "tdpbf16ps %tmm7, %tmm5, %tmm3",
        "dec $0",
        "jnz 1b",
        "tilerelease",
    ]
)
_AMX_FLOP = 4 * 2 * 16 * 16 * 32  # a turn: four tiles of 16 x 16 sums over 32 products


def _features() -> dict[str, bool]:
    return llvm.get_host_cpu_features()


def _vector_floats() -> int:
    """float32 numbers in the widest vector register."""
    features = _features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


def _chained(step):
    """An intrinsic ``f(turns)`` that runs ``step`` on every chain of sums, turn by turn.

    ``step(builder, total, a, b)`` gives the code of one multiply-add on vectors.
    """

    @intrinsic
    def loop(typing_context, turns):
        def codegen(context, builder, signature, arguments):
            vector = ir.VectorType(ir.FloatType(), _vector_floats())

            def full(value):
                return ir.Constant(vector, [value] * vector.count)

            a, b = full(0.5), full(0.25)
            before = builder.block
            body = builder.append_basic_block("turn")
            end = builder.append_basic_block("end")
            builder.branch(body)
            builder.position_at_end(body)
            count = builder.phi(arguments[0].type)
            count.add_incoming(ir.Constant(count.type, 0), before)
            totals = [builder.phi(vector) for _ in range(_CHAINS)]
            for number, total in enumerate(totals):
                total.add_incoming(full(float(number)), before)
                total.add_incoming(step(builder, total, a, b), body)
            following = builder.add(count, ir.Constant(count.type, 1))
            count.add_incoming(following, body)
            builder.cbranch(builder.icmp_signed("<", following, arguments[0]), body, end)
            builder.position_at_end(end)
            result = totals[0]
            for total in totals[1:]:
                result = builder.fadd(result, total)
            return builder.extract_element(result, ir.Constant(ir.IntType(32), 0))

        return types.float32(types.int64), codegen

    return loop


def _fma(builder, total, a, b):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fma.v{a.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [total, a, b])


def _vdpbf16ps(builder, total, a, b):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    code = ir.InlineAsm(kind, "vdpbf16ps $3, $2, $0", "=v,0,v,v", side_effect=False)
    return builder.call(code, [total, a, b])


@intrinsic
def _amx(typing_context, configuration, tile, turns):
    def codegen(context, builder, signature, arguments):
        pointers = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[:2], arguments[:2], strict=True)
        ]
        word = ir.IntType(64)
        operands = [builder.ptrtoint(pointer, word) for pointer in pointers]
        operands += [ir.Constant(word, 64), arguments[2]]
        kind = ir.FunctionType(word, [word] * 4)
        clobbers = ",".join(["~{memory}", "~{cc}", *(f"~{{tmm{n}}}" for n in range(8))])
        code = ir.InlineAsm(kind, _AMX_LOOP, f"=r,r,r,r,0,{clobbers}", side_effect=True)
        return builder.call(code, operands)

    return types.int64(configuration, tile, turns), codegen


def _request_amx() -> bool:
    """Ask Linux for the tile registers; False where there are none."""
    features = _features()
    if not (features.get("amx-bf16") and features.get("amx-tile")):
        return False
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    system_call.restype = ctypes.c_long
    words = [ctypes.c_long(w) for w in (_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA)]
    return system_call(*words) == 0


def _tile_configuration() -> np.ndarray:
    """Palette 1, eight tiles of 16 rows of 64 bytes: 64 bytes, uint8."""
    configuration = np.zeros(64, np.uint8)
    configuration[0] = 1
    configuration[16:32].view(np.uint16)[:] = 64
    configuration[48:56] = 16
    return configuration


def _compile(step):
    """``f(turns)`` on vectors, and the FLOP of a turn."""
    loop = _chained(step)
    function = numba.njit(nogil=True)(lambda turns: loop(turns))
    return function, _CHAINS * 2 * _vector_floats()


def _compile_amx():
    configuration, tile = _tile_configuration(), np.zeros(1024, np.uint8)
    inner = numba.njit(nogil=True)(lambda c, t, turns: _amx(c, t, turns))
    return (lambda turns: inner(configuration, tile, turns)), _AMX_FLOP


def _rate(function, flop, threads) -> float:
    """Best of some trials on ``threads`` threads at once, GFLOP/s of all of them."""
    turns = 100_000
    function(turns)  # compiles
    started = time.perf_counter()
    function(turns)
    turns = max(turns, int(turns * _SECONDS / (time.perf_counter() - started)))
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_TRIALS):
            started = time.perf_counter()
            list(pool.map(function, [turns] * threads))
            best = max(best, threads * turns * flop / (time.perf_counter() - started))
    return best / 1e9


def measure(threads: int = 2) -> dict:
    """Peak of one thread and of ``threads`` threads, GFLOP/s.

    Returns
    -------
    dict
        "float32" and "bfloat16" (None without instructions for it), each a dict of
        the number of threads, as str, to GFLOP/s; "bfloat16_by" names the
        instruction.
    """
    llvm.initialize_native_asmparser()
    counts = sorted({1, threads})
    single = _compile(_fma)
    result = {"float32": {str(n): round(_rate(*single, n), 1) for n in counts}}
    ways = {}
    if _features().get("avx512bf16"):
        ways["vdpbf16ps"] = _compile(_vdpbf16ps)
        # A bfloat16 vector has twice the numbers.
        ways["vdpbf16ps"] = (ways["vdpbf16ps"][0], 2 * ways["vdpbf16ps"][1])
    if _request_amx():
        ways["tdpbf16ps"] = _compile_amx()
    result["bfloat16"], result["bfloat16_by"] = None, None
    for name, way in ways.items():
        rates = {str(n): round(_rate(*way, n), 1) for n in counts}
        if result["bfloat16"] is None or rates["1"] > result["bfloat16"]["1"]:
            result["bfloat16"], result["bfloat16_by"] = rates, name
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    print(json.dumps(measure(parser.parse_args().threads), indent=1))

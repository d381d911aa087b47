"""Numbers below 1e-38, which vanishing gradients become.

CPUs take a hundred cycles or more for an operation on such a subnormal number. The
gradient of a long document shrinks by a factor with each step back, and stays in their
range for dozens of steps. So kernels that work with gradients have the CPU put 0 in
their place. Each thread has its own setting, which is put back at the end.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_MACHINE = llvm.get_default_triple().split("-")[0]
_X86 = _MACHINE in ("x86_64", "i386", "i686")
_ARM = _MACHINE in ("aarch64", "arm64")

# Bits that flush results and operands: of MXCSR on x86, of FPCR on arm64.
_FLUSH = 0x8040 if _X86 else 1 << 24

_WORD = ir.IntType(64)


def _read(builder):
    if _X86:
        place = cgutils.alloca_once(builder, ir.IntType(32))
        _call_x86(builder, "stmxcsr", place)
        return builder.zext(builder.load(place), _WORD)
    if _ARM:
        kind = ir.FunctionType(_WORD, [])
        return builder.call(ir.InlineAsm(kind, "mrs $0, fpcr", "=r", side_effect=True), [])
    return ir.Constant(_WORD, 0)


def _write(builder, control):
    if _X86:
        place = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.trunc(control, ir.IntType(32)), place)
        _call_x86(builder, "ldmxcsr", place)
    elif _ARM:
        kind = ir.FunctionType(ir.VoidType(), [_WORD])
        builder.call(ir.InlineAsm(kind, "msr fpcr, $0", "r", side_effect=True), [control])


def _call_x86(builder, name, place):
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, pointer)])


@intrinsic
def flush_subnormals(typingctx):
    """From here on subnormal numbers are 0; the setting before, for ``restore_subnormals``."""

    def codegen(context, builder, signature, values):
        before = _read(builder)
        _write(builder, builder.or_(before, _WORD(_FLUSH)))
        return before

    return types.int64(), codegen


@intrinsic
def restore_subnormals(typingctx, before):
    """Put a setting back."""

    def codegen(context, builder, signature, values):
        _write(builder, values[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen

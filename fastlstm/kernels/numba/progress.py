"""Numbers that a thread raises and another one waits for, inside kernels."""

from __future__ import annotations

from numba.core import types
from numba.extending import intrinsic

from fastlstm.kernels.numba.jit import jit
from fastlstm.kernels.numba.simd import data_pointer


@intrinsic
def look(typingctx, counters, position):
    """One number, and with it everything that was written before it was published."""

    def codegen(context, builder, signature, values):
        pointer = data_pointer(context, builder, signature.args[0], values[0])
        position = context.cast(builder, values[1], signature.args[1], types.int64)
        pointer = builder.gep(pointer, [position])
        return builder.load_atomic(pointer, ordering="acquire", align=8)

    return types.int64(counters, position), codegen


@intrinsic
def publish(typingctx, counter, value):
    """Set the number, after everything that was written before."""

    def codegen(context, builder, signature, values):
        pointer = data_pointer(context, builder, signature.args[0], values[0])
        value = context.cast(builder, values[1], signature.args[1], types.int64)
        builder.store_atomic(value, pointer, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(counter, value), codegen


@jit
def wait_for(counter, least):
    """Return once the number is at least ``least``."""
    while look(counter, 0) < least:
        pass

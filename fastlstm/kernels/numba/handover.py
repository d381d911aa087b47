"""Threads that hand over the interpreter's lock to one another without going to sleep.

Threads that share out a minibatch alternate between kernels, which need no lock, and
a few microseconds of Python, which need the interpreter's. A thread that finds that
lock taken sleeps, and waking it costs more than it slept for: on a virtual machine a
tenth of a millisecond or more. So a kernel does not return while another thread of
the pool is between two kernels: it waits some microseconds, awake.

That is a hint, not a lock. A thread that has waited long enough goes on, and nobody has
to give anything back.
"""

from __future__ import annotations

import inspect
import sys

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastlstm.kernels.contract import Kernels
from fastlstm.kernels.numba.jit import IN_ORDER, OPTIONS, jit, part_of_kernels
from fastlstm.kernels.numba.progress import look

# Looks at the word before a thread goes on without it: some tenths of a millisecond.
_TRIES = 4000

# Two words in cache lines of their own: whether a thread is in Python, and whether the lock
# is handed over at all. Compiled code finds them by their name.
_SYMBOL = "fastlstm_handover"
_LINE = 8
_WORDS = np.zeros(3 * _LINE, dtype=np.int64)
llvm.add_symbol(_SYMBOL, _WORDS.ctypes.data)

_WORD = ir.IntType(64)
_HAS_PAUSE = "x86_64" in llvm.get_default_triple()


def hand_over(on):
    """See ``contract.Kernels``."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    _WORDS[_LINE] = _WORDS[2 * _LINE] = int(on and gil)


def _words(builder):
    """Pointers to the word of who is in Python, and to the switch."""
    kind = ir.ArrayType(_WORD, len(_WORDS))
    words = builder.module.globals.get(_SYMBOL)
    if words is None:
        words = ir.GlobalVariable(builder.module, kind, _SYMBOL)
    places = [[ir.Constant(_WORD, 0), ir.Constant(_WORD, n * _LINE)] for n in (1, 2)]
    return [builder.gep(words, place) for place in places]


def _is_on(builder, switch):
    on = builder.load_atomic(switch, ordering="monotonic", align=8)
    return builder.if_then(builder.icmp_signed("!=", on, _WORD(0)), likely=False)


def _pause(builder):
    if _HAS_PAUSE:
        kind = ir.FunctionType(ir.VoidType(), [])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause")
        builder.call(function, [])


@intrinsic
def leave_python(typingctx):
    """Where a kernel begins: another thread may return from its own."""

    def codegen(context, builder, signature, values):
        busy, switch = _words(builder)
        with _is_on(builder, switch):
            builder.store_atomic(_WORD(0), busy, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def return_to_python(typingctx):
    """Where a kernel ends: wait until no other thread is between two of them."""

    def codegen(context, builder, signature, values):
        busy, switch = _words(builder)
        with _is_on(builder, switch):
            left = cgutils.alloca_once_value(builder, _WORD(_TRIES))
            look, wait, end = (
                builder.append_basic_block(f"handover.{name}") for name in ("look", "wait", "end")
            )
            builder.branch(look)
            builder.position_at_end(look)
            taken = builder.cmpxchg(busy, _WORD(0), _WORD(1), "acquire", "monotonic")
            builder.cbranch(builder.extract_value(taken, 1), end, wait)
            builder.position_at_end(wait)
            _pause(builder)
            builder.store(builder.sub(builder.load(left), _WORD(1)), left)
            again = builder.icmp_signed(">", builder.load(left), _WORD(0))
            builder.cbranch(again, look, end)
            builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def pause(typingctx):
    """Tell the CPU that this thread waits, where there is an instruction for it."""

    def codegen(context, builder, signature, values):
        _pause(builder)
        return context.get_dummy_value()

    return types.void(), codegen


def kernel(function, options=OPTIONS):
    """Compile a function of the contract, which documents it; it hands over the lock."""
    parameters = ", ".join(inspect.signature(function).parameters)
    # Numba reads the names of parameters from a function's code, so they have to be written.
    text = f"""def {function.__name__}({parameters}):
    leave_python()
    result = compute({parameters})
    return_to_python()
    return result
"""
    space = {
        "compute": part_of_kernels(function),
        "leave_python": leave_python, "return_to_python": return_to_python,
    }  # fmt: skip
    exec(text, space)
    whole = space[function.__name__]
    whole.__module__, whole.__qualname__ = function.__module__, function.__qualname__
    whole.__doc__ = getattr(Kernels, function.__name__).__doc__
    return jit(whole, options)


def kernel_in_order(function):
    """As ``kernel``, for sums in the order in which they are written."""
    return kernel(function, IN_ORDER)


@kernel
def wait_for_all(counters, least, tries):
    position = 0
    while position < len(counters) and tries > 0:
        if look(counters, position) >= least[position]:
            position += 1
        else:
            tries -= 1
            pause()
    return position == len(counters)

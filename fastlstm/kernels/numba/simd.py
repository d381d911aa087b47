"""LLVM vector code for the kernels that must not depend on auto-vectorisation.

Numba has no vector types, so the kernels' inner loops are emitted by intrinsics.
``Simd`` is the small vocabulary they are written in: one instance stands for
"vectors of ``count`` elements of one float type" at one place of the code.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types

from fastlstm.kernels.numba.host import VECTOR_BYTES

# Coefficients of the 13/6 rational tanh in Eigen, generic_fast_tanh_float.
_TANH_LIMIT = 7.90531110763549805
_TANH_ODD = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_EVEN = (
    1.19825839466702e-06,
    1.18534705686654e-04,
    2.26843463243900e-03,
    4.89352518554385e-03,
)


class Simd:
    """Vectors of ``count`` elements of one float type.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    dtype : numba float32 or float64 type
    count : int
        Elements in a vector, a power of two.
    """

    def __init__(self, builder, dtype, count):
        self.builder = builder
        self.count = count
        self.is_double = dtype == types.float64
        self.element = ir.DoubleType() if self.is_double else ir.FloatType()
        self.itemsize = 8 if self.is_double else 4
        self.type = ir.VectorType(self.element, count)

    def constant(self, value):
        return ir.Constant(self.type, [float(value)] * self.count)

    def load(self, pointer):
        cast = self.builder.bitcast(pointer, self.type.as_pointer())
        return self.builder.load(cast, align=self.itemsize)

    def store(self, value, pointer):
        cast = self.builder.bitcast(pointer, self.type.as_pointer())
        self.builder.store(value, cast, align=self.itemsize)

    def broadcast(self, scalar):
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [0] * self.count)
        first = self.builder.insert_element(
            ir.Constant(self.type, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
        )
        return self.builder.shuffle_vector(first, ir.Constant(self.type, ir.Undefined), zeros)

    def _call(self, name, *arguments):
        suffix = f"v{self.count}f{self.itemsize * 8}"
        signature = ir.FunctionType(self.type, [self.type] * len(arguments))
        function = cgutils.get_or_insert_function(
            self.builder.module, signature, f"llvm.{name}.{suffix}"
        )
        return self.builder.call(function, arguments)

    def add(self, a, b):
        return self.builder.fadd(a, b)

    def sub(self, a, b):
        return self.builder.fsub(a, b)

    def mul(self, a, b):
        return self.builder.fmul(a, b)

    def fma(self, a, b, c):
        """a * b + c with one rounding."""
        return self._call("fma", a, b, c)

    def divide(self, a, b):
        """a / b for a finite b that is neither 0 nor tiny, within two units in the last place.

        AVX-512 divides slowly; this takes its estimate of 1 / b, right to 14 bits, and
        one step of Newton's method (docs/explanation/maths.md, section 13).
        """
        if self.count != 16 or self.is_double:
            return self.builder.fdiv(a, b)
        mask = ir.Constant(ir.IntType(16), -1)
        signature = ir.FunctionType(self.type, [self.type, self.type, mask.type])
        function = cgutils.get_or_insert_function(
            self.builder.module, signature, "llvm.x86.avx512.rcp14.ps.512"
        )
        estimate = self.builder.call(function, [b, b, mask])
        minus_b = self.builder.fneg(b)
        error = self.fma(minus_b, estimate, self.constant(1.0))
        return self.mul(a, self.fma(estimate, error, estimate))

    def clamp(self, x, limit):
        """x limited to [-limit, limit]; NaN stays NaN."""
        high, low = self.constant(limit), self.constant(-limit)
        x = self.builder.select(self.builder.fcmp_ordered(">", x, high), high, x)
        return self.builder.select(self.builder.fcmp_ordered("<", x, low), low, x)

    def _polynomial(self, x, coefficients):
        total = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.constant(coefficient))
        return total

    def tanh(self, x):
        """Hyperbolic tangent: rational in float32, by exp in float64.

        The float32 form is the 13/6 rational approximation (docs/explanation/maths.md,
        "The rational tanh"), limited so that |tanh| <= 1. Float64 serves gradient
        checks, where exactness matters and speed does not.
        """
        if self.is_double:
            doubled = self._call("exp", self.mul(self.clamp(x, 350.0), self.constant(2.0)))
            quotient = self.builder.fdiv(self.constant(2.0), self.add(doubled, self.constant(1.0)))
            return self.sub(self.constant(1.0), quotient)
        x = self.clamp(x, _TANH_LIMIT)
        square = self.mul(x, x)
        numerator = self.mul(x, self._polynomial(square, _TANH_ODD))
        ratio = self.divide(numerator, self._polynomial(square, _TANH_EVEN))
        return self.clamp(ratio, 1.0)

    def sigmoid(self, x):
        """1 / (1 + exp(-x)), as 1/2 + 1/2 tanh(x / 2)."""
        half = self.constant(0.5)
        return self.fma(half, self.tanh(self.mul(half, x)), half)


def prefetch(builder, pointer):
    """Ask for the cache line at ``pointer``, for reading, into all caches."""
    byte = ir.IntType(8).as_pointer()
    flags = [ir.Constant(ir.IntType(32), value) for value in (0, 3, 1)]
    signature = ir.FunctionType(ir.VoidType(), [byte, *(flag.type for flag in flags)])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0i8")
    builder.call(function, [builder.bitcast(pointer, byte), *flags])


def data_pointer(context, builder, array_type, array):
    """Pointer to the first element of a Numba array value."""
    return context.make_array(array_type)(context, builder, array).data


def for_each_chunk(builder, dtype, length, body):
    """Call ``body(simd, index)`` to emit code that covers ``range(length)``.

    Full vectors first, then ever smaller powers of two for the remainder, so
    that a length that is no multiple of the vector needs no masks and no slow
    element-wise path.
    """
    int_type = length.type
    count = VECTOR_BYTES // (8 if dtype == types.float64 else 4)
    index = cgutils.alloca_once_value(builder, ir.Constant(int_type, 0))
    full = True
    while count:
        simd = Simd(builder, dtype, count)
        step = ir.Constant(int_type, count)

        def fits(step=step):
            return builder.icmp_signed("<=", builder.add(builder.load(index), step), length)

        def emit(simd=simd, step=step):
            here = builder.load(index)
            body(simd, here)
            builder.store(builder.add(here, step), index)

        if full:
            with _While(builder, fits):
                emit()
        else:
            with builder.if_then(fits()):
                emit()
        full = False
        count //= 2


class _While:
    """``while condition(): block`` as a context manager around emitted code."""

    def __init__(self, builder, condition):
        self.builder = builder
        self.condition = condition

    def __enter__(self):
        builder = self.builder
        self.test = builder.append_basic_block("while.test")
        block = builder.append_basic_block("while.body")
        self.end = builder.append_basic_block("while.end")
        builder.branch(self.test)
        builder.position_at_end(self.test)
        builder.cbranch(self.condition(), block, self.end)
        builder.position_at_end(block)

    def __exit__(self, *exc_info):
        self.builder.branch(self.test)
        self.builder.position_at_end(self.end)

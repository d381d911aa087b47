"""One step of one document through the cell, forward and backward.

docs/explanation/maths.md, sections 2 and 4. The loops run over the hidden units in vectors;
a step leaves nothing in memory but its results.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastlstm.kernels.numba.micro_kernel import element_pointers
from fastlstm.kernels.numba.simd import for_each_chunk


@intrinsic
def cell_forward(
    typingctx, gates, gates_at, c_before, c_before_at, c, c_at, h, h_at, hidden
):  # fmt: skip
    """One document, one step: pre-activations become gates, then c and h.

    docs/explanation/maths.md, eqs. (3) to (5). ``gates`` holds [i | f | g | o] and is changed
    in place.
    """

    def codegen(context, builder, signature, values):
        at_gates, at_before, at_c, at_h, n = element_pointers(
            context, builder, signature.args, values
        )

        def body(simd, j):
            def gate(position):
                offset = builder.mul(n, ir.Constant(n.type, position))
                return builder.gep(at_gates, [builder.add(offset, j)])

            i = simd.sigmoid(simd.load(gate(0)))  # eq. (3)
            f = simd.sigmoid(simd.load(gate(1)))
            g = simd.tanh(simd.load(gate(2)))
            o = simd.sigmoid(simd.load(gate(3)))
            before = simd.load(builder.gep(at_before, [j]))
            now = simd.fma(f, before, simd.mul(i, g))  # eq. (4)
            for position, value in enumerate((i, f, g, o)):
                simd.store(value, gate(position))
            simd.store(now, builder.gep(at_c, [j]))
            simd.store(simd.mul(o, simd.tanh(now)), builder.gep(at_h, [j]))  # eq. (5)

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    arguments = (
        gates, types.int64, c_before, types.int64, c, types.int64, h, types.int64, types.int64,
    )  # fmt: skip
    return types.void(*arguments), codegen


@intrinsic
def cell_backward(
    typingctx, gates, gates_at, c_before, c_before_at, c, c_at, d_out, d_out_at,
    d_h, d_h_at, d_c, d_c_at, hidden,
):  # fmt: skip
    """One document, one step, backward: gates become gradients of pre-activations.

    docs/explanation/maths.md, eqs. (15) to (22). ``d_c`` leaves as the gradient of the state
    before.
    """

    def codegen(context, builder, signature, values):
        at_gates, at_before, at_c, at_d_out, at_d_h, at_d_c, n = element_pointers(
            context, builder, signature.args, values
        )

        def body(simd, j):
            def gate(position):
                offset = builder.mul(n, ir.Constant(n.type, position))
                return builder.gep(at_gates, [builder.add(offset, j)])

            def times_slope_of_sigmoid(d, y):  # eq. (11)
                return simd.mul(d, simd.mul(y, simd.sub(one, y)))

            def times_slope_of_tanh(d, y):  # eq. (12)
                return simd.mul(d, simd.sub(one, simd.mul(y, y)))

            one = simd.constant(1.0)
            i, f, g, o = (simd.load(gate(position)) for position in range(4))
            squashed = simd.tanh(simd.load(builder.gep(at_c, [j])))
            before = simd.load(builder.gep(at_before, [j]))
            into_h = simd.add(  # eq. (15)
                simd.load(builder.gep(at_d_out, [j])), simd.load(builder.gep(at_d_h, [j]))
            )
            d_o = simd.mul(into_h, squashed)  # eq. (17)
            into_c = simd.add(  # eq. (16)
                simd.load(builder.gep(at_d_c, [j])),
                times_slope_of_tanh(simd.mul(into_h, o), squashed),
            )
            # eq. (21), of the gates' gradients by eqs. (18), (19) and (20)
            simd.store(times_slope_of_sigmoid(simd.mul(into_c, g), i), gate(0))
            simd.store(times_slope_of_sigmoid(simd.mul(into_c, before), f), gate(1))
            simd.store(times_slope_of_tanh(simd.mul(into_c, i), g), gate(2))
            simd.store(times_slope_of_sigmoid(d_o, o), gate(3))
            simd.store(simd.mul(into_c, f), builder.gep(at_d_c, [j]))  # eq. (22)

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    arguments = (
        gates, types.int64, c_before, types.int64, c, types.int64, d_out, types.int64,
        d_h, types.int64, d_c, types.int64, types.int64,
    )  # fmt: skip
    return types.void(*arguments), codegen


@intrinsic
def plain_forward(typingctx, gates, gates_at, h, h_at, hidden):
    """One document, one step of a plain RNN: sums become outputs, eq. (124)."""

    def codegen(context, builder, signature, values):
        at_gates, at_h, n = element_pointers(context, builder, signature.args, values)

        def body(simd, j):
            out = simd.tanh(simd.load(builder.gep(at_gates, [j])))
            simd.store(out, builder.gep(at_gates, [j]))
            simd.store(out, builder.gep(at_h, [j]))

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    return types.void(gates, types.int64, h, types.int64, types.int64), codegen


@intrinsic
def plain_backward(typingctx, gates, gates_at, d_out, d_out_at, d_h, d_h_at, hidden):
    """The same backward: outputs become gradients of the sums, eq. (125)."""

    def codegen(context, builder, signature, values):
        at_gates, at_d_out, at_d_h, n = element_pointers(context, builder, signature.args, values)

        def body(simd, j):
            out = simd.load(builder.gep(at_gates, [j]))
            into_h = simd.add(
                simd.load(builder.gep(at_d_out, [j])), simd.load(builder.gep(at_d_h, [j]))
            )
            slope = simd.sub(simd.constant(1.0), simd.mul(out, out))
            simd.store(simd.mul(into_h, slope), builder.gep(at_gates, [j]))

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    arguments = (gates, types.int64, d_out, types.int64, d_h, types.int64, types.int64)
    return types.void(*arguments), codegen

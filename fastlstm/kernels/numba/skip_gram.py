"""Word vectors: one pass of skip-gram with negative sampling, summed in C's order."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastlstm.kernels.numba.handover import kernel_in_order
from fastlstm.kernels.numba.host import VECTOR_BYTES
from fastlstm.kernels.numba.micro_kernel import INDEX, ask_for, element_pointers, index
from fastlstm.kernels.numba.simd import Simd, for_each_chunk


def _full(builder, dtype):
    return Simd(builder, dtype, VECTOR_BYTES // (8 if dtype == types.float64 else 4))


@intrinsic
def _dot(typingctx, a, a_at, b, b_at, n):
    """Sum of products: two vectors of sums in turn, their elements, then what is left."""

    def codegen(context, builder, signature, values):
        at_a, at_b, count = element_pointers(context, builder, signature.args, values)
        simd, one = _full(builder, a.dtype), Simd(builder, a.dtype, 1)
        step = 2 * simd.count
        sums = [cgutils.alloca_once_value(builder, simd.constant(0)) for _ in range(2)]
        rounds = builder.sdiv(count, index(step))
        with cgutils.for_range(builder, rounds, intp=INDEX) as loop:
            for number, total in enumerate(sums):
                place = builder.add(
                    builder.mul(loop.index, index(step)), index(number * simd.count)
                )
                x, y = (simd.load(builder.gep(base, [place])) for base in (at_a, at_b))
                builder.store(simd.fma(x, y, builder.load(total)), total)
        both = simd.add(*(builder.load(total) for total in sums))
        total = ir.Constant(simd.element, 0)
        for number in range(simd.count):
            total = builder.fadd(total, builder.extract_element(both, ir.IntType(32)(number)))
        result = cgutils.alloca_once_value(builder, one.broadcast(total))
        done = builder.mul(rounds, index(step))
        with cgutils.for_range(builder, builder.sub(count, done), intp=INDEX) as loop:
            place = builder.add(done, loop.index)
            x, y = (one.load(builder.gep(base, [place])) for base in (at_a, at_b))
            builder.store(one.fma(x, y, builder.load(result)), result)
        return builder.extract_element(builder.load(result), ir.IntType(32)(0))

    return a.dtype(a, types.int64, b, types.int64, types.int64), codegen


@intrinsic
def _add_times(typingctx, factor, source, source_at, target, target_at, n):
    """target += factor * source, for ``n`` elements."""

    def codegen(context, builder, signature, values):
        from_, to, count = element_pointers(context, builder, signature.args[1:], values[1:])

        def body(simd, place):
            at = builder.gep(to, [place])
            product = simd.fma(
                simd.broadcast(values[0]), simd.load(builder.gep(from_, [place])), simd.load(at)
            )
            simd.store(product, at)

        for_each_chunk(builder, source.dtype, count, body)
        return context.get_dummy_value()

    return types.void(source.dtype, source, types.int64, target, types.int64, types.int64), codegen


@intrinsic
def _sigmoid(typingctx, x):
    """1 / (1 + exp(-x)), by the code of a full vector: shorter ones divide differently."""

    def codegen(context, builder, signature, values):
        simd = _full(builder, x)
        return builder.extract_element(simd.sigmoid(simd.broadcast(values[0])), ir.IntType(32)(0))

    return x(x), codegen


@kernel_in_order
def skip_gram(ids, offsets, windows, negatives, rate, inputs, outputs, scratch):
    width, n_targets = inputs.shape[1], negatives.shape[1] + 1
    rate = inputs.dtype.type(rate)
    one, zero = inputs.dtype.type(1), inputs.dtype.type(0)
    memory = scratch.reshape(-1)  # the sums of all targets, then their slopes
    sums = n_targets * width
    slopes = memory[sums : sums + n_targets]
    for document in range(len(offsets) - 1):
        first, last = offsets[document], offsets[document + 1]
        for p in range(first, last):
            token = ids[p]
            if p + 1 < last:  # the next token's negatives are all over the memory
                for target in negatives[p + 1]:
                    ask_for(outputs, target * width, width)
            memory[:sums] = 0
            for q in range(max(first, p - windows[p]), min(last, p + windows[p] + 1)):
                if q == p:
                    continue
                context = ids[q] * width
                for j in range(n_targets):
                    is_token = j == n_targets - 1
                    target = token if is_token else negatives[p, j]
                    slope = -rate * _sigmoid(_dot(inputs, context, outputs, target * width, width))
                    if is_token:
                        slopes[j] = slope + rate
                    else:
                        slopes[j] = zero if target == token else slope
                for j in range(n_targets):
                    _add_times(slopes[j], inputs, context, memory, j * width, width)
                for j in range(n_targets):
                    target = token if j == n_targets - 1 else negatives[p, j]
                    _add_times(slopes[j], outputs, target * width, inputs, context, width)
            for j in range(n_targets):
                target = token if j == n_targets - 1 else negatives[p, j]
                _add_times(one, memory, j * width, outputs, target * width, width)

"""The micro-kernel that matrix products are made of.

It holds a block of at most ``MICRO_ROWS`` rows and ``MICRO_VECTORS`` vectors of the result
in registers, while the products of one stretch of the summed index are added. Each shape
of it is a function of its own in LLVM's code, so that the registers of the surrounding
kernel do not crowd it.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastlstm.kernels.numba.host import MICRO_ROWS, MICRO_VECTORS, VECTOR_BYTES
from fastlstm.kernels.numba.simd import Simd, data_pointer, prefetch

INDEX = ir.IntType(64)

# Terms of the sum in one round of the loop, and how many terms ahead of its use the
# right-hand panel is asked for.
_UNROLL = 4
_AHEAD = 16


def index(value: int):
    """A 64-bit integer constant."""
    return ir.Constant(INDEX, value)


def element_pointers(context, builder, kinds, values):
    """LLVM values of an intrinsic's arguments: arrays as pointers, numbers as 64 bits.

    An array is followed by the place of the element that the pointer should show.
    """
    results, waiting = [], None
    for kind, value in zip(kinds, values, strict=True):
        if isinstance(kind, types.Array):
            waiting = data_pointer(context, builder, kind, value)
            continue
        if kind != types.int64:
            value = context.cast(builder, value, kind, types.int64)
        if waiting is not None:
            value, waiting = builder.gep(waiting, [value]), None
        results.append(value)
    return results


class _MicroKernel:
    """Emits the function of one shape: out = init + sum over k of a[k] b[k].

    ``b`` is a panel. Subclasses find the numbers of ``a``.
    """

    def __init__(self, module, dtype, rows, vectors):
        self.module, self.rows, self.vectors = module, rows, vectors
        self.dtype = dtype
        self.element = ir.DoubleType() if dtype == types.float64 else ir.FloatType()
        self.name = f"fastlstm{type(self).__name__}.{dtype}.{rows}x{vectors}"

    def left(self, k, step):
        """A function (term, row) -> pointer to a number of ``a``, for terms from ``k`` on."""
        raise NotImplementedError

    def function(self):
        pointer = self.element.as_pointer()
        kinds = [INDEX, pointer, INDEX, pointer, pointer, INDEX, pointer, INDEX]
        function = cgutils.get_or_insert_function(
            self.module, ir.FunctionType(ir.VoidType(), kinds), self.name
        )
        if not function.blocks:
            function.linkage = "linkonce_odr"
            function.attributes.add("noinline")
            self._emit(function)
        return function

    def _emit(self, function):
        self.k, self.a, self.a_stride, self.b = function.args[:4]
        init, init_row, out, out_row = function.args[4:]
        self.function_ = function
        self.builder = builder = ir.IRBuilder(function.append_basic_block("entry"))
        count = VECTOR_BYTES // (8 if self.dtype == types.float64 else 4)
        self.simd = simd = Simd(builder, self.dtype, count)
        self.cells = [(i, j) for i in range(self.rows) for j in range(self.vectors)]

        def place(base, row, i, j):
            return builder.gep(base, [builder.add(builder.mul(row, index(i)), index(j * count))])

        totals = [simd.load(place(init, init_row, i, j)) for i, j in self.cells]
        bulk = builder.and_(self.k, index(-_UNROLL))
        totals = self._loop("bulk", index(0), bulk, _UNROLL, totals)
        totals = self._loop("rest", bulk, self.k, 1, totals)
        for (i, j), total in zip(self.cells, totals, strict=True):
            simd.store(total, place(out, out_row, i, j))
        builder.ret_void()

    def _loop(self, name, first, end, step, totals):
        """Add the terms ``first .. end`` ``step`` at a time; returns the new totals."""
        builder = self.builder
        before = builder.block
        body = self.function_.append_basic_block(name)
        done = self.function_.append_basic_block(f"{name}.done")
        builder.cbranch(builder.icmp_signed("<", first, end), body, done)
        builder.position_at_end(body)
        k = builder.phi(INDEX)
        k.add_incoming(first, before)
        sums = []
        for total in totals:
            sums.append(builder.phi(self.simd.type))
            sums[-1].add_incoming(total, before)
        entering = list(sums)
        sums = self._terms(k, step, sums)
        following = builder.add(k, index(step))
        k.add_incoming(following, body)
        for phi, then in zip(entering, sums, strict=True):
            phi.add_incoming(then, body)
        builder.cbranch(builder.icmp_signed("<", following, end), body, done)
        builder.position_at_end(done)
        results = []
        for total, then in zip(totals, sums, strict=True):
            results.append(builder.phi(self.simd.type))
            results[-1].add_incoming(total, before)
            results[-1].add_incoming(then, body)
        return results

    def _terms(self, k, step, sums):
        """The sums with ``step`` terms more, from term ``k`` on."""
        builder, simd = self.builder, self.simd
        width = simd.count * MICRO_VECTORS
        b_row = builder.gep(self.b, [builder.mul(k, index(width))])
        left = self.left(k, step)
        for term in range(step):
            b = []
            for j in range(self.vectors):
                place = builder.gep(b_row, [index(term * width + j * simd.count)])
                b.append(simd.load(place))
                prefetch(builder, builder.gep(place, [index(_AHEAD * width)]))
            for i in range(self.rows):
                a = simd.broadcast(builder.load(left(term, i)))
                for j in range(self.vectors):
                    cell = i * self.vectors + j
                    sums[cell] = simd.fma(a, b[j], sums[cell])
        return sums


class _ByRows(_MicroKernel):
    """``a`` by rows: the terms of a row are neighbours."""

    def left(self, k, step):
        builder = self.builder
        rows = [
            builder.gep(self.a, [builder.add(builder.mul(self.a_stride, index(i)), k)])
            for i in range(self.rows)
        ]
        return lambda term, i: builder.gep(rows[i], [index(term)])


class _ByColumns(_MicroKernel):
    """``a`` by columns: the rows of a term are neighbours."""

    def left(self, k, step):
        builder = self.builder
        terms = [builder.gep(self.a, [builder.mul(k, self.a_stride)])]
        for _ in range(1, step):
            terms.append(builder.gep(terms[-1], [self.a_stride]))
        return lambda term, i: builder.gep(terms[term], [index(i)])


def _call_shape(context, builder, signature, values, kind):
    """Emit a switch over all shapes of a kind of micro-kernel; each case is a call."""
    dtype = signature.args[-3].dtype
    arguments = element_pointers(context, builder, signature.args, values)
    rows, vectors, *rest = arguments
    code = builder.add(builder.mul(rows, index(MICRO_VECTORS + 1)), vectors)
    end = builder.append_basic_block("shape.end")
    switch = builder.switch(code, end)
    for n_rows in range(1, MICRO_ROWS + 1):
        for n_vectors in range(1, MICRO_VECTORS + 1):
            block = builder.append_basic_block("shape")
            switch.add_case(index(n_rows * (MICRO_VECTORS + 1) + n_vectors), block)
            builder.position_at_end(block)
            builder.call(kind(builder.module, dtype, n_rows, n_vectors).function(), rest)
            builder.branch(end)
    builder.position_at_end(end)
    return context.get_dummy_value()


@intrinsic
def multiply_rows(
    typingctx, rows, vectors, k, a, a_at, a_row, b, b_at, init, init_at, init_row,
    out, out_at, out_row,
):  # fmt: skip
    """out[i, j] = init[i, j] + sum over k of a[i, k] b[k, j] for one block.

    ``rows`` <= MICRO_ROWS and ``vectors`` <= MICRO_VECTORS choose the shape.
    Places (``..._at``) and strides (``..._row``) count elements.
    """

    def codegen(context, builder, signature, values):
        return _call_shape(context, builder, signature, values, _ByRows)

    return types.void(rows, vectors, k, a, a_at, a_row, b, b_at, init, init_at, init_row,
                      out, out_at, out_row), codegen  # fmt: skip


@intrinsic
def multiply_columns(
    typingctx, rows, vectors, k, a, a_at, a_stride, b, b_at, init, init_at, init_row,
    out, out_at, out_row,
):  # fmt: skip
    """out[i, j] = init[i, j] + sum over k of a[k, i] b[k, j]: as ``multiply_rows`` for a.T."""

    def codegen(context, builder, signature, values):
        return _call_shape(context, builder, signature, values, _ByColumns)

    return types.void(rows, vectors, k, a, a_at, a_stride, b, b_at, init, init_at, init_row,
                      out, out_at, out_row), codegen  # fmt: skip


@intrinsic
def pack_panel(typingctx, d, d_at, d_row, count, out, out_at, summed, sums, sums_at):
    """Copy rows of one panel's width to ``out``; if ``summed``, add their sum to ``sums``."""

    def codegen(context, builder, signature, values):
        at_d, row, n, at_out, summed, at_sums = element_pointers(
            context, builder, signature.args, values
        )
        summed = builder.icmp_signed("!=", summed, index(0))
        itemsize = 8 if d.dtype == types.float64 else 4
        simd = Simd(builder, d.dtype, VECTOR_BYTES // itemsize)
        places = [index(j * simd.count) for j in range(MICRO_VECTORS)]
        totals = [cgutils.alloca_once(builder, simd.type) for _ in places]
        for total in totals:
            builder.store(simd.constant(0), total)
        with builder.if_then(summed):
            for total, place in zip(totals, places, strict=True):
                builder.store(simd.load(builder.gep(at_sums, [place])), total)
        with cgutils.for_range(builder, n, intp=INDEX) as loop:
            source = builder.gep(at_d, [builder.mul(loop.index, row)])
            target = builder.gep(
                at_out, [builder.mul(loop.index, index(MICRO_VECTORS * simd.count))]
            )
            for total, place in zip(totals, places, strict=True):
                value = simd.load(builder.gep(source, [place]))
                simd.store(value, builder.gep(target, [place]))
                builder.store(simd.add(builder.load(total), value), total)
        with builder.if_then(summed):
            for total, place in zip(totals, places, strict=True):
                simd.store(builder.load(total), builder.gep(at_sums, [place]))
        return context.get_dummy_value()

    return types.void(d, d_at, d_row, count, out, out_at, summed, sums, sums_at), codegen


@intrinsic
def ask_for(typingctx, array, at, count):
    """Ask for ``count`` elements of an array, from the place ``at`` on, into the caches."""
    per_line = 64 // (8 if array.dtype == types.float64 else 4)

    def codegen(context, builder, signature, values):
        first, n = element_pointers(context, builder, signature.args, values)
        with cgutils.for_range(builder, builder.udiv(n, index(per_line)), intp=INDEX) as loop:
            prefetch(builder, builder.gep(first, [builder.mul(loop.index, index(per_line))]))
        return context.get_dummy_value()

    return types.void(array, at, count), codegen

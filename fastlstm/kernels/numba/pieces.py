"""Numbers in 16-bit pieces: how operands of ``bfloat16.py`` are laid out and filled.

The right-hand matrix lies in blocks of 32 terms and 16 columns, with the two terms
of a pair side by side: what ``tdpbf16ps`` reads as a tile and ``vdpbf16ps`` as
sixteen vectors. Blocks follow each other as [panel][chunk of terms][4 blocks]. The
left-hand matrix lies in rows, the pieces of a row one after the other. Terms are
padded with zeros to a multiple of 32.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastlstm.kernels.layout import COLUMNS, PANEL, TERMS
from fastlstm.kernels.numba.lanes import data_pointer
from fastlstm.kernels.numba.tiles import INDEX, element_pointers, index

BLOCK = TERMS * COLUMNS

# Element type of packed weights -> pieces of a number.
PIECES = {types.uint16: 1, types.int16: 3}

I8, I16, I32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
FLOATS = ir.VectorType(ir.FloatType(), 16)
WORDS = ir.VectorType(I32, 16)


def _left_row(builder, padded, pieces):
    """Length of a row of the left-hand operand, as LLVM code.

    One chunk longer than its pieces: rows whose distance is a high power of two would
    share a few lines of the L1 cache.
    """
    return builder.add(builder.mul(padded, index(pieces)), index(TERMS))


# -- vectors of 16 numbers ---------------------------------------------------------


def repeated(value):
    """16 equal words."""
    return ir.Constant(WORDS, [value] * 16)


class _Pieces:
    """Splits vectors of 16 floats; each piece is a vector of words, in the upper half."""

    def __init__(self, builder, pieces):
        self.builder, self.pieces = builder, pieces

    def split(self, x):
        """Of three pieces the first two may be off by a tie: the next one makes up for it."""
        builder = self.builder
        found = []
        for number in range(self.pieces):
            bits = builder.bitcast(x, WORDS)
            half = repeated(0x8000)
            if self.pieces == 1:  # to nearest even
                odd = builder.and_(builder.lshr(bits, repeated(16)), repeated(1))
                half = builder.add(odd, repeated(0x7FFF))
            rounded = builder.add(bits, half)
            if number == 0:
                # Rounding could carry a NaN into infinity or zero.
                is_nan = builder.fcmp_unordered("uno", x, x)
                rounded = builder.select(is_nan, repeated(0x7FC00000), rounded)
            piece = builder.and_(rounded, repeated(-0x10000))
            found.append(piece)
            x = builder.fsub(x, builder.bitcast(piece, FLOATS))
        return found

    def halves(self, low, high):
        """The upper halves of two vectors of words, as 32 neighbours."""
        builder, kind = self.builder, ir.VectorType(I16, 32)
        mask = ir.Constant(ir.VectorType(I32, 32), list(range(1, 64, 2)))
        return builder.shuffle_vector(builder.bitcast(low, kind), builder.bitcast(high, kind), mask)

    def paired(self, first, second):
        """Words that hold ``first`` in the lower half and ``second`` in the upper."""
        return self.builder.or_(self.builder.lshr(first, repeated(16)), second)


def load_words(builder, pointer, kind):
    """A value of that LLVM type from a place of 16-bit numbers."""
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=2)


def _store(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=2)


def _load_floats(builder, pointer, count):
    """16 floats, of which those from ``count`` on are 0 and are not read."""
    lanes = ir.Constant(WORDS, list(range(16)))
    limit = builder.trunc(builder.select(
        builder.icmp_signed("<", count, index(16)), count, index(16)), I32)  # fmt: skip
    first = builder.insert_element(ir.Constant(WORDS, ir.Undefined), limit, ir.Constant(I32, 0))
    limits = builder.shuffle_vector(first, ir.Constant(WORDS, ir.Undefined), repeated(0))
    mask = builder.icmp_signed("<", lanes, limits)
    at = builder.bitcast(pointer, FLOATS.as_pointer())
    signature = ir.FunctionType(FLOATS, [at.type, I32, mask.type, FLOATS])
    function = cgutils.get_or_insert_function(
        builder.module, signature, "llvm.masked.load.v16f32.p0v16f32"
    )
    zeros = ir.Constant(FLOATS, [0.0] * 16)
    return builder.call(function, [at, ir.Constant(I32, 4), mask, zeros])


def _load_terms(builder, row, first, offset, n_terms):
    """16 terms of a row from ``first + offset`` on; those from ``n_terms`` on are 0."""
    term = builder.add(first, index(offset))
    left = builder.sub(n_terms, term)
    left = builder.select(builder.icmp_signed("<", left, index(0)), index(0), left)
    return _load_floats(builder, builder.gep(row, [term]), left)


# -- staging the operands -----------------------------------------------------------


@intrinsic
def split_rows(typingctx, x, x_at, x_row, n_rows, depth, out, out_at):
    """Rows of ``x`` in pieces: the left-hand operand of a product."""
    pieces = PIECES[out.dtype]

    def codegen(context, builder, signature, values):
        source, row, n, k, target = element_pointers(context, builder, signature.args, values)
        padded = builder.mul(
            builder.udiv(builder.add(k, index(TERMS - 1)), index(TERMS)), index(TERMS)
        )
        splitter = _Pieces(builder, pieces)
        with cgutils.for_range(builder, n, intp=INDEX) as rows:
            from_row = builder.gep(source, [builder.mul(rows.index, row)])
            to_row = builder.gep(
                target, [builder.mul(rows.index, _left_row(builder, padded, pieces))]
            )
            with cgutils.for_range(builder, builder.udiv(padded, index(TERMS)), intp=INDEX) as loop:
                first = builder.mul(loop.index, index(TERMS))
                split = [
                    splitter.split(_load_terms(builder, from_row, first, offset, k))
                    for offset in (0, 16)
                ]
                for number, (low, high) in enumerate(zip(*split, strict=True)):
                    place = builder.add(first, builder.mul(padded, index(number)))
                    _store(builder, splitter.halves(low, high), builder.gep(to_row, [place]))
        return context.get_dummy_value()

    return types.void(x, x_at, x_row, n_rows, depth, out, out_at), codegen


@intrinsic
def pair_rows(typingctx, d, d_at, d_row, count, columns, out, out_at, piece_length, sums, sums_at):
    """Rows of ``d`` as blocks of a right-hand operand; their sum is added to ``sums``.

    ``count`` rows, padded with zeros to a multiple of 32, become the terms; blocks
    follow each other by panels of 64 columns.
    """
    pieces = PIECES[out.dtype]

    def codegen(context, builder, signature, values):
        source, row, n, width, target, stride, totals = element_pointers(
            context, builder, signature.args, values
        )
        splitter = _Pieces(builder, pieces)
        chunks = builder.udiv(builder.add(n, index(TERMS - 1)), index(TERMS))
        vectors = builder.udiv(builder.add(width, index(15)), index(16))
        with cgutils.for_range(builder, vectors, intp=INDEX) as vector:
            column = builder.mul(vector.index, index(16))
            left = builder.sub(width, column)
            total = cgutils.alloca_once(builder, FLOATS)
            at_total = builder.gep(totals, [column])
            builder.store(builder.load(
                builder.bitcast(at_total, FLOATS.as_pointer()), align=4), total)  # fmt: skip
            # Blocks lie as [panel][chunk][vector of the panel].
            panel = builder.udiv(vector.index, index(PANEL))
            within = builder.urem(vector.index, index(PANEL))
            base = builder.add(builder.mul(builder.mul(panel, chunks), index(PANEL)), within)
            with cgutils.for_range(
                builder, builder.mul(chunks, index(TERMS // 2)), intp=INDEX
            ) as pair:
                first = builder.mul(pair.index, index(2))
                split = []
                for offset in (0, 1):
                    token = builder.add(first, index(offset))
                    place = builder.gep(source, [builder.add(builder.mul(token, row), column)])
                    inside = builder.icmp_signed("<", token, n)
                    x = _load_floats(builder, place, builder.select(inside, left, index(0)))
                    builder.store(builder.fadd(builder.load(total), x), total)
                    split.append(splitter.split(x))
                chunk = builder.udiv(pair.index, index(TERMS // 2))
                in_chunk = builder.urem(pair.index, index(TERMS // 2))
                block = builder.add(base, builder.mul(chunk, index(PANEL)))
                place = builder.add(
                    builder.mul(block, index(BLOCK)), builder.mul(in_chunk, index(32))
                )
                for number, (a, b) in enumerate(zip(*split, strict=True)):
                    at = builder.add(place, builder.mul(stride, index(number)))
                    _store(builder, splitter.paired(a, b), builder.gep(target, [at]))
            builder.store(builder.load(total), builder.bitcast(
                at_total, FLOATS.as_pointer()), align=4)  # fmt: skip
        return context.get_dummy_value()

    return types.void(
        d, d_at, d_row, count, columns, out, out_at, piece_length, sums, sums_at
    ), codegen  # fmt: skip


def _transposed(builder, rows):
    """16 vectors of 16 words, transposed in four rounds of exchanges."""
    for step in (1, 2, 4, 8):
        following = list(rows)
        for r in range(16):
            if r & step:
                continue
            a, b = rows[r], rows[r + step]
            keep = [lane if not lane & step else 16 + lane - step for lane in range(16)]
            swap = [lane + step if not lane & step else 16 + lane for lane in range(16)]
            for place, lanes in ((r, keep), (r + step, swap)):
                mask = ir.Constant(ir.VectorType(I32, 16), lanes)
                following[place] = builder.shuffle_vector(a, b, mask)
        rows = following
    return rows


@intrinsic
def transpose_rows(typingctx, x, x_at, x_row, count, m, out, out_at):
    """Rows of ``x`` as a left-hand operand for ``x.T``: its columns become rows.

    ``count`` rows, padded with zeros to a multiple of 32, become the terms; ``m``
    columns, padded to a multiple of 16, become the rows.
    """
    pieces = PIECES[out.dtype]

    def codegen(context, builder, signature, values):
        source, row, n, width, target = element_pointers(context, builder, signature.args, values)
        splitter = _Pieces(builder, pieces)
        chunks = builder.udiv(builder.add(n, index(TERMS - 1)), index(TERMS))
        length = builder.mul(chunks, index(TERMS))
        out_row = _left_row(builder, length, pieces)
        blocks = builder.udiv(builder.add(width, index(15)), index(16))
        with cgutils.for_range(builder, blocks, intp=INDEX) as block:
            column = builder.mul(block.index, index(16))
            left = builder.sub(width, column)
            with cgutils.for_range(builder, chunks, intp=INDEX) as chunk:
                first = builder.mul(chunk.index, index(TERMS))
                paired = [[] for _ in range(pieces)]
                for pair in range(TERMS // 2):
                    split = []
                    for offset in (0, 1):
                        token = builder.add(first, index(2 * pair + offset))
                        place = builder.gep(source, [builder.add(builder.mul(token, row), column)])
                        inside = builder.icmp_signed("<", token, n)
                        count = builder.select(inside, left, index(0))
                        split.append(splitter.split(_load_floats(builder, place, count)))
                    for number, (a, b) in enumerate(zip(*split, strict=True)):
                        paired[number].append(splitter.paired(a, b))
                for number, words in enumerate(paired):
                    for r, value in enumerate(_transposed(builder, words)):
                        place = builder.add(
                            builder.mul(builder.add(column, index(r)), out_row),
                            builder.add(builder.mul(length, index(number)), first),
                        )
                        _store(builder, value, builder.gep(target, [place]))
        return context.get_dummy_value()

    return types.void(x, x_at, x_row, count, m, out, out_at), codegen


@intrinsic
def pair_columns(typingctx, w, w_row, terms, columns, out, piece_length):
    """``w.T`` as blocks of a right-hand operand: row ``j`` of ``w`` becomes column ``j``."""
    pieces = PIECES[out.dtype]

    def codegen(context, builder, signature, values):
        source = data_pointer(context, builder, signature.args[0], values[0])
        target = data_pointer(context, builder, signature.args[4], values[4])
        row, n_terms, width, stride = values[1], values[2], values[3], values[5]
        splitter = _Pieces(builder, pieces)
        chunks = builder.udiv(builder.add(n_terms, index(TERMS - 1)), index(TERMS))
        vectors = builder.udiv(builder.add(width, index(15)), index(16))
        with cgutils.for_range(builder, vectors, intp=INDEX) as vector:
            first_row = builder.mul(vector.index, index(16))
            panel = builder.udiv(vector.index, index(PANEL))
            within = builder.urem(vector.index, index(PANEL))
            base = builder.add(builder.mul(builder.mul(panel, chunks), index(PANEL)), within)
            with cgutils.for_range(builder, chunks, intp=INDEX) as chunk:
                first = builder.mul(chunk.index, index(TERMS))
                words = [[] for _ in range(pieces)]
                for r in range(16):
                    here = builder.add(first_row, index(r))
                    inside = builder.icmp_signed("<", here, width)
                    at_row = builder.gep(source, [builder.mul(here, row)])
                    limit = builder.select(inside, n_terms, index(0))
                    split = [
                        splitter.split(_load_terms(builder, at_row, first, offset, limit))
                        for offset in (0, 16)
                    ]
                    for number, (low, high) in enumerate(zip(*split, strict=True)):
                        both = splitter.halves(low, high)
                        words[number].append(builder.bitcast(both, WORDS))
                block = builder.mul(
                    builder.add(base, builder.mul(chunk.index, index(PANEL))), index(BLOCK)
                )
                for number, rows in enumerate(words):
                    start = builder.add(block, builder.mul(stride, index(number)))
                    for pair, value in enumerate(_transposed(builder, rows)):
                        place = builder.gep(target, [builder.add(start, index(32 * pair))])
                        _store(builder, value, place)
        return context.get_dummy_value()

    return types.void(w, types.int64, types.int64, types.int64, out, types.int64), codegen

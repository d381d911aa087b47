"""Matrix products from 16-bit pieces of float32 numbers, summed in float32.

A bfloat16 number is the upper half of a float32. Two element types of packed
weights and scratch memory stand for two precisions:

- uint16, one piece a number: the products of ``precision="bfloat16"``.
- int16, three pieces a number: float32 products on a CPU with matrix tiles (AMX).
  The pieces of ``x`` are ``p0 = round(x)``, ``p1 = round(x - p0)`` and ``p2 = round(x
  - p0 - p1)``, and their sum is ``x``. Of the nine products of pieces the six largest
  are summed; what is left out is no more than float32's own rounding (docs/explanation/maths.md,
  section 15; Henry, Tang & Heinecke 2019, "Leveraging the
  bfloat16 artificial intelligence datatype for higher-precision computations").

``pieces.py`` describes the layout that both have.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from fastlstm.kernels.layout import COLUMNS, PANEL, ROWS, TERMS
from fastlstm.kernels.numba.host import HAS_TILES
from fastlstm.kernels.numba.jit import IN_ORDER, OPTIONS
from fastlstm.kernels.numba.lanes import TILE_ROWS
from fastlstm.kernels.numba.pieces import (
    BLOCK,
    FLOATS,
    I8,
    I16,
    I32,
    PIECES,
    WORDS,
    load_words,
    pair_columns,
    pair_rows,
    repeated,
    split_rows,
    transpose_rows,
)
from fastlstm.kernels.numba.products import add_gradient, left_operand, pack_matrix, product_rows
from fastlstm.kernels.numba.tiles import INDEX, Tile, call_tile, element_pointers, index

# Chunks of terms that are summed in one go: so much of the left matrix stays in the
# L1 cache while the columns pass.
_CHUNKS = 4

# Tile registers: the first four hold sums, the others operands.
_OPERANDS = 4

_BYTES = I8.as_pointer()


def _tile_call(builder, name, *arguments):
    """Call one of LLVM's intrinsics for matrix tiles; plain ints are tile numbers."""
    values = [ir.Constant(I8, a) if isinstance(a, int) else a for a in arguments]
    signature = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.x86.{name}")
    builder.call(function, values)


@intrinsic
def configure_tiles(typingctx, rows, b):
    """Give the tiles of sums and of the left matrix that many rows, at most 16.

    The element type of ``b`` tells which are which, where the rows are fewer than 16.
    """
    right = range(_OPERANDS + PIECES[b.dtype], 8)

    def codegen(context, builder, signature, values):
        n_rows = builder.trunc(values[0], I8)
        config = cgutils.alloca_once(builder, ir.ArrayType(I8, 64))
        at = builder.bitcast(config, _BYTES)
        builder.store(ir.Constant(ir.ArrayType(I8, 64), None), config)
        builder.store(ir.Constant(I8, 1), at)  # the palette with eight tiles
        for tile in range(8):
            columns = builder.gep(at, [index(16 + 2 * tile)])
            builder.store(ir.Constant(I8, 64), columns)
            count = ir.Constant(I8, ROWS) if tile in right else n_rows
            builder.store(count, builder.gep(at, [index(48 + tile)]))
        _tile_call(builder, "ldtilecfg", at)
        return context.get_dummy_value()

    return types.void(types.int64, b), codegen


def _strip_function(module, pieces, blocks, vectors):
    """Function of one strip: ``blocks`` times 16 rows by ``vectors`` times 16 columns.

    Each tile of the right matrix is read once, past the L1 cache, which keeps what
    is read again: the sums, and for 32 rows the left matrix. Pieces of the right
    matrix are taken from the last to the first, anew for every 32 terms.
    """
    arguments = [INDEX, _BYTES, INDEX, INDEX, _BYTES, INDEX, _BYTES, INDEX, _BYTES, INDEX]
    name = f"fastlstm.strip.{pieces}.{blocks}x{vectors}"
    function = cgutils.get_or_insert_function(
        module, ir.FunctionType(ir.VoidType(), arguments), name
    )
    if function.blocks:
        return function
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    chunks, a, a_row, a_piece, b, b_piece, init, init_row, out, out_row = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    cells = [(i, j) for i in range(blocks) for j in range(vectors)]

    def of_block(base, row, i, offset=0):
        place = builder.add(builder.mul(row, index(ROWS * i)), index(offset))
        return builder.gep(base, [place])

    for tile, (i, j) in enumerate(cells):
        _tile_call(builder, "tileloadd64", tile, of_block(init, init_row, i, 64 * j), init_row)
    with cgutils.for_range(builder, chunks, intp=INDEX) as loop:
        a_chunk = builder.gep(a, [builder.mul(loop.index, index(2 * TERMS))])
        b_chunk = builder.gep(b, [builder.mul(loop.index, index(2 * BLOCK * PANEL))])

        def load_left(tile, piece, i):
            place = builder.gep(a_chunk, [builder.mul(a_piece, index(piece))])
            _tile_call(builder, "tileloadd64", tile, of_block(place, a_row, i), a_row)

        def load_right(tile, piece, j):
            place = builder.mul(b_piece, index(piece))
            place = builder.gep(b_chunk, [builder.add(place, index(2 * BLOCK * j))])
            _tile_call(builder, "tileloaddt164", tile, place, index(64))

        def multiply(i, j, left, right):
            _tile_call(builder, "tdpbf16ps", i * vectors + j, left, right)

        (_one_block if blocks == 1 else _two_blocks)(
            pieces, vectors, load_left, load_right, multiply
        )
    for tile, (i, j) in enumerate(cells):
        _tile_call(builder, "tilestored64", tile, of_block(out, out_row, i, 64 * j), out_row)
    builder.ret_void()
    return function


def _one_block(pieces, vectors, load_left, load_right, multiply):
    """Tiles of the left matrix stay; those of the right one pass through the others."""
    spare = range(_OPERANDS + pieces, 8)
    for piece in range(pieces):
        load_left(_OPERANDS + piece, piece, 0)
    turn = 0
    for right in reversed(range(pieces)):
        for j in range(vectors):
            tile = spare[turn % len(spare)]
            turn += 1
            load_right(tile, right, j)
            for left in reversed(range(pieces - right)):
                multiply(0, j, _OPERANDS + left, tile)


def _two_blocks(pieces, vectors, load_left, load_right, multiply):
    """Two tiles of the left matrix and two of the right one at a time."""
    for right in reversed(range(pieces)):
        for j in range(vectors):
            load_right(_OPERANDS + 2 + j, right, j)
        for left in reversed(range(pieces - right)):
            for i in range(2):
                load_left(_OPERANDS + i, left, i)
            for j in range(vectors):
                for i in range(2):
                    multiply(i, j, _OPERANDS + i, _OPERANDS + 2 + j)


# Shapes of a strip (blocks of 16 rows, blocks of 16 columns) and their codes.
_STRIPS = {10 * blocks + vectors: (blocks, vectors) for blocks, vectors in (
    (1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2),
)}  # fmt: skip


@intrinsic
def tile_strip(
    typingctx, blocks, vectors, chunks, a, a_at, a_row, a_piece, b, b_at, b_piece,
    init, init_at, init_row, out, out_at, out_row,
):  # fmt: skip
    """out = init + a @ b for one strip, by matrix tiles that are configured already.

    Strides count elements.
    """
    pieces = PIECES[b.dtype]

    def codegen(context, builder, signature, values):
        (
            blocks, vectors, chunks, a, a_row, a_piece, b, b_piece, init, init_row, out, out_row,
        ) = element_pointers(context, builder, signature.args, values)  # fmt: skip

        def bytes_of(stride, itemsize):
            return builder.mul(stride, index(itemsize))

        arguments = [
            chunks, builder.bitcast(a, _BYTES), bytes_of(a_row, 2), bytes_of(a_piece, 2),
            builder.bitcast(b, _BYTES), bytes_of(b_piece, 2),
            builder.bitcast(init, _BYTES), bytes_of(init_row, 4),
            builder.bitcast(out, _BYTES), bytes_of(out_row, 4),
        ]  # fmt: skip
        end = builder.append_basic_block("strip.end")
        shape = builder.add(builder.mul(blocks, index(10)), vectors)
        switch = builder.switch(shape, end)
        for code, (n_blocks, n_vectors) in _STRIPS.items():
            block = builder.append_basic_block("strip")
            switch.add_case(index(code), block)
            builder.position_at_end(block)
            function = _strip_function(builder.module, pieces, n_blocks, n_vectors)
            builder.call(function, arguments)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(
        blocks, vectors, chunks, a, a_at, a_row, a_piece, b, b_at, b_piece,
        init, init_at, init_row, out, out_at, out_row,
    ), codegen  # fmt: skip


class DotTile(Tile):
    """A tile of ``vdpbf16ps``, for a CPU without matrix tiles; a term is a pair."""

    def __init__(self, module, dtype, rows, vectors):
        super().__init__(module, dtype, rows, vectors)
        self.operand = I16

    def terms(self, k, step, sums):
        builder = self.builder
        # Pairs of a block are neighbours, and turns never cross its end.
        block = builder.mul(builder.udiv(k, index(TERMS // 2)), index(BLOCK * PANEL))
        pair = builder.mul(builder.urem(k, index(TERMS // 2)), index(2 * COLUMNS))
        b_block = builder.gep(self.b, [builder.add(block, pair)])
        for term in range(step):
            b = [
                load_words(builder, builder.gep(b_block, [index(term * 32 + j * BLOCK)]), WORDS)
                for j in range(self.vectors)
            ]
            for i in range(self.rows):
                place = builder.add(builder.mul(self.a_stride, index(i)), index(2 * term))
                place = builder.add(place, builder.mul(k, index(2)))
                word = load_words(builder, builder.gep(self.a, [place]), I32)
                first = builder.insert_element(
                    ir.Constant(WORDS, ir.Undefined), word, ir.Constant(I32, 0)
                )
                a = builder.shuffle_vector(first, ir.Constant(WORDS, ir.Undefined), repeated(0))
                for j in range(self.vectors):
                    cell = i * self.vectors + j
                    sums[cell] = self._dot(sums[cell], a, b[j])
        return sums

    def _dot(self, total, a, b):
        # With words instead of bfloats, which llvmlite lacks; LLVM upgrades the call.
        function = cgutils.get_or_insert_function(
            self.module, ir.FunctionType(FLOATS, [FLOATS, WORDS, WORDS]),
            "llvm.x86.avx512bf16.dpbf16ps.512",
        )  # fmt: skip
        return self.builder.call(function, [total, a, b])


@intrinsic
def dot_tile(
    typingctx, rows, vectors, pairs, a, a_at, a_row, b, b_at, init, init_at, init_row,
    out, out_at, out_row,
):  # fmt: skip
    """As ``row_tile``, from single pieces: ``pairs`` of terms, ``b`` one panel's blocks."""

    def codegen(context, builder, signature, values):
        return call_tile(context, builder, signature, values, DotTile)

    return types.void(rows, vectors, pairs, a, a_at, a_row, b, b_at, init, init_at, init_row,
                      out, out_at, out_row), codegen  # fmt: skip


# -- the forms of the products for pieces ---------------------------------------------


def _is_pieces(kind) -> bool:
    return kind.dtype in PIECES


@overload(pack_matrix, jit_options=OPTIONS)
def _pack_pieces(w, transpose, out):
    if not _is_pieces(out):
        return None

    def pack_pieces(w, transpose, out):
        length = out.size // out.shape[0]
        if transpose:
            pair_columns(w, w.shape[1], w.shape[1], w.shape[0], out, length)
        else:
            unused = np.empty(-(-w.shape[1] // COLUMNS) * COLUMNS, w.dtype)
            pair_rows(w, 0, w.shape[1], w.shape[0], w.shape[1], out, 0, length, unused, 0)

    return pack_pieces


@overload(left_operand, jit_options=OPTIONS)
def _left_operand_pieces(x, x_at, x_row, n_rows, depth, packed, scratch, scratch_row):
    if not _is_pieces(packed):
        return None

    def staged(x, x_at, x_row, n_rows, depth, packed, scratch, scratch_row):
        row = (packed.shape[0] * packed.shape[2] + 1) * TERMS
        split_rows(x, x_at, x_row, n_rows, depth, scratch, scratch_row * row)
        return scratch, scratch_row * row, row

    return staged


@overload(product_rows, jit_options=OPTIONS)
def _product_rows_pieces(
    a, a_at, a_row, n_rows, packed, columns, init, init_at, init_row, out, out_at, out_row
):  # fmt: skip
    if not _is_pieces(packed):
        return None

    def by_strips(
        a, a_at, a_row, n_rows, packed, columns, init, init_at, init_row, out, out_at, out_row
    ):  # fmt: skip
        pieces, panels, chunks = packed.shape[:3]
        strips(
            a, a_at, a_row, n_rows, packed, 0, pieces, panels, chunks, columns,
            init, init_at, init_row, out, out_at, out_row,
        )  # fmt: skip

    return by_strips


def strips(
    a, a_at, a_row, n_rows, b, b_at, pieces, panels, chunks, columns,
    init, init_at, init_row, out, out_at, out_row,
):  # fmt: skip
    """All strips of one product, of which ``b`` holds ``panels`` panels from ``b_at`` on."""
    raise NotImplementedError("for compiled callers")


@overload(strips, jit_options=OPTIONS)
def _strips(
    a, a_at, a_row, n_rows, b, b_at, pieces, panels, chunks, columns,
    init, init_at, init_row, out, out_at, out_row,
):  # fmt: skip
    def by_dot_products(
        a, a_at, a_row, n_rows, b, b_at, pieces, panels, chunks, columns,
        init, init_at, init_row, out, out_at, out_row,
    ):  # fmt: skip
        for panel in range(panels):
            column = panel * PANEL * COLUMNS
            vectors = min(PANEL, (columns - column + COLUMNS - 1) // COLUMNS)
            for row in range(0, n_rows, TILE_ROWS):
                dot_tile(
                    min(TILE_ROWS, n_rows - row), vectors, chunks * (TERMS // 2),
                    a, a_at + row * a_row, a_row, b, b_at + panel * chunks * PANEL * BLOCK,
                    init, init_at + row * init_row + column, init_row,
                    out, out_at + row * out_row + column, out_row,
                )  # fmt: skip

    def by_tiles(
        a, a_at, a_row, n_rows, b, b_at, pieces, panels, chunks, columns,
        init, init_at, init_row, out, out_at, out_row,
    ):  # fmt: skip
        panel_length = chunks * PANEL * BLOCK
        first = 0
        while first < n_rows:
            # Strips of 32 rows, then one of 16, then what is left.
            left = n_rows - first
            blocks = 2 if left >= 2 * ROWS else 1
            rows = min(blocks * ROWS, left)
            last = first + left // rows * rows
            configure_tiles(min(ROWS, rows), b)
            step = PANEL // blocks
            for row in range(first, last, rows):
                for chunk in range(0, max(1, chunks), _CHUNKS):
                    # The first stretch of terms starts from ``init``, the others go on.
                    some = min(_CHUNKS, chunks - chunk)
                    at_a = a_at + row * a_row + chunk * TERMS
                    at_b = b_at + chunk * PANEL * BLOCK
                    for vector in range(0, (columns + COLUMNS - 1) // COLUMNS, step):
                        column = vector * COLUMNS
                        vectors = min(step, (columns - column + COLUMNS - 1) // COLUMNS)
                        place = vector // PANEL * panel_length + vector % PANEL * BLOCK
                        at_out = out_at + row * out_row + column
                        if chunk == 0:
                            tile_strip(
                                blocks, vectors, some, a, at_a, a_row, chunks * TERMS,
                                b, at_b + place, panels * panel_length,
                                init, init_at + row * init_row + column, init_row,
                                out, at_out, out_row,
                            )  # fmt: skip
                        else:
                            tile_strip(
                                blocks, vectors, some, a, at_a, a_row, chunks * TERMS,
                                b, at_b + place, panels * panel_length,
                                out, at_out, out_row, out, at_out, out_row,
                            )  # fmt: skip
            first = last

    return by_tiles if HAS_TILES else by_dot_products


@overload(add_gradient, jit_options=IN_ORDER)
def _add_gradient_pieces(
    x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
    scratch, scratch_at, d_x_weights, d_h_weights, d_bias,
):  # fmt: skip
    if not _is_pieces(scratch):
        return None
    pieces = PIECES[scratch.dtype]

    def staged(
        x, x_at, x_row, n_inputs, h, h_at, h_row, hidden, d, d_at, d_row, count, columns,
        scratch, scratch_at, d_x_weights, d_h_weights, d_bias,
    ):  # fmt: skip
        chunks = (count + TERMS - 1) // TERMS
        panels = (columns + PANEL * COLUMNS - 1) // (PANEL * COLUMNS)
        piece_length = panels * chunks * PANEL * BLOCK
        right = scratch_at
        left = right + pieces * piece_length
        row = (pieces * chunks + 1) * TERMS
        pair_rows(d, d_at, d_row, count, columns, scratch, right, piece_length, d_bias, 0)
        if n_inputs > 0:
            transpose_rows(x, x_at, x_row, count, n_inputs, scratch, left)
            strips(
                scratch, left, row, n_inputs, scratch, right, pieces, panels, chunks, columns,
                d_x_weights, 0, d_x_weights.shape[1], d_x_weights, 0, d_x_weights.shape[1],
            )  # fmt: skip
        if hidden > 0:
            transpose_rows(h, h_at, h_row, count, hidden, scratch, left)
            strips(
                scratch, left, row, hidden, scratch, right, pieces, panels, chunks, columns,
                d_h_weights, 0, d_h_weights.shape[1], d_h_weights, 0, d_h_weights.shape[1],
            )  # fmt: skip

    return staged

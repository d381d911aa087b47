# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""The compiled backend: the contract's kernels in C, for the instruction level of this CPU.

The functions here turn arrays into pointers and let go of the interpreter's lock. An
argument of a wrong type or layout is an error; shapes are the caller's business, as in
the other backends, where they are documented.
"""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint32_t

import sys

from fastlstm.kernels.layout import Layout
from fastlstm.kernels.levels import limited

cnp.import_array()


cdef extern from "kernels.h" nogil:
    enum:
        BLOCK_TOKENS
        TOKENS_OF_ONE
        ROWS_AT_ONCE
        GRADIENT_BLOCK
        TERMS
        COLUMNS
        PANEL
        POOL_LAST
        POOL_MEAN
        POOL_MAX
        POOL_MEAN_MAX

    ctypedef enum form_t:
        FLOATS
        ONE_PIECE
        THREE_PIECES

    ctypedef struct steps_t:
        const int64_t *n_live
        const int64_t *starts
        int64_t n_steps
        int reverse
        int64_t column

    ctypedef struct direction_t:
        const void *w_x
        const void *w_x_t
        const void *w_h
        const void *w_h_t
        const void *b
        int64_t n_inputs
        int64_t hidden

    ctypedef struct matrix_t:
        void *data
        int64_t rows
        int64_t width

    ctypedef struct sweep_t:
        matrix_t inputs
        const int32_t *index
        direction_t weights
        steps_t steps
        matrix_t initial_h
        matrix_t initial_c
        matrix_t gates
        matrix_t h
        matrix_t c
        void *scratch
        int initial_given
        int keep
        const int64_t *ready
        int64_t *done
        int accumulate
        matrix_t d_out
        matrix_t d_state_h
        matrix_t d_state_c
        matrix_t d_inputs
        matrix_t gradient_w_x
        matrix_t gradient_w_h
        void *previous
        void *gradient_b
        const void *zeros

    ctypedef struct adam_t:
        double scale
        double rate
        double decay
        double beta1
        double beta2
        double correction1
        double correction2
        double epsilon

    ctypedef struct skip_gram_t:
        const int32_t *ids
        const int32_t *windows
        const int32_t *negatives
        const int64_t *offsets
        int64_t n_documents, n_negatives, width
        double rate

    ctypedef struct pooling_t:
        int64_t n_documents, n_steps, hidden, width, pooled_width
        const int64_t *n_live
        const int64_t *starts
        const int64_t *lengths
        int mode

    ctypedef void (*pack_t)(const void *, int64_t, int64_t, int, void *) noexcept nogil
    ctypedef void (*matmul_t)(matrix_t, int64_t, const void *, int64_t, const void *, void *,
                              matrix_t) noexcept nogil
    ctypedef void (*weight_gradient_t)(matrix_t, matrix_t, int64_t, void *, matrix_t, void *) noexcept nogil
    ctypedef void (*sweep_kernel_t)(const sweep_t *) noexcept nogil

    ctypedef struct kernels_t:
        pack_t pack[3]
        matmul_t matmul[3]
        weight_gradient_t weight_gradient[3]
        sweep_kernel_t lstm_forward[3]
        sweep_kernel_t lstm_backward[3]
        void (*gather_rows)(matrix_t, const int32_t *, matrix_t) noexcept nogil
        void (*scatter_add_rows)(matrix_t, const int32_t *, int64_t, matrix_t) noexcept nogil
        void (*pool_forward)(const pooling_t *, const void *, void *, int32_t *) noexcept nogil
        void (*pool_backward)(const pooling_t *, const void *, const int32_t *, matrix_t) noexcept nogil
        void (*dropout)(matrix_t, double, uint32_t, void *) noexcept nogil
        double (*squared_norm)(const void *, int64_t) noexcept nogil
        void (*adam_update)(matrix_t, const int32_t *, int64_t, matrix_t, void *, void *,
                            const adam_t *) noexcept nogil
        void (*sgd_update)(matrix_t, const int32_t *, int64_t, matrix_t, void *, double, double,
                           double, double) noexcept nogil
        void (*skip_gram)(const skip_gram_t *, void *, void *, void *) noexcept nogil

    ctypedef struct level_t:
        const char *name
        int vector_bytes, tile_vectors, has_tiles, has_dot_products
        kernels_t f32
        kernels_t f64

    int fastlstm_highest_level()
    const level_t *fastlstm_level(int)
    void fastlstm_take_turns(int)
    void fastlstm_leave_python()
    void fastlstm_return_to_python()
    int fastlstm_wait_for_all(const int64_t *, const int64_t *, int64_t, int64_t)


# The C code has a level of its own for AVX-512 with products of bfloat16 numbers.
_NUMBERS = {"baseline": 0, "avx2": 1, "avx512": 3, "amx": 4}
_NAMES = ("baseline", "avx2", "avx512", "avx512", "amx")

NAME = "cython"
LAST, MEAN, MAX, MEAN_MAX = POOL_LAST, POOL_MEAN, POOL_MAX, POOL_MEAN_MAX
cdef int _found = fastlstm_highest_level()
LEVEL = limited(_NAMES[_found])
cdef const level_t *_level = fastlstm_level(min(_found, <int> _NUMBERS[LEVEL]))

LAYOUT = Layout(
    _level.vector_bytes, _level.tile_vectors, bool(_level.has_tiles),
    bool(_level.has_dot_products),
)
# What kernels.h and layout.py both say.
CONSTANTS = {
    "GRADIENT_BLOCK": GRADIENT_BLOCK, "ROWS_AT_ONCE": ROWS_AT_ONCE, "TERMS": TERMS,
    "COLUMNS": COLUMNS, "PANEL": PANEL, "BLOCK_TOKENS": BLOCK_TOKENS, "TOKENS_OF_ONE": TOKENS_OF_ONE,
}

padded_width = LAYOUT.padded_width
packed_dtype = LAYOUT.packed_dtype
packed_shape = LAYOUT.packed_shape
scratch_size = LAYOUT.scratch_size
block_rows = LAYOUT.block_rows


# -- arguments ------------------------------------------------------------------------


cdef int _wrong(x, int kind) except -1:
    wanted = cnp.PyArray_DescrFromType(kind)
    shown = f"{x.dtype} array" if isinstance(x, cnp.ndarray) else type(x).__name__
    raise TypeError(f"a kernel needs a C-contiguous array of {wanted}, got: {shown}")


cdef inline void *_data(x, int kind) except? NULL:
    """The elements of a C-contiguous array of that type."""
    if not (
        isinstance(x, cnp.ndarray)
        and cnp.PyArray_TYPE(<cnp.ndarray> x) == kind
        and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> x)
    ):
        _wrong(x, kind)
    return cnp.PyArray_DATA(<cnp.ndarray> x)


cdef inline int64_t _length(x) except -1:
    return cnp.PyArray_SIZE(<cnp.ndarray?> x)


cdef inline matrix_t _matrix(x, int kind) except *:
    cdef matrix_t result
    result.data = _data(x, kind)
    if cnp.PyArray_NDIM(<cnp.ndarray> x) != 2:
        raise TypeError("a kernel needs a two-dimensional array here")
    result.rows = cnp.PyArray_DIM(<cnp.ndarray> x, 0)
    result.width = cnp.PyArray_DIM(<cnp.ndarray> x, 1)
    return result


cdef inline int _kind(x) except -1:
    """The type of the float arrays of a call, from one of them."""
    if isinstance(x, cnp.ndarray):
        if cnp.PyArray_TYPE(<cnp.ndarray> x) == cnp.NPY_FLOAT32:
            return cnp.NPY_FLOAT32
        if cnp.PyArray_TYPE(<cnp.ndarray> x) == cnp.NPY_FLOAT64:
            return cnp.NPY_FLOAT64
    return _wrong(x, cnp.NPY_FLOAT32)


cdef inline const kernels_t *_kernels(int kind) noexcept:
    return &_level.f32 if kind == cnp.NPY_FLOAT32 else &_level.f64


cdef inline int _form(packed, int kind) except -1:
    """The form of products that the type of packed weights or scratch memory stands for."""
    cdef int type_ = cnp.PyArray_TYPE(<cnp.ndarray?> packed)
    cdef int form = -1
    if type_ == kind:
        form = FLOATS
    elif kind == cnp.NPY_FLOAT32 and type_ == cnp.NPY_UINT16:
        form = ONE_PIECE
    elif kind == cnp.NPY_FLOAT32 and type_ == cnp.NPY_INT16:
        form = THREE_PIECES
    if form < 0 or _kernels(kind).matmul[form] == NULL:
        raise TypeError(f"this CPU has no products with weights packed as {packed.dtype}")
    return form


cdef inline void *_packed(x, int kind, int form) except? NULL:
    return _data(x, kind if form == FLOATS
                 else cnp.NPY_UINT16 if form == ONE_PIECE else cnp.NPY_INT16)


cdef inline direction_t _direction(weights, int kind, int form) except *:
    cdef direction_t result
    result.w_x = _packed(weights[0], kind, form)
    result.w_x_t = _packed(weights[1], kind, form)
    result.w_h = _packed(weights[2], kind, form)
    result.w_h_t = _packed(weights[3], kind, form)
    result.b = _data(weights[4], kind)
    result.n_inputs = weights[5]
    result.hidden = weights[6]
    return result


cdef inline steps_t _steps(steps) except *:
    cdef steps_t result
    result.n_live = <const int64_t *> _data(steps[0], cnp.NPY_INT64)
    result.starts = <const int64_t *> _data(steps[1], cnp.NPY_INT64)
    result.n_steps = _length(steps[0])
    result.reverse = steps[2]
    result.column = steps[3]
    return result


cdef inline pooling_t _pooling(n_live, starts, lengths, mode, hidden) except *:
    cdef pooling_t result
    result.n_live = <const int64_t *> _data(n_live, cnp.NPY_INT64)
    result.starts = <const int64_t *> _data(starts, cnp.NPY_INT64)
    result.lengths = <const int64_t *> _data(lengths, cnp.NPY_INT64)
    result.n_steps = _length(n_live)
    result.n_documents = _length(lengths)
    result.mode = mode
    result.hidden = hidden
    result.width = result.pooled_width = 0
    return result


# -- products ---------------------------------------------------------------------------


def pack(w, transpose, out):
    cdef int kind = _kind(w)
    cdef int form = _form(out, kind)
    cdef matrix_t source = _matrix(w, kind)
    cdef void *target = _packed(out, kind, form)
    cdef int turned = transpose
    cdef int64_t rows = source.width if turned else source.rows
    cdef int64_t columns = source.rows if turned else source.width
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.pack[form](source.data, rows, columns, turned, target)
        fastlstm_return_to_python()


def matmul(a, depth, packed, columns, bias, scratch, out):
    cdef int kind = _kind(a)
    cdef int form = _form(packed, kind)
    cdef matrix_t left = _matrix(a, kind)
    cdef matrix_t result = _matrix(out, kind)
    cdef void *right = _packed(packed, kind, form)
    cdef void *start = _data(bias, kind)
    cdef void *memory = _packed(scratch, kind, form)
    cdef int64_t terms = depth
    cdef int64_t n = columns
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.matmul[form](left, terms, right, n, start, memory, result)
        fastlstm_return_to_python()


def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    cdef int kind = _kind(a)
    cdef int form = _form(scratch, kind)
    cdef matrix_t left = _matrix(a, kind)
    cdef matrix_t right = _matrix(d, kind)
    cdef matrix_t result = _matrix(d_weights, kind)
    cdef void *sums = _data(d_bias, kind)
    cdef void *memory = _packed(scratch, kind, form)
    cdef int64_t n = columns
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.weight_gradient[form](left, right, n, memory, result, sums)
        fastlstm_return_to_python()


# -- sweeps ------------------------------------------------------------------------------


cdef sweep_t _sweep(
    inputs, index, weights, steps, initial, scratch, gates, h, c, int kind, int form
) except *:
    """What both directions of time share; the rest is left as it is."""
    cdef sweep_t s
    s.inputs = _matrix(inputs, kind)
    s.index = <const int32_t *> _data(index, cnp.NPY_INT32) if _length(index) else NULL
    s.weights = _direction(weights, kind, form)
    s.steps = _steps(steps)
    s.initial_h = _matrix(initial[0], kind)
    s.initial_c = _matrix(initial[1], kind)
    s.initial_given = initial[2]
    s.scratch = _packed(scratch, kind, form)
    s.gates = _matrix(gates, kind)
    s.h = _matrix(h, kind)
    s.c = _matrix(c, kind)
    return s


def lstm_forward(
    inputs, index, weights, steps, initial, keep, scratch, ready, done, gates, h, c
):
    cdef int kind = _kind(inputs)
    cdef int form = _form(weights[0], kind)
    cdef const kernels_t *k = _kernels(kind)
    cdef sweep_t s = _sweep(
        inputs, index, weights, steps, initial, scratch, gates, h, c, kind, form
    )
    s.keep = keep
    s.ready = <const int64_t *> _data(ready, cnp.NPY_INT64)
    s.done = <int64_t *> _data(done, cnp.NPY_INT64)
    with nogil:
        fastlstm_leave_python()
        k.lstm_forward[form](&s)
        fastlstm_return_to_python()


def lstm_backward(
    inputs, index, weights, steps, initial, gates, h, c, d_out, accumulate, scratch, previous,
    zeros, d_state, d_inputs, gradient,
):
    cdef int kind = _kind(inputs)
    cdef int form = _form(weights[0], kind)
    cdef const kernels_t *k = _kernels(kind)
    cdef sweep_t s = _sweep(
        inputs, index, weights, steps, initial, scratch, gates, h, c, kind, form
    )
    s.d_out = _matrix(d_out, kind)
    s.accumulate = accumulate
    s.previous = _data(previous, kind)
    s.zeros = _data(zeros, kind)
    s.d_state_h = _matrix(d_state[0], kind)
    s.d_state_c = _matrix(d_state[1], kind)
    s.d_inputs = _matrix(d_inputs, kind)
    s.gradient_w_x = _matrix(gradient[0], kind)
    s.gradient_w_h = _matrix(gradient[1], kind)
    s.gradient_b = _data(gradient[2], kind)
    with nogil:
        fastlstm_leave_python()
        k.lstm_backward[form](&s)
        fastlstm_return_to_python()


# -- without a product --------------------------------------------------------------------


def pack_tokens(ids, first, lengths, n_live, starts, packed):
    cdef const int32_t *source = <const int32_t *> _data(ids, cnp.NPY_INT32)
    cdef const int64_t *begin = <const int64_t *> _data(first, cnp.NPY_INT64)
    cdef const int64_t *length = <const int64_t *> _data(lengths, cnp.NPY_INT64)
    cdef int64_t *rows_of = <int64_t *> _data(n_live, cnp.NPY_INT64)
    cdef int64_t *start_of = <int64_t *> _data(starts, cnp.NPY_INT64)
    cdef int32_t *out = <int32_t *> _data(packed, cnp.NPY_INT32)
    cdef int64_t live = _length(lengths), n_steps = _length(n_live), start = 0, t, row
    with nogil:
        fastlstm_leave_python()
        for t in range(n_steps):
            while length[live - 1] <= t:
                live -= 1
            rows_of[t] = live
            start_of[t] = start
            for row in range(live):
                out[start + row] = source[begin[row] + t]
            start += live
        fastlstm_return_to_python()


def distinct_tokens(ids, slots, distinct, inverse):
    cdef const int32_t *source = <const int32_t *> _data(ids, cnp.NPY_INT32)
    cdef int32_t *slot_of = <int32_t *> _data(slots, cnp.NPY_INT32)
    cdef int32_t *found = <int32_t *> _data(distinct, cnp.NPY_INT32)
    cdef int32_t *place = <int32_t *> _data(inverse, cnp.NPY_INT32)
    cdef int64_t n = _length(ids), p
    cdef int32_t count = 0, token, slot
    with nogil:
        fastlstm_leave_python()
        for p in range(n):
            token = source[p]
            slot = slot_of[token]
            if slot < 0:
                slot = count
                slot_of[token] = count
                found[count] = token
                count += 1
            place[p] = slot
        for p in range(count):
            slot_of[found[p]] = -1
        fastlstm_return_to_python()
    return count


def gather_rows(table, index, out):
    cdef int kind = _kind(table)
    cdef matrix_t source = _matrix(table, kind)
    cdef matrix_t target = _matrix(out, kind)
    cdef const int32_t *rows = <const int32_t *> _data(index, cnp.NPY_INT32)
    cdef const kernels_t *k = _kernels(kind)
    target.rows = _length(index)
    with nogil:
        fastlstm_leave_python()
        k.gather_rows(source, rows, target)
        fastlstm_return_to_python()


def scatter_add_rows(rows, index, out):
    cdef int kind = _kind(rows)
    cdef matrix_t source = _matrix(rows, kind)
    cdef matrix_t target = _matrix(out, kind)
    cdef const int32_t *places = <const int32_t *> _data(index, cnp.NPY_INT32)
    cdef int64_t n = _length(index)
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.scatter_add_rows(source, places, n, target)
        fastlstm_return_to_python()


def pool_forward(h, n_live, starts, lengths, mode, hidden, out, winner):
    cdef int kind = _kind(h)
    cdef pooling_t s = _pooling(n_live, starts, lengths, mode, hidden)
    cdef matrix_t source = _matrix(h, kind)
    cdef matrix_t target = _matrix(out, kind)
    cdef int32_t *places = <int32_t *> _data(winner, cnp.NPY_INT32)
    cdef const kernels_t *k = _kernels(kind)
    s.width, s.pooled_width = source.width, target.width
    with nogil:
        fastlstm_leave_python()
        k.pool_forward(&s, source.data, target.data, places)
        fastlstm_return_to_python()


def pool_backward(d_pooled, n_live, starts, lengths, mode, hidden, winner, d_h):
    cdef int kind = _kind(d_h)
    cdef pooling_t s = _pooling(n_live, starts, lengths, mode, hidden)
    cdef matrix_t source = _matrix(d_pooled, kind)
    cdef matrix_t target = _matrix(d_h, kind)
    cdef const int32_t *places = <const int32_t *> _data(winner, cnp.NPY_INT32)
    cdef const kernels_t *k = _kernels(kind)
    s.width, s.pooled_width = target.width, source.width
    with nogil:
        fastlstm_leave_python()
        k.pool_backward(&s, source.data, places, target)
        fastlstm_return_to_python()


def dropout(x, rate, key, out):
    cdef int kind = _kind(x)
    cdef matrix_t source = _matrix(x, kind)
    cdef void *target = _data(out, kind)
    cdef double share = rate
    cdef uint32_t mask = key
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.dropout(source, share, mask, target)
        fastlstm_return_to_python()


def squared_norm(x):
    cdef int kind = _kind(x)
    cdef const void *source = _data(x, kind)
    cdef int64_t n = _length(x)
    cdef double result
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        result = k.squared_norm(source, n)
        fastlstm_return_to_python()
    return result


def adam_update(
    table, rows, gradient, m, v, scale, rate, decay, beta1, beta2, correction1, correction2, epsilon
):
    cdef int kind = _kind(table)
    cdef matrix_t weights = _matrix(table, kind)
    cdef matrix_t slopes = _matrix(gradient, kind)
    cdef const int32_t *places = <const int32_t *> _data(rows, cnp.NPY_INT32)
    cdef int64_t n = _length(rows)
    cdef void *first = _data(m, kind)
    cdef void *second = _data(v, kind)
    cdef adam_t s
    cdef const kernels_t *k = _kernels(kind)
    s.scale, s.rate, s.decay, s.beta1, s.beta2 = scale, rate, decay, beta1, beta2
    s.correction1, s.correction2, s.epsilon = correction1, correction2, epsilon
    with nogil:
        fastlstm_leave_python()
        k.adam_update(weights, places, n, slopes, first, second, &s)
        fastlstm_return_to_python()


def sgd_update(table, rows, gradient, velocity, scale, rate, decay, momentum):
    cdef int kind = _kind(table)
    cdef matrix_t weights = _matrix(table, kind)
    cdef matrix_t slopes = _matrix(gradient, kind)
    cdef const int32_t *places = <const int32_t *> _data(rows, cnp.NPY_INT32)
    cdef int64_t n = _length(rows)
    cdef void *running = _data(velocity, kind)
    cdef double factor = scale, step = rate, lost = decay, kept = momentum
    cdef const kernels_t *k = _kernels(kind)
    with nogil:
        fastlstm_leave_python()
        k.sgd_update(weights, places, n, slopes, running, factor, step, lost, kept)
        fastlstm_return_to_python()


def skip_gram(ids, offsets, windows, negatives, rate, inputs, outputs, scratch):
    cdef int kind = _kind(inputs)
    cdef matrix_t contexts = _matrix(inputs, kind)
    cdef matrix_t targets = _matrix(outputs, kind)
    cdef void *memory = _data(scratch, kind)
    cdef skip_gram_t s
    cdef const kernels_t *k = _kernels(kind)
    s.ids = <const int32_t *> _data(ids, cnp.NPY_INT32)
    s.windows = <const int32_t *> _data(windows, cnp.NPY_INT32)
    s.negatives = <const int32_t *> _data(negatives, cnp.NPY_INT32)
    s.offsets = <const int64_t *> _data(offsets, cnp.NPY_INT64)
    s.n_documents = _length(offsets) - 1
    s.n_negatives = cnp.PyArray_DIM(<cnp.ndarray> negatives, 1)
    s.width = contexts.width
    s.rate = rate
    with nogil:
        fastlstm_leave_python()
        k.skip_gram(&s, contexts.data, targets.data, memory)
        fastlstm_return_to_python()


# -- threads -----------------------------------------------------------------------------


def take_turns(on):
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    fastlstm_take_turns(bool(on and gil))


def wait_for_all(counters, least, tries):
    cdef const int64_t *numbers = <const int64_t *> _data(counters, cnp.NPY_INT64)
    cdef const int64_t *wanted = <const int64_t *> _data(least, cnp.NPY_INT64)
    cdef int64_t n = _length(counters), most = tries
    cdef int reached
    with nogil:
        fastlstm_leave_python()
        reached = fastlstm_wait_for_all(numbers, wanted, n, most)
        fastlstm_return_to_python()
    return bool(reached)

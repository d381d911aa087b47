# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""The compiled backend: the contract's kernels in C, for the instruction level of this CPU.

The functions here put arguments into records of pointers, and ``_run`` hands over the
interpreter's lock. An argument of a wrong type or layout is an error; shapes are the
caller's business. Both are those of ``fastlstm.kernels.contract.Kernels``.
"""

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, malloc

import sys

import numpy as np

from fastlstm.kernels.contract import POOLING
from fastlstm.kernels.layout import Layout
from fastlstm.kernels.levels import limited

cnp.import_array()


include "kernels.pxi"


# The C code has levels of its own for AVX-512 with products of 8-bit integers, and with those
# of bfloat16 numbers, too.
_NUMBERS = {"baseline": 0, "avx2": 1, "avx512": 4, "amx": 5}
_NAMES = ("baseline", "avx2", "avx512", "avx512", "avx512", "amx")

NAME = "cython"
LAST, MEAN, MAX, MEAN_MAX = POOL_LAST, POOL_MEAN, POOL_MAX, POOL_MEAN_MAX
cdef int _found = fastlstm_highest_level()
LEVEL = limited(_NAMES[_found])
cdef const level_t *_level = fastlstm_level(min(_found, <int> _NUMBERS[LEVEL]))

LAYOUT = Layout(
    _level.vector_bytes, _level.micro_vectors, bool(_level.has_amx),
    bool(_level.has_dot_products),
)
# What kernels.h and layout.py both say.
CONSTANTS = {
    "GRADIENT_BLOCK": GRADIENT_BLOCK, "ROWS_AT_ONCE": ROWS_AT_ONCE, "TERMS": TERMS,
    "COLUMNS": COLUMNS, "PANEL": PANEL, "BLOCK_TOKENS": BLOCK_TOKENS, "TOKENS_OF_ONE": TOKENS_OF_ONE,
}

_ONE_ROW = np.zeros(1, dtype=np.int32)

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


cdef inline int _form(packed, int kind, bint training=False) except -1:
    """The form of products that the type of packed weights or scratch memory stands for."""
    cdef int type_ = cnp.PyArray_TYPE(<cnp.ndarray?> packed)
    cdef int form = -1
    if type_ == kind:
        form = FLOATS
    elif kind == cnp.NPY_FLOAT32 and type_ == cnp.NPY_UINT16:
        form = BFLOAT16
    elif kind == cnp.NPY_FLOAT32 and type_ == cnp.NPY_INT16:
        form = SPLIT_FLOATS
    elif kind == cnp.NPY_FLOAT32 and type_ == cnp.NPY_INT8:
        form = INT8
    if form < 0 or _kernels(kind).matmul[form] == NULL:
        raise TypeError(f"this CPU has no products with weights packed as {packed.dtype}")
    if training and form == INT8:
        raise TypeError("weights packed as int8 serve prediction alone")
    return form


cdef inline void *_packed(x, int kind, int form) except? NULL:
    return _data(x, kind if form == FLOATS
                 else cnp.NPY_UINT16 if form == BFLOAT16
                 else cnp.NPY_INT16 if form == SPLIT_FLOATS else cnp.NPY_INT8)


cdef inline direction_t _direction(weights, int kind, int form) except *:
    cdef direction_t result
    result.w_x = _packed(weights[0], kind, form)
    result.w_x_t = _packed(weights[1], kind, form)
    result.w_h = _packed(weights[2], kind, form)
    result.w_h_t = _packed(weights[3], kind, form)
    result.b = _data(weights[4], kind)
    result.n_inputs = weights[5]
    result.hidden = weights[6]
    result.n_gates = weights[7]
    return result


cdef inline steps_t _steps(steps) except *:
    cdef steps_t result
    result.n_live = _places(steps[0])
    result.starts = _places(steps[1])
    result.n_steps = _length(steps[0])
    result.reverse = steps[2]
    result.column = steps[3]
    result.border = steps[4]
    result.first = steps[5]
    return result


cdef inline const int32_t *_ids(x) except? NULL:
    return <const int32_t *> _data(x, cnp.NPY_INT32)


cdef inline const int64_t *_places(x) except? NULL:
    return <const int64_t *> _data(x, cnp.NPY_INT64)


cdef inline void *_wanted(x, int kind) except? NULL:
    """As ``_data``; NULL for an empty array, which says that nothing is wanted there."""
    return _data(x, kind) if _length(x) else NULL


cdef void _run(kernel_t kernel, void *arguments):
    """Every kernel is called here: without the interpreter's lock, which it hands over."""
    with nogil:
        fastlstm_leave_python()
        kernel(arguments)
        fastlstm_return_to_python()


# -- products ---------------------------------------------------------------------------


def pack(w, transpose, out):
    cdef int kind = _kind(w)
    cdef int form = _form(out, kind)
    cdef pack_t s
    s.w, s.transpose, s.out = _matrix(w, kind), transpose, _packed(out, kind, form)
    _run(_kernels(kind).pack[form], &s)


def matmul(a, depth, packed, columns, bias, scratch, out):
    cdef int kind = _kind(a)
    cdef int form = _form(packed, kind)
    cdef matmul_t s
    s.a, s.out = _matrix(a, kind), _matrix(out, kind)
    s.depth, s.columns = depth, columns
    s.packed, s.bias = _packed(packed, kind, form), _data(bias, kind)
    s.scratch = _packed(scratch, kind, form)
    _run(_kernels(kind).matmul[form], &s)


def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    cdef int kind = _kind(a)
    cdef int form = _form(scratch, kind, True)
    cdef weight_gradient_t s
    s.a, s.d, s.columns = _matrix(a, kind), _matrix(d, kind), columns
    s.scratch = _packed(scratch, kind, form)
    s.d_weights, s.d_bias = _matrix(d_weights, kind), _wanted(d_bias, kind)
    _run(_kernels(kind).weight_gradient[form], &s)


# -- sweeps ------------------------------------------------------------------------------


cdef sweep_t _sweep(
    inputs, index, weights, steps, initial, scratch, gates, h, c, int kind, int form
) except *:
    """What both directions of time share; the rest is left as it is."""
    cdef sweep_t s
    s.inputs = _matrix(inputs, kind)
    s.index = _ids(index) if _length(index) else NULL
    s.weights = _direction(weights, kind, form)
    s.steps = _steps(steps)
    s.initial_h, s.initial_c = _matrix(initial[0], kind), _matrix(initial[1], kind)
    s.initial_given = initial[2]
    s.scratch = _packed(scratch, kind, form)
    s.gates, s.h, s.c = _matrix(gates, kind), _matrix(h, kind), _matrix(c, kind)
    return s


def lstm_forward(
    inputs, index, weights, steps, initial, keep, scratch, ready, done, gates, h, c
):
    cdef int kind = _kind(inputs)
    cdef int form = _form(weights[0], kind)
    cdef sweep_t s = _sweep(
        inputs, index, weights, steps, initial, scratch, gates, h, c, kind, form
    )
    s.keep, s.ready, s.done = keep, _places(ready), <int64_t *> _places(done)
    _run(_kernels(kind).lstm_forward[form], &s)


def lstm_backward(
    inputs, index, weights, steps, initial, gates, h, c, d_out, accumulate, scratch, previous,
    zeros, d_state, d_inputs, gradient,
):
    cdef int kind = _kind(inputs)
    cdef int form = _form(weights[0], kind, True)
    cdef sweep_t s = _sweep(
        inputs, index, weights, steps, initial, scratch, gates, h, c, kind, form
    )
    s.d_out, s.accumulate = _matrix(d_out, kind), accumulate
    s.previous, s.zeros = _data(previous, kind), _data(zeros, kind)
    s.d_state_h, s.d_state_c = _matrix(d_state[0], kind), _matrix(d_state[1], kind)
    s.d_inputs = _matrix(d_inputs, kind)
    s.d_inputs.data = _wanted(d_inputs, kind)
    s.gradient_w_x, s.gradient_w_h = _matrix(gradient[0], kind), _matrix(gradient[1], kind)
    s.gradient_b = _wanted(gradient[2], kind)
    _run(_kernels(kind).lstm_backward[form], &s)


# -- without a product --------------------------------------------------------------------


def pack_tokens(ids, first, lengths, n_live, starts, packed):
    cdef pack_tokens_t s
    s.ids, s.first, s.lengths = _ids(ids), _places(first), _places(lengths)
    s.n_documents, s.n_steps = _length(lengths), _length(n_live)
    s.n_live, s.starts = <int64_t *> _places(n_live), <int64_t *> _places(starts)
    s.packed = <int32_t *> _ids(packed)
    _run(fastlstm_pack_tokens, &s)


def distinct_tokens(ids, slots, distinct, inverse):
    cdef distinct_tokens_t s
    s.ids, s.n, s.slots = _ids(ids), _length(ids), <int32_t *> _ids(slots)
    s.distinct, s.inverse = <int32_t *> _ids(distinct), <int32_t *> _ids(inverse)
    _run(fastlstm_distinct_tokens, &s)
    return s.count


def dual_descent(indptr, indices, order, sign, cost, norms, double least, margins, weights):
    cdef dual_descent_t s
    s.indptr, s.indices, s.order = _places(indptr), _ids(indices), _places(order)
    s.n_visited, s.n_features = _length(order), _length(weights) // 2 - 1
    s.sign = <double *> _data(sign, cnp.NPY_FLOAT64)
    s.cost = <double *> _data(cost, cnp.NPY_FLOAT64)
    s.norms = <double *> _data(norms, cnp.NPY_FLOAT64)
    s.least, s.margins = least, <double *> _data(margins, cnp.NPY_FLOAT64)
    s.weights = <double (*)[2]> _data(weights, cnp.NPY_FLOAT64)
    _run(fastlstm_dual_descent, &s)
    return s.worst


cdef rows_t _rows(rows, index, out, int kind) except *:
    cdef rows_t s
    s.from_, s.out = _matrix(rows, kind), _matrix(out, kind)
    s.index, s.n = _ids(index), _length(index)
    return s


def gather_rows(table, index, out):
    cdef int kind = _kind(table)
    cdef rows_t s = _rows(table, index, out, kind)
    _run(_kernels(kind).gather_rows, &s)


def scatter_add_rows(rows, index, out):
    cdef int kind = _kind(rows)
    cdef rows_t s = _rows(rows, index, out, kind)
    _run(_kernels(kind).scatter_add_rows, &s)


cdef pooling_t _pooling(
    tokens, n_live, starts, lengths, mode, hidden, pooled, winner, int kind
) except *:
    cdef pooling_t s
    s.n_live, s.starts, s.lengths = _places(n_live), _places(starts), _places(lengths)
    s.n_steps, s.n_documents = _length(n_live), _length(lengths)
    s.mode, s.hidden, s.winner = mode, hidden, <int32_t *> _ids(winner)
    s.tokens, s.pooled = _matrix(tokens, kind), _matrix(pooled, kind)
    return s


def pool_forward(h, n_live, starts, lengths, mode, hidden, out, winner):
    cdef int kind = _kind(h)
    cdef pooling_t s = _pooling(h, n_live, starts, lengths, mode, hidden, out, winner, kind)
    _run(_kernels(kind).pool_forward, &s)


def pool_backward(d_pooled, n_live, starts, lengths, mode, hidden, winner, d_h):
    cdef int kind = _kind(d_h)
    cdef pooling_t s = _pooling(d_h, n_live, starts, lengths, mode, hidden, d_pooled, winner, kind)
    _run(_kernels(kind).pool_backward, &s)


cdef attention_t _attention(n_live, starts, owner) except *:
    cdef attention_t s
    s.n_live, s.starts, s.owner = _places(n_live), _places(starts), _places(owner)
    s.n_steps = _length(n_live)
    return s


def attend_forward(h, n_live, starts, owner, w, most, total, sums, scores):
    cdef int kind = _kind(h)
    cdef attention_t s = _attention(n_live, starts, owner)
    s.tokens, s.sums, s.w = _matrix(h, kind), _matrix(sums, kind), _data(w, kind)
    s.most, s.total, s.scores = _data(most, kind), _data(total, kind), _data(scores, kind)
    _run(_kernels(kind).attend_forward, &s)


def attend_backward(h, n_live, starts, owner, most, total, sums, d_pooled, scores, d_scores, d_w):
    cdef int kind = _kind(h)
    cdef attention_t s = _attention(n_live, starts, owner)
    s.tokens, s.sums, s.d_pooled = _matrix(h, kind), _matrix(sums, kind), _matrix(d_pooled, kind)
    s.most, s.total, s.scores = _data(most, kind), _data(total, kind), _data(scores, kind)
    s.d_scores, s.d_w = _data(d_scores, kind), _wanted(d_w, kind)
    _run(_kernels(kind).attend_backward, &s)


def attend_spread(n_live, starts, owner, w, d_pooled, shares, d_scores, d_h):
    cdef int kind = _kind(d_h)
    cdef attention_t s = _attention(n_live, starts, owner)
    s.d_tokens, s.d_pooled, s.w = _matrix(d_h, kind), _matrix(d_pooled, kind), _data(w, kind)
    s.scores, s.d_scores = _data(shares, kind), _data(d_scores, kind)
    _run(_kernels(kind).attend_spread, &s)


def dropout(x, rate, key, first, out):
    cdef int kind = _kind(x)
    cdef dropout_t s
    s.x, s.rate, s.key, s.first = _matrix(x, kind), rate, key, first
    s.out = _data(out, kind)
    _run(_kernels(kind).dropout, &s)


def squared_norm(x):
    cdef int kind = _kind(x)
    cdef squared_norm_t s
    s.x, s.n = _data(x, kind), _length(x)
    _run(_kernels(kind).squared_norm, &s)
    return s.sum


cdef update_t _update(table, rows, gradient, first, scale, rate, decay, int kind) except *:
    cdef update_t s
    s.table, s.gradient = _matrix(table, kind), _matrix(gradient, kind)
    s.rows, s.n, s.first = _ids(rows), _length(rows), _data(first, kind)
    s.scale, s.rate, s.decay = scale, rate, decay
    return s


def adam_update(
    table, rows, gradient, m, v, scale, rate, decay, beta1, beta2, correction1, correction2, epsilon
):
    cdef int kind = _kind(table)
    cdef update_t s = _update(table, rows, gradient, m, scale, rate, decay, kind)
    s.second, s.beta1, s.beta2, s.epsilon = _data(v, kind), beta1, beta2, epsilon
    s.correction1, s.correction2 = correction1, correction2
    _run(_kernels(kind).adam_update, &s)


def sgd_update(table, rows, gradient, velocity, scale, rate, decay, momentum):
    cdef int kind = _kind(table)
    cdef update_t s = _update(table, rows, gradient, velocity, scale, rate, decay, kind)
    s.momentum = momentum
    _run(_kernels(kind).sgd_update, &s)


def average_rows(table, rows, share, average):
    cdef int kind = _kind(table)
    cdef average_t s
    s.table, s.rows, s.n = _matrix(table, kind), _ids(rows), _length(rows)
    s.share, s.average = _data(share, kind), _data(average, kind)
    _run(_kernels(kind).average_rows, &s)


def skip_gram(ids, offsets, windows, negatives, rate, inputs, outputs, scratch):
    cdef int kind = _kind(inputs)
    cdef matrix_t vectors = _matrix(inputs, kind)
    cdef skip_gram_t s
    s.ids, s.windows, s.negatives = _ids(ids), _ids(windows), _ids(negatives)
    s.offsets, s.n_documents = _places(offsets), _length(offsets) - 1
    s.n_negatives = cnp.PyArray_DIM(<cnp.ndarray> negatives, 1)
    s.width, s.rate = vectors.width, rate
    s.inputs, s.outputs = vectors.data, _matrix(outputs, kind).data
    s.scratch = _data(scratch, kind)
    _run(_kernels(kind).skip_gram, &s)


include "lane.pxi"
include "step.pxi"


# -- threads -----------------------------------------------------------------------------


def hand_over(on):
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    fastlstm_hand_over(bool(on and gil))


def wait_for_all(counters, least, tries):
    cdef wait_t s
    s.counters, s.least, s.n, s.tries = _places(counters), _places(least), _length(counters), tries
    _run(fastlstm_wait_for_all, &s)
    return bool(s.reached)

"""Each compiled kernel but the LSTM's against its naive twin, on awkward shapes.

The reference always computes in float64, from the numbers the kernel got; where they
are rounded to bfloat16 first, it rounds them likewise. Errors are relative to the
largest expected value: 1e-12 in float64; in float32 1e-6 for single operations and
4e-6 for sums of up to 200 products, whatever the form of the products.
"""

import math

import numpy as np
import pytest

from fastlstm.kernels import reference
from fastlstm.kernels.contract import POOLING
from tests.helpers import (
    assert_close,
    assert_guards_hold,
    each_compiled_backend,
    each_dtype,
    each_form,
    each_forward_form,
    guarded,
    over_forms,
    packed_batch,
    packed_matrix,
)

ONE_OPERATION = {np.float32: 1e-6, np.float64: 1e-12}
SUMS = {np.float32: 4e-6, np.float64: 1e-12}

# (rows, summed, columns): none, one, and around the rows of micro-kernels and tiles (6 or 16),
# the vectors (2 to 16 elements), the panels (2 or 4 vectors), blocks of 32 terms and the 96
# rows that are staged at a time, of all backends.
SHAPES = [
    (0, 3, 5), (1, 0, 5), (1, 1, 1), (2, 3, 4), (5, 17, 15), (6, 4, 16), (7, 2, 17),
    (8, 16, 33), (9, 5, 63), (12, 1, 64), (13, 100, 65), (14, 3, 127), (20, 200, 129),
    (15, 31, 48), (16, 32, 64), (17, 33, 31), (31, 64, 32), (32, 65, 80), (33, 96, 81),
    (1, 40, 150), (48, 5, 113), (95, 7, 3), (96, 40, 20), (97, 63, 65), (193, 2, 34),
]  # fmt: skip


def numbers(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def product(k, a, w, bias, packed_as, transpose=False):
    """``bias + a @ w`` by the kernels, through the backend's own layout of ``w``."""
    columns, depth = len(bias), len(w)
    packed = packed_matrix(k, w.T if transpose else w, packed_as, transpose)
    width = k.padded_width(columns, a.dtype)
    padded_bias = np.full(width, np.nan, a.dtype)
    padded_bias[:columns] = bias
    # The left-hand matrix may be wider than what is taken from it.
    wide = np.full((len(a), depth + 3), np.nan, a.dtype)
    wide[:, :depth] = a
    scratch = guarded(k.scratch_size(depth, -(-columns // 4), 1, packed_as), packed_as)
    out = guarded((len(a), width), a.dtype)
    k.matmul(wide, depth, packed, columns, padded_bias, scratch, out)
    assert_guards_hold(scratch, out)
    return out[:, :columns]


def in_double(*arrays):
    return [array.astype(np.float64) for array in arrays]


def exact_form(packed_as):
    """Packed weights of the reference in float64, or what stands for bfloat16 or int8."""
    return packed_as if packed_as in (np.uint16, np.int8) else np.float64


@each_forward_form
@pytest.mark.parametrize("transpose", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pack_and_matmul(k, dtype, packed_as, transpose, shape):
    m, depth, n = shape
    a, w = numbers(1, m, depth, dtype=dtype), numbers(2, depth, n, dtype=dtype)
    bias = numbers(3, n, dtype=dtype)
    result = product(k, a, w, bias, packed_as, transpose)
    assert result.dtype == dtype
    exact = product(reference, *in_double(a, w, bias), exact_form(packed_as), transpose)
    assert_close(result, exact, SUMS[dtype])


@each_forward_form
def test_row_of_matmul_does_not_depend_on_the_number_of_rows(k, dtype, packed_as):
    """Around blocks of 6 and 16 rows, and the 96 rows that are staged at a time."""
    a, w = numbers(4, 110, 37, dtype=dtype), numbers(5, 37, 70, dtype=dtype)
    bias = numbers(6, 70, dtype=dtype)
    whole = product(k, a, w, bias, packed_as)
    for m in [*range(1, 36), 47, 48, 49, 63, 64, 65, 80, 95, 96, 97, 109]:
        assert np.array_equal(product(k, a[:m], w, bias, packed_as), whole[:m]), m
        assert np.array_equal(product(k, a[m:], w, bias, packed_as), whole[m:]), m


@each_form
def test_one_for_the_left_matrix_gives_the_weights_back(k, dtype, packed_as):
    """Packing keeps every bit that its form has room for: all, or those of a bfloat16."""
    w = numbers(38, 45, 70, dtype=dtype) * 10 ** numbers(39, 45, 70, dtype=dtype)
    expected = w
    if packed_as == np.uint16:
        expected = reference.from_bfloat16(reference.to_bfloat16(w))
    for transpose in (False, True):
        result = product(k, np.eye(45, dtype=dtype), w, np.zeros(70, dtype), packed_as, transpose)
        if packed_as == np.int16:  # the three sum to the number within 2**-27 of it
            np.testing.assert_allclose(result, expected, rtol=2.0**-24)
        else:
            assert np.array_equal(result, expected)


@over_forms("bfloat16")
def test_bfloat16_rounds_ties_to_even(k, dtype, packed_as):
    """Of both operands: halves between two bfloat16 numbers, and their neighbours."""
    bits = np.arange(0x3F800000, 0x3F880000, 0x4000, dtype=np.uint32)
    bits = np.concatenate([bits, bits + 1, bits - 1, bits | 0x80000000])
    x = bits.view(np.float32)[:, None]
    rounded = reference.from_bfloat16(reference.to_bfloat16(x))
    assert np.sum(rounded == x) == len(x) // 8  # that many need no rounding
    half_up = ((bits + 0x8000) & 0xFFFF0000).view(np.float32)[:, None]
    assert np.sum(rounded != half_up) == len(x) // 16
    one, nothing = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    assert np.array_equal(product(k, x, one, nothing, packed_as), rounded)
    nothing = np.zeros(len(x), np.float32)
    weights = np.ascontiguousarray(x.T)
    assert np.array_equal(product(k, one, weights, nothing, packed_as), rounded.T)


@over_forms("split_floats")
def test_split_floats_are_as_accurate_as_float32(k, dtype, packed_as):
    """Errors of 200-term sums against float64, in the root mean square and at most."""
    squares, largest = np.zeros(2), np.zeros(2)
    seeds = range(40)
    for seed in seeds:
        a, w = numbers(2 * seed, 30, 200, dtype=dtype), numbers(2 * seed + 1, 200, 50, dtype=dtype)
        bias = numbers(seed + 1000, 50, dtype=dtype)
        exact = product(reference, *in_double(a, w, bias), np.float64)
        for form, kind in enumerate((np.float32, packed_as)):
            error = np.abs(product(k, a, w, bias, kind) - exact)
            squares[form] += np.mean(error**2)
            largest[form] = max(largest[form], error.max())
    plain, split = np.sqrt(squares / len(seeds))
    assert 1e-7 < plain < 1e-5
    assert split <= 1.5 * plain
    assert largest[1] <= 1.5 * largest[0]


# Quiet, negative, signalling, and with every bit set.
NANS = {"quiet": 0x7FC00000, "negative": 0xFFC00000, "signalling": 0x7F800001, "full": 0x7FFFFFFF,
        "negative_full": 0xFFFFFFFF}  # fmt: skip


def a_nan(bits, dtype):
    """A NaN with these bits in float32, or the like of it in float64."""
    if dtype == np.float32:
        return np.array([bits], np.uint32).view(np.float32)
    sign, fraction = bits >> 31, bits & 0x7FFFFF
    wide = sign << 63 | 0x7FF << 52 | fraction << 29 | (fraction & 1)
    return np.array([wide], np.uint64).view(np.float64)


@each_forward_form
@pytest.mark.parametrize("bits", NANS.values(), ids=NANS)
def test_nan_in_a_row_stays_in_that_row(k, dtype, packed_as, bits):
    a, w = numbers(40, 40, 37, dtype=dtype), numbers(41, 37, 70, dtype=dtype)
    bias = numbers(42, 70, dtype=dtype)
    clean = product(k, a, w, bias, packed_as)
    assert np.isfinite(clean).all()
    broken = [0, 17, 31, 39]
    for row, column in zip(broken, (0, 5, 31, 36), strict=True):
        a[row, column] = a_nan(bits, dtype)[0]
    assert np.isnan(a[broken]).any(axis=1).all()
    result = product(k, a, w, bias, packed_as)
    assert np.isnan(result[broken]).all()
    assert np.array_equal(np.delete(result, broken, axis=0), np.delete(clean, broken, axis=0))


@each_forward_form
@pytest.mark.parametrize("transpose", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("bits", NANS.values(), ids=NANS)
def test_nan_in_a_weight_stays_in_its_column(k, dtype, packed_as, bits, transpose):
    a, w = numbers(43, 20, 37, dtype=dtype), numbers(44, 37, 70, dtype=dtype)
    bias = numbers(45, 70, dtype=dtype)
    clean = product(k, a, w, bias, packed_as, transpose)
    broken = [0, 18, 33, 69]
    for column, row in zip(broken, (0, 5, 31, 36), strict=True):
        w[row, column] = a_nan(bits, dtype)[0]
    result = product(k, a, w, bias, packed_as, transpose)
    assert np.isnan(result[:, broken]).all()
    assert np.array_equal(np.delete(result, broken, axis=1), np.delete(clean, broken, axis=1))


@each_forward_form
@pytest.mark.parametrize("sign", [1, -1], ids=["plus", "minus"])
def test_infinity_does_not_become_finite(k, dtype, packed_as, sign):
    a, w = numbers(46, 40, 37, dtype=dtype), numbers(47, 37, 70, dtype=dtype)
    bias = numbers(48, 70, dtype=dtype)
    clean = product(k, a, w, bias, packed_as)
    assert w.all()
    for place in [(0, 0), (17, 31), (39, 36)]:
        a[place] = sign * np.inf
    broken = [0, 17, 39]
    result = product(k, a, w, bias, packed_as)
    assert not np.isfinite(result[broken]).any()
    assert np.array_equal(np.delete(result, broken, axis=0), np.delete(clean, broken, axis=0))
    # In a weight, and in the bias, as well.
    w[3, 50] = sign * np.inf
    bias[7] = sign * np.inf
    result = product(k, a, w, bias, packed_as)
    assert not np.isfinite(result[:, [7, 50]]).any()
    assert np.isfinite(np.delete(np.delete(result, broken, axis=0), [7, 50], axis=1)).all()


# (summed rows, rows of the result, columns) beside SHAPES: more tokens than are summed
# at a time, and counts around them.
LONG_SUMS = [(95, 5, 20), (96, 17, 64), (97, 33, 65), (200, 3, 12), (301, 40, 132)]


def gradients(k, a, d, columns, packed_as, start, bias_start):
    """Both starting values with the gradients added, without their padding."""
    m, width = a.shape[1], d.shape[1]
    result, bias = guarded((m, width), a.dtype), guarded(width, a.dtype)
    result[:, :columns], bias[:columns] = start, bias_start
    size = k.scratch_size(m, -(-columns // 4), 1, packed_as)
    scratch = guarded(size, packed_as)
    k.weight_gradient(a, d, columns, scratch, result, bias)
    assert_guards_hold(result, bias, scratch)
    return result[:, :columns], bias[:columns]


@each_form
@pytest.mark.parametrize("shape", [*SHAPES, *((m, n, c) for n, m, c in LONG_SUMS)], ids=str)
def test_weight_and_bias_gradient(k, dtype, packed_as, shape):
    m, n, columns = shape
    a = numbers(7, n, m, dtype=dtype)
    # Rows of d are as wide as matmul leaves them, with no meaning beyond ``columns``.
    d = np.full((n, k.padded_width(columns, dtype)), np.nan, dtype)
    d[:, :columns] = numbers(8, n, columns)
    start, bias_start = numbers(9, m, columns, dtype=dtype), numbers(10, columns, dtype=dtype)
    result = gradients(k, a, d, columns, packed_as, start, bias_start)
    exact = gradients(
        reference, *in_double(a, d[:, :columns]), columns, exact_form(packed_as),
        *in_double(start, bias_start),
    )  # fmt: skip
    # Sums of up to 301 terms, where those of up to 200 may be off by 4e-6.
    tolerance = SUMS[dtype] * max(1.0, n / 200)
    assert_close(result[0], exact[0], tolerance, "weight")
    # Bias sums are plain additions of the numbers as they are, in every form.
    assert_close(result[1], exact[1], tolerance, "bias")


@each_form
def test_nan_in_a_gradient_stays_in_its_row_and_column(k, dtype, packed_as):
    n, m, columns = 130, 19, 70
    a, d = numbers(11, n, m, dtype=dtype), numbers(12, n, k.padded_width(columns, dtype))
    d = d.astype(dtype)
    nothing = np.zeros((m, columns), dtype), np.zeros(columns, dtype)
    clean, clean_bias = gradients(k, a, d, columns, packed_as, *nothing)
    a[100, 4], d[3, 66] = np.nan, np.nan
    result, bias = gradients(k, a, d, columns, packed_as, *nothing)
    expected = np.zeros((m, columns), bool)
    expected[4], expected[:, 66] = True, True
    assert np.array_equal(np.isnan(result), expected)
    assert np.array_equal(result[~expected], clean[~expected])
    assert np.flatnonzero(np.isnan(bias)).tolist() == [66]
    assert np.array_equal(np.delete(bias, 66), np.delete(clean_bias, 66))


@each_compiled_backend
@pytest.mark.parametrize("lengths", [[], [4], [3, 3, 3], [9, 5, 5, 1]], ids=str)
def test_pack_tokens(k, lengths):
    lengths = np.array(lengths, np.int64)
    ids = np.arange(100, dtype=np.int32)
    first = np.array([60, 7, 30, 2])[: len(lengths)]
    found = []
    for backend in (k, reference):
        n_live = np.full(lengths.max(initial=0), -7, np.int64)
        starts, packed = np.full_like(n_live, -7), np.full(lengths.sum(), -7, np.int32)
        backend.pack_tokens(ids, first, lengths, n_live, starts, packed)
        found.append((n_live.tolist(), starts.tolist(), packed.tolist()))
    assert found[0] == found[1]


@each_compiled_backend
@pytest.mark.parametrize("ids", [[], [4], [3, 3, 3], [5, 0, 5, 2, 0, 7, 2, 2, 1]], ids=str)
def test_distinct_tokens(k, ids):
    ids = np.array(ids, np.int32)
    found = []
    for backend in (k, reference):
        slots = np.full(8, -1, np.int32)
        distinct, inverse = np.full(len(ids), -7, np.int32), np.full(len(ids), -7, np.int32)
        count = backend.distinct_tokens(ids, slots, distinct, inverse)
        assert (slots == -1).all()
        assert np.array_equal(distinct[:count][inverse], ids)
        found.append((distinct[:count].tolist(), inverse.tolist()))
    assert found[0] == found[1]
    assert sorted(found[0][0]) == sorted(set(ids.tolist()))


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("width", [1, 5, 16, 33])
@pytest.mark.parametrize("index", [[], [2], [1, 1, 0, 3, 1]], ids=str)
def test_gather_and_scatter_rows(k, dtype, width, index):
    index = np.array(index, np.int32)
    # Tables may be wider than what is taken from them.
    table = numbers(13, 4, width + 3, dtype=dtype)
    gathered = np.full((len(index), width), np.nan, dtype)
    k.gather_rows(table, index, gathered)
    assert np.array_equal(gathered, table[index, :width])

    rows = numbers(14, len(index), width + 3, dtype=dtype)
    result = numbers(15, 4, width, dtype=dtype)
    expected = result.astype(np.float64)
    k.scatter_add_rows(rows, index, result)
    reference.scatter_add_rows(rows.astype(np.float64), index, expected)
    assert_close(result, expected, ONE_OPERATION[dtype])


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mode", POOLING)
@pytest.mark.parametrize("lengths", [[1], [5], [3, 1, 7, 3, 1, 2]], ids=str)
def test_pooling(k, dtype, directions, mode, lengths):
    hidden = 5
    batch = packed_batch(lengths)
    width = directions * hidden
    pooled_width = 2 * width if mode == "mean_max" else width
    # Rounded to one digit: many ties, of which the first must win.
    h = numbers(16, batch.n_tokens, width, dtype=dtype).round(1)
    d_pooled = numbers(17, batch.n_sequences, pooled_width, dtype=dtype)
    results = []
    for backend, kind in ((k, dtype), (reference, np.float64)):
        out = np.full((batch.n_sequences, pooled_width), np.nan, kind)
        winner = np.full((batch.n_sequences, width), -1, np.int32)
        d_h = np.full((batch.n_tokens, width), np.nan, kind)
        steps = (batch.n_live, batch.starts, batch.lengths, POOLING[mode], hidden)
        backend.pool_forward(h.astype(kind), *steps, out, winner)
        backend.pool_backward(d_pooled.astype(kind), *steps, winner, d_h)
        results.append((out, d_h, winner))
    (out, d_h, winner), (exact_out, exact_d_h, exact_winner) = results
    assert_close(out, exact_out, ONE_OPERATION[dtype], "pooled")
    assert_close(d_h, exact_d_h, ONE_OPERATION[dtype], "d_h")
    assert np.array_equal(winner, exact_winner)


@each_compiled_backend
@pytest.mark.parametrize("mode", ["max", "mean_max"])
@pytest.mark.parametrize("place", [0, 1, 3], ids=["first", "middle", "last"])
def test_pooling_lets_nan_through(k, mode, place):
    batch = packed_batch([4, 4])
    h = numbers(18, batch.n_tokens, 3, dtype=np.float32)
    h[2 * place] = np.nan  # a token of the first document
    results = []
    for backend in (k, reference):
        out = np.zeros((2, 6 if mode == "mean_max" else 3), np.float32)
        winner = np.zeros((2, 3), np.int32)
        steps = (batch.n_live, batch.starts, batch.lengths, POOLING[mode], 3)
        backend.pool_forward(h, *steps, out, winner)
        results.append((out, winner))
    assert np.isnan(results[0][0][0]).all()
    assert np.isfinite(results[0][0][1]).all()
    assert np.array_equal(results[0][1], results[1][1])


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.97])
def test_dropout_has_the_mask_of_the_reference(k, dtype, rate):
    for shape in [(0, 4), (1, 1), (3, 17), (40, 33)]:
        x = numbers(19, *shape, dtype=dtype)
        for key in (0, 1, 123456789, 2**31, 2**32 - 1):
            result, expected = np.full_like(x, np.nan), np.full_like(x, np.nan)
            k.dropout(x, rate, key, 0, result)
            reference.dropout(x, rate, key, 0, expected)
            assert np.array_equal(result == 0, expected == 0)
            # A compiler may divide by 1 - rate where the reference multiplies.
            np.testing.assert_allclose(result, expected, rtol=2 * np.finfo(dtype).eps)
            if len(x) > 2:  # a part has the mask that it has in the whole
                part = np.full_like(x[2:], np.nan)
                k.dropout(x[2:], rate, key, 2, part)
                assert np.array_equal(part, result[2:])
            in_place = x.copy()
            k.dropout(in_place, rate, key, 0, in_place)
            assert np.array_equal(in_place, result)


@each_compiled_backend
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_dropout_rate_is_right_everywhere(k, rate):
    """Within 5 standard deviations of the binomial: overall, by column, by pair of keys."""
    x = np.ones((2000, 100), np.float32)
    kept = []
    for key in (0, 1, 2, 77):
        out = np.empty_like(x)
        k.dropout(x, rate, key, 0, out)
        assert set(np.unique(out)) == {np.float32(0), np.float32(1 / (1 - rate))}
        kept.append(out != 0)

    def in_bounds(mask, probability):
        n = mask.shape[0]
        slack = 5 * math.sqrt(n * probability * (1 - probability))
        return (np.abs(mask.sum(axis=0) - n * probability) <= slack).all()

    for mask in kept:
        assert in_bounds(mask.ravel(), 1 - rate)
        assert in_bounds(mask, 1 - rate)
        # Neighbours in a row, and neighbouring rows, are drawn on their own.
        assert in_bounds((mask[:, 1:] & mask[:, :-1]).ravel(), (1 - rate) ** 2)
        assert in_bounds((mask[1:] & mask[:-1]).ravel(), (1 - rate) ** 2)
    for first in range(4):
        for second in range(first):
            assert in_bounds((kept[first] & kept[second]).ravel(), (1 - rate) ** 2)


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("length", [0, 1, 5, 16, 1001])
def test_squared_norm(k, dtype, length):
    x = numbers(20, length, dtype=dtype)
    assert k.squared_norm(x) == pytest.approx(math.fsum(float(v) ** 2 for v in x), rel=1e-12)


def test_squared_norm_sums_in_double_precision():
    x = np.full(100_000, 0.1, np.float32)
    assert reference.squared_norm(x) == pytest.approx(1e5 * float(x[0]) ** 2, rel=1e-12)


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("decay", [0.0, 0.02])
@pytest.mark.parametrize("width", [1, 5, 33])
@pytest.mark.parametrize("rows", [[], [0], [4, 1, 2]], ids=str)
def test_optimiser_steps(k, dtype, decay, width, rows):
    rows = np.array(rows, np.int32)
    start = [numbers(seed, 6, width, dtype=dtype) for seed in (21, 22, 23)]
    start[2] = start[2] ** 2  # second moments
    gradient = numbers(24, 4, width, dtype=dtype)
    settings = {
        "adam_update": (0.5, 0.1, decay, 0.9, 0.99, 1.7, 1.3, 1e-3),
        "sgd_update": (0.5, 0.1, decay, 0.9),
    }
    for name, numeric in settings.items():
        count = 3 if name == "adam_update" else 2
        result = [x.copy() for x in start[:count]]
        exact = [x.astype(np.float64) for x in start[:count]]
        getattr(k, name)(result[0], rows, gradient, *result[1:], *numeric)
        getattr(reference, name)(exact[0], rows, gradient.astype(float), *exact[1:], *numeric)
        unseen = np.setdiff1d(np.arange(6), rows)
        for before, after, expected in zip(start, result, exact, strict=False):
            assert_close(after, expected, ONE_OPERATION[dtype], name)
            assert np.array_equal(after[unseen], before[unseen]), name


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("width", [1, 5, 33])
@pytest.mark.parametrize("rows", [[], [0], [4, 1, 2], [5, 0, 1, 2, 4, 3]], ids=str)
def test_average_of_rows(k, dtype, width, rows):
    rows = np.array(rows, np.int32)
    table, average = (numbers(seed, 6, width, dtype=dtype) for seed in (51, 52))
    share = np.linspace(0, 1, len(rows)).astype(dtype)
    result, exact = average.copy(), average.astype(np.float64)
    k.average_rows(*frozen(table, rows, share), result)
    reference.average_rows(table.astype(np.float64), rows, share.astype(np.float64), exact)
    assert_close(result, exact, ONE_OPERATION[dtype])
    unseen = np.setdiff1d(np.arange(6), rows)
    assert np.array_equal(result[unseen], average[unseen])


def frozen(*arrays):
    """Read-only copies, as joblib hands them to its workers."""
    copies = [array.copy() if isinstance(array, np.ndarray) else array for array in arrays]
    for copy in copies:
        if isinstance(copy, np.ndarray):
            copy.flags.writeable = False
    return copies


@each_compiled_backend
def test_inputs_may_be_read_only(k):
    """Same results, bit for bit, from read-only inputs; the LSTM's are in test_sweep.py."""
    f32 = np.float32
    batch = packed_batch([3, 2, 1])
    n, width = batch.n_tokens, k.padded_width(20, f32)
    kind = k.packed_dtype(f32, "float32", training=True)
    packed = packed_matrix(k, numbers(29, 5, 20, dtype=f32), kind)
    scratch = np.zeros(k.scratch_size(5, 5, 3, kind), kind)
    a, w, d = numbers(30, n, 5, dtype=f32), numbers(31, 5, 20, dtype=f32), numbers(32, n, width)
    d, bias = d.astype(f32), numbers(33, width, dtype=f32)
    index = np.array([1, 0, 1, 2, 2, 0], np.int32)
    winner = np.zeros((3, 5), np.int32)
    steps = (batch.n_live, batch.starts, batch.lengths)
    row = np.zeros(1, np.int32)
    calls = [  # (kernel, inputs that may be read-only, other arguments, results)
        ("pack", [w], [False], [np.zeros_like(packed)]),
        ("matmul", [a, 5, packed], [20, bias, scratch], [np.zeros((n, width), f32)]),
        ("weight_gradient", [a, d], [20, scratch],
         [np.zeros((5, width), f32), np.zeros(width, f32)]),
        ("gather_rows", [a, index], [], [np.zeros((6, 5), f32)]),
        ("scatter_add_rows", [a, index], [], [np.zeros((3, 5), f32)]),
        ("pool_forward", [a, *steps], [3, 5], [np.zeros((3, 10), f32), winner]),
        ("pool_backward", [numbers(34, 3, 10, dtype=f32), *steps], [3, 5, winner],
         [np.zeros((n, 5), f32)]),
        ("dropout", [a], [0.5, 3, 0], [np.zeros((n, 5), f32)]),
        ("squared_norm", [bias], [], []),
        ("pack_tokens", [index, *2 * [np.array([3, 2])]], [],
         [np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(5, np.int32)]),
        ("distinct_tokens", [index], [np.full(9, -1, np.int32)],
         [np.zeros(6, np.int32), np.zeros(6, np.int32)]),
    ]  # fmt: skip
    for name, inputs, others, results in calls:
        again = [result.copy() for result in results]
        kernel = getattr(k, name)
        value = kernel(*inputs, *others, *results)
        assert kernel(*frozen(*inputs), *others, *again) == value, name
        for result, repeated in zip(results, again, strict=True):
            assert np.array_equal(result, repeated), name
    table, m, v = (numbers(seed, 2, 5, dtype=f32) ** 2 for seed in (35, 36, 37))
    for name, state, settings in [
        ("adam_update", [m, v], (1.0, 0.1, 0.0, 0.9, 0.99, 1.5, 1.2, 1e-8)),
        ("sgd_update", [m], (1.0, 0.1, 0.0, 0.9)),
    ]:
        results = []
        for rows, gradient in ((row, a), frozen(row, a)):
            changed = [x.copy() for x in (table, *state)]
            getattr(k, name)(changed[0], rows, gradient, *changed[1:], *settings)
            results.append(np.concatenate(changed))
        assert np.array_equal(*results), name
        assert not np.array_equal(results[0][:2], table), name

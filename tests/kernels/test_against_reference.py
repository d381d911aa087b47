"""Each compiled kernel but the LSTM's against its naive twin, on awkward shapes.

The reference always computes in float64, from the numbers the kernel got. Errors
are relative to the largest expected value: 1e-12 in float64; in float32 1e-6 for
single operations and 4e-6 for sums of up to 200 products.
"""

import math

import numpy as np
import pytest

from fastlstm.kernels import reference
from fastlstm.kernels.contract import POOLING
from tests.helpers import assert_close, each_compiled_backend, each_dtype, packed_batch

ONE_OPERATION = {np.float32: 1e-6, np.float64: 1e-12}
SUMS = {np.float32: 4e-6, np.float64: 1e-12}

# (rows, summed, columns): none, one, and around the tile (6 rows), the vectors (2 to
# 16 elements) and the panels (2 or 4 vectors) of all backends.
SHAPES = [
    (0, 3, 5), (1, 0, 5), (1, 1, 1), (2, 3, 4), (5, 17, 15), (6, 4, 16), (7, 2, 17),
    (8, 16, 33), (9, 5, 63), (12, 1, 64), (13, 100, 65), (14, 3, 127), (20, 200, 129),
]  # fmt: skip


def numbers(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def product(k, a, w, bias, transpose=False):
    """``bias + a @ w`` by the kernels, through the backend's own layout of ``w``."""
    columns = len(bias)
    packed = np.full(k.packed_shape(*w.shape, w.dtype), np.nan, w.dtype)
    k.pack(np.ascontiguousarray(w.T) if transpose else w, transpose, packed)
    width = k.padded_width(columns, w.dtype)
    padded_bias = np.zeros(width, w.dtype)
    padded_bias[:columns] = bias
    out = np.full((len(a), width), np.nan, w.dtype)
    k.matmul(a, packed, columns, padded_bias, out)
    return out[:, :columns]


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("transpose", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pack_and_matmul(k, dtype, transpose, shape):
    m, depth, n = shape
    a, w = numbers(1, m, depth, dtype=dtype), numbers(2, depth, n, dtype=dtype)
    bias = numbers(3, n, dtype=dtype)
    result = product(k, a, w, bias, transpose)
    assert result.dtype == dtype
    exact = product(reference, *(x.astype(np.float64) for x in (a, w, bias)), transpose)
    assert_close(result, exact, SUMS[dtype])


@each_compiled_backend
@each_dtype
def test_row_of_matmul_does_not_depend_on_the_number_of_rows(k, dtype):
    a, w = numbers(4, 25, 37, dtype=dtype), numbers(5, 37, 70, dtype=dtype)
    bias = numbers(6, 70, dtype=dtype)
    whole = product(k, a, w, bias)
    for m in range(1, 25):
        assert np.array_equal(product(k, a[:m], w, bias), whole[:m])
        assert np.array_equal(product(k, a[m:], w, bias), whole[m:])


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("accumulate", [False, True], ids=["overwrite", "accumulate"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weight_and_bias_gradient(k, dtype, accumulate, shape):
    m, n, columns = shape
    a = numbers(7, n, m, dtype=dtype)
    # Rows of d are as wide as matmul leaves them, with no meaning beyond ``columns``.
    d = numbers(8, n, k.padded_width(columns, dtype), dtype=dtype)
    start, bias_start = numbers(9, m, columns, dtype=dtype), numbers(10, columns, dtype=dtype)
    result, bias = start.copy(), bias_start.copy()
    k.weight_gradient(a, d, 0, columns, accumulate, result)
    k.bias_gradient(d, 0, columns, accumulate, bias)
    exact, exact_bias = start.astype(np.float64), bias_start.astype(np.float64)
    reference.weight_gradient(
        a.astype(np.float64), d.astype(np.float64), 0, columns, accumulate, exact
    )
    reference.bias_gradient(d.astype(np.float64), 0, columns, accumulate, exact_bias)
    assert_close(result, exact, SUMS[dtype], "weight")
    assert_close(bias, exact_bias, SUMS[dtype], "bias")


@each_compiled_backend
@each_dtype
def test_weight_gradient_by_columns_equals_the_whole(k, dtype):
    panel = k.padded_width(1, dtype)
    columns = 2 * panel + panel // 2
    # More tokens than the kernel sums at a time.
    a, d = numbers(11, 301, 7, dtype=dtype), numbers(12, 301, 3 * panel, dtype=dtype)
    whole = np.full((7, columns), np.nan, dtype)
    k.weight_gradient(a, d, 0, columns, False, whole)
    parts = np.full((7, columns), np.nan, dtype)
    for low in range(0, columns, panel):
        before = parts.copy()
        high = min(low + panel, columns)
        k.weight_gradient(a, d, low, high, False, parts)
        untouched = np.r_[0:low, high:columns]
        assert np.array_equal(parts[:, untouched], before[:, untouched], equal_nan=True)
    assert np.array_equal(parts, whole)
    exact = np.empty((7, columns))
    reference.weight_gradient(a.astype(np.float64), d.astype(np.float64), 0, columns, False, exact)
    assert_close(whole, exact, SUMS[dtype])


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
    d_pooled = numbers(17, batch.n_documents, pooled_width, dtype=dtype)
    results = []
    for backend, kind in ((k, dtype), (reference, np.float64)):
        out = np.full((batch.n_documents, pooled_width), np.nan, kind)
        winner = np.full((batch.n_documents, width), -1, np.int32)
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
            k.dropout(x, rate, key, result)
            reference.dropout(x, rate, key, expected)
            assert np.array_equal(result == 0, expected == 0)
            # A compiler may divide by 1 - rate where the reference multiplies.
            np.testing.assert_allclose(result, expected, rtol=2 * np.finfo(dtype).eps)
            in_place = x.copy()
            k.dropout(in_place, rate, key, in_place)
            assert np.array_equal(in_place, result)


@each_compiled_backend
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_dropout_rate_is_right_everywhere(k, rate):
    """Within 5 standard deviations of the binomial: overall, by column, by pair of keys."""
    x = np.ones((2000, 100), np.float32)
    kept = []
    for key in (0, 1, 2, 77):
        out = np.empty_like(x)
        k.dropout(x, rate, key, out)
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


def frozen(*arrays):
    """Read-only copies, as joblib hands them to its workers."""
    copies = [array.copy() for array in arrays]
    for copy in copies:
        copy.flags.writeable = False
    return copies


@each_compiled_backend
def test_inputs_may_be_read_only(k):
    """Same results, bit for bit, from read-only inputs; the LSTM's are in test_sweep.py."""
    f32 = np.float32
    batch = packed_batch([3, 2, 1])
    n, width = batch.n_tokens, k.padded_width(20, f32)
    packed = np.empty(k.packed_shape(5, 20, f32), f32)
    a, w, d = numbers(30, n, 5, dtype=f32), numbers(31, 5, 20, dtype=f32), numbers(32, n, width)
    d, bias = d.astype(f32), numbers(33, width, dtype=f32)
    index = np.array([1, 0, 1, 2, 2, 0], np.int32)
    winner = np.zeros((3, 5), np.int32)
    steps = (batch.n_live, batch.starts, batch.lengths)
    row = np.zeros(1, np.int32)
    calls = [  # (kernel, inputs that may be read-only, other arguments, results)
        ("pack", [w], [False], [packed]),
        ("matmul", [a, packed], [20, bias], [np.zeros((n, width), f32)]),
        ("weight_gradient", [a, d], [0, 20, False], [np.zeros((5, 20), f32)]),
        ("bias_gradient", [d], [0, 20, False], [np.zeros(20, f32)]),
        ("gather_rows", [a, index], [], [np.zeros((6, 5), f32)]),
        ("scatter_add_rows", [a, index], [], [np.zeros((3, 5), f32)]),
        ("pool_forward", [a, *steps], [3, 5], [np.zeros((3, 10), f32), winner]),
        ("pool_backward", [numbers(34, 3, 10, dtype=f32), *steps], [3, 5, winner],
         [np.zeros((n, 5), f32)]),
        ("dropout", [a], [0.5, 3], [np.zeros((n, 5), f32)]),
        ("squared_norm", [bias], [], []),
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

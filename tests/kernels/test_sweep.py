"""The compiled LSTM sweeps: against the reference, alone, and at the ends of their range.

The reference computes in float64 with the exact tanh. In float32 the kernels' own
tanh is within 4e-7 of it (docs/maths.md, section 13), and over some steps the
difference of states and gradients stays below 1e-5 of the largest value.
"""

from typing import NamedTuple

import numpy as np
import pytest

from fastlstm.kernels import reference
from tests.helpers import (
    assert_close,
    each_backend,
    each_compiled_backend,
    each_dtype,
    packed_batch,
)

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
# One document, equal lengths, documents of one token, and more rows than two tiles.
LENGTHS = [[1], [7], [5, 5, 5], [4, 9, 1, 4, 1], [3, 13, 1, 12, 8, 1, 8, 7, 6, 6, 5, 2, 1, 13]]


class Problem(NamedTuple):
    """One direction's inputs, without any padding; ``projected`` is x W_x + b."""

    projected: np.ndarray
    w_h: np.ndarray
    h0: np.ndarray
    c0: np.ndarray
    d_out: np.ndarray
    d_h: np.ndarray
    d_c: np.ndarray


def draw_problem(batch, hidden, dtype, seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    n, documents = batch.n_tokens, batch.n_documents
    w_h = draw(hidden, 4 * hidden) / dtype(np.sqrt(hidden))
    states = [draw(documents, hidden) for _ in range(4)]
    return Problem(draw(n, 4 * hidden), w_h, *states[:2], draw(n, hidden), *states[2:])


def read_only(array):
    array.flags.writeable = False
    return array


def sweep(k, problem, batch, reverse, has_initial=True, directions=2, freeze=lambda x: x):
    """Forward and backward of one direction; every result without its padding.

    The direction writes the last of ``directions`` column blocks, and the others
    must stay as they are.
    """
    hidden, gates = problem.w_h.shape
    dtype = problem.w_h.dtype
    n, documents = batch.n_tokens, batch.n_documents
    column = (directions - 1) * hidden
    steps = freeze(batch.n_live.copy()), freeze(batch.starts.copy())
    packed = np.empty(k.packed_shape(hidden, gates, dtype), dtype)
    packed_t = np.empty(k.packed_shape(gates, hidden, dtype), dtype)
    k.pack(problem.w_h, False, packed)
    k.pack(problem.w_h, True, packed_t)
    packed, packed_t = freeze(packed), freeze(packed_t)
    width = k.padded_width(gates, dtype)
    work = np.zeros((n, width), dtype)
    work[:, :gates] = problem.projected
    h = np.full((n, directions * hidden), 7, dtype)
    c = np.full((n, hidden), np.nan, dtype)
    h0, c0 = freeze(problem.h0.copy()), freeze(problem.c0.copy())
    k.lstm_forward(work, packed, h0, c0, has_initial, *steps, reverse, column, h, c)
    assert (h[:, :column] == 7).all()
    results = {"gates": work[:, :gates].copy(), "h": h[:, column:].copy(), "c": c}
    before = np.full((n, hidden), np.nan, dtype)
    k.previous_states(h, h0, *steps, reverse, column, before)
    d_out = np.full_like(h, np.nan)
    d_out[:, column:] = problem.d_out
    d_h = np.zeros((documents, k.padded_width(hidden, dtype)), dtype)
    d_h[:, :hidden] = problem.d_h
    d_c = problem.d_c.copy()
    zeros = freeze(np.zeros(d_h.shape[1], dtype))
    k.lstm_backward(
        work, packed_t, c0, freeze(c), freeze(d_out), *steps, reverse, column, zeros, d_h, d_c
    )
    return {
        **results, "h_before": before, "d_a": work[:, :gates], "d_h": d_h[:, :hidden], "d_c": d_c,
    }  # fmt: skip


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("hidden", [1, 3, 5, 16, 17, 100])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_sweep_equals_the_reference(k, dtype, reverse, hidden, lengths):
    batch = packed_batch(lengths)
    problem = draw_problem(batch, hidden, dtype)
    exact_problem = Problem(*(x.astype(np.float64) for x in problem))
    result = sweep(k, problem, batch, reverse)
    exact = sweep(reference, exact_problem, batch, reverse)
    for name in exact:
        assert result[name].dtype == dtype
        assert_close(result[name], exact[name], TOLERANCE[dtype], name)


@each_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_without_initial_states_is_with_zeros(k, reverse):
    batch = packed_batch(LENGTHS[3])
    problem = draw_problem(batch, 5, np.float32)
    zero = np.zeros_like(problem.h0)
    problem = problem._replace(h0=zero, c0=zero)
    with_zeros = sweep(k, problem, batch, reverse, has_initial=True, directions=1)
    without = sweep(k, problem, batch, reverse, has_initial=False, directions=1)
    for name in with_zeros:
        assert np.array_equal(with_zeros[name], without[name]), name


@each_backend
def test_reverse_is_forward_on_reversed_documents(k):
    """Of equal lengths, so that reversing the steps needs no packing."""
    batch = packed_batch([6, 6, 6])
    problem = draw_problem(batch, 5, np.float64)

    def flip(rows):
        return rows.reshape(6, 3, -1)[::-1].reshape(18, -1).copy()

    flipped = problem._replace(projected=flip(problem.projected), d_out=flip(problem.d_out))
    reverse = sweep(k, problem, batch, True)
    forward = sweep(k, flipped, batch, False)
    for name in ("gates", "h", "c", "h_before", "d_a"):
        assert np.array_equal(reverse[name], flip(forward[name])), name
    assert np.array_equal(reverse["d_h"], forward["d_h"])
    assert np.array_equal(reverse["d_c"], forward["d_c"])


@each_compiled_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("hidden", [5, 16, 17])
def test_document_alone_equals_itself_in_a_batch(k, reverse, hidden):
    batch = packed_batch(LENGTHS[4])
    problem = draw_problem(batch, hidden, np.float32)
    together = sweep(k, problem, batch, reverse)
    for row, length in enumerate(batch.lengths):
        places = batch.starts[:length] + row
        own = Problem(
            problem.projected[places], problem.w_h,
            problem.h0[row : row + 1], problem.c0[row : row + 1], problem.d_out[places],
            problem.d_h[row : row + 1], problem.d_c[row : row + 1],
        )  # fmt: skip
        alone = sweep(k, own, packed_batch([length]), reverse)
        for name in ("gates", "h", "c", "h_before", "d_a"):
            assert np.array_equal(alone[name], together[name][places]), (row, name)
        for name in ("d_h", "d_c"):
            assert np.array_equal(alone[name][0], together[name][row]), (row, name)


@each_compiled_backend
def test_inputs_may_be_read_only(k):
    batch = packed_batch(LENGTHS[3])
    problem = draw_problem(batch, 5, np.float32)
    results = sweep(k, problem, batch, False)
    frozen = sweep(k, problem, batch, False, freeze=read_only)
    for name in results:
        assert np.array_equal(frozen[name], results[name]), name


# A width with full vectors and every smaller remainder down to one element.
WIDTH = 31


def one_step(k, a_i, a_f, a_g, a_o, c_before):
    """Gates, c and h of one step with these pre-activations, arrays of one dimension."""
    dtype = a_i.dtype
    rows = -(-len(a_i) // WIDTH)

    def shaped(values):
        return np.resize(values, (rows, WIDTH)).astype(dtype)

    width = k.padded_width(4 * WIDTH, dtype)
    gates = np.zeros((rows, width), dtype)
    gates[:, : 4 * WIDTH] = np.concatenate([shaped(a) for a in (a_i, a_f, a_g, a_o)], axis=1)
    packed = np.zeros(k.packed_shape(WIDTH, 4 * WIDTH, dtype), dtype)
    steps = np.array([rows]), np.array([0])
    h, c = np.empty((rows, WIDTH), dtype), np.empty((rows, WIDTH), dtype)
    h0 = np.zeros((rows, WIDTH), dtype)
    k.lstm_forward(gates, packed, h0, shaped(c_before), False, *steps, False, 0, h, c)
    parts = [gates[:, p * WIDTH : (p + 1) * WIDTH] for p in range(4)]
    return [part.ravel()[: len(a_i)] for part in (*parts, c, h)]


def wide_range(dtype):
    """Arguments from tiny to huge, of both signs, with 0 and the ends of the clamp."""
    small = np.logspace(-38, 0, 20_001)
    near = np.linspace(0, 20, 100_003)
    far = [7.90531110763549805, 7.99, 20.0, 88.0, 89.0, 350.0, 710.0, 1e4, 1e30, 3e38]
    x = np.concatenate([small, near, far]).astype(dtype)
    return np.concatenate([x, -x])


@each_compiled_backend
@each_dtype
def test_activations_are_accurate_over_a_wide_range(k, dtype):
    x = wide_range(dtype)
    exact = x.astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-np.clip(exact, -700, 700)))
    tanh_bound, sigmoid_bound = (4e-7, 2.4e-7) if dtype is np.float32 else (5e-16, 5e-16)
    i, f, g, o, _, _ = one_step(k, x, x, x, x, np.zeros_like(x))
    assert np.max(np.abs(g - np.tanh(exact))) <= tanh_bound
    assert np.max(np.abs(g)) <= 1
    for gate in (i, f, o):
        assert np.max(np.abs(gate - sigmoid)) <= sigmoid_bound
        assert gate.min() >= 0
        assert gate.max() <= 1
    # An odd function, so that no sign is favoured; and h = o tanh(c) uses the same.
    half = len(x) // 2
    if dtype is np.float32:
        assert np.array_equal(g[:half], -g[half:])
    huge = np.full_like(x, 100)
    *_, c, h = one_step(k, -huge, huge, x, huge, x)
    assert_close(c, exact, 1e-6)
    assert np.max(np.abs(h - np.tanh(exact))) <= 2 * tanh_bound


@each_compiled_backend
def test_tanh_near_zero_keeps_its_relative_accuracy(k):
    x = np.logspace(-30, -2, 10_001).astype(np.float32)
    g = one_step(k, x, x, x, x, x)[2]
    assert np.max(np.abs(g / np.tanh(x.astype(np.float64)) - 1)) <= 4e-7


@each_backend
@each_dtype
def test_hidden_state_stays_within_one(k, dtype):
    rng = np.random.default_rng(3)
    values = [(10 ** rng.uniform(-3, 6, 5000)) * rng.choice([-1, 1], 5000) for _ in range(5)]
    *_, h = one_step(k, *(v.astype(dtype) for v in values))
    assert np.isfinite(h).all()
    assert np.max(np.abs(h)) <= 1


@each_backend
@each_dtype
@pytest.mark.parametrize("gate", range(4), ids=["i", "f", "g", "o"])
def test_nan_stays_nan(k, dtype, gate):
    a = [np.full(WIDTH, 0.5, dtype) for _ in range(5)]
    a[gate][::3] = np.nan
    results = one_step(k, *a)
    broken = np.isnan(a[gate])
    assert np.array_equal(np.isnan(results[gate]), broken)
    assert np.array_equal(np.isnan(results[-1]), broken)


@each_backend
@each_dtype
def test_infinity_saturates(k, dtype):
    inf = np.full(WIDTH, np.inf, dtype)
    for sign in (1, -1):
        i, f, g, o, c, h = one_step(k, *[sign * inf] * 4, np.ones_like(inf))
        for value in (i, f, o):
            assert np.max(np.abs(value - (sign + 1) / 2)) <= 2.4e-7
        assert np.max(np.abs(g - sign)) <= 2.4e-7
        assert np.isfinite(c).all() and np.isfinite(h).all()


@each_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_nan_spreads_along_its_document_and_no_further(k, reverse):
    batch = packed_batch([6, 6, 4])
    problem = draw_problem(batch, 5, np.float32)
    problem.projected[batch.starts[2] + 1] = np.nan  # third token of the second document
    h = sweep(k, problem, batch, reverse)["h"]
    steps = range(6)
    for row, length in enumerate(batch.lengths):
        broken = [bool(np.isnan(h[batch.starts[t] + row]).any()) for t in steps[:length]]
        expected = [row == 1 and (t <= 2 if reverse else t >= 2) for t in steps[:length]]
        assert broken == expected

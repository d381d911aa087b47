"""The compiled LSTM sweeps: against the reference, alone, and at the ends of their range.

The reference computes in float64 with the exact tanh. In float32 the kernels' own
tanh is within 4e-7 of it (docs/explanation/maths.md, section 13), and over some steps the
difference of states and gradients stays below 1e-5 of the largest value. In bfloat16
both round the operands of products likewise, but a state that differs in its last bit
may be rounded to the neighbouring bfloat16, 2**-8 away. 8e-4 of the largest value
was seen after the longest of these sweeps; 3e-3 is allowed.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

from fastlstm.kernels import reference
from fastlstm.kernels.arguments import (
    CELLS,
    DirectionGradient,
    DirectionState,
    PackedDirection,
    StateGradient,
    Steps,
    cell_width,
)
from tests.helpers import (
    assert_close,
    assert_guards_hold,
    each_backend,
    each_compiled_backend,
    each_dtype,
    each_form,
    each_forward_form,
    guarded,
    packed_batch,
    packed_matrix,
)

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12, np.int16: 1e-5, np.uint16: 3e-3}
# One document, equal lengths, documents of one token, more rows than two micro-kernels, steps
# larger than a block of 128 tokens, blocks of just so many and of fewer, and many steps.
LENGTHS = {
    "one_token": [1],
    "one_document": [7],
    "equal": [5, 5, 5],
    "unequal": [4, 9, 1, 4, 1],
    "many": [3, 13, 1, 12, 8, 1, 8, 7, 6, 6, 5, 2, 1, 13],
    "large_step": [2, 1, 1, 2] * 40,
    "whole_blocks": [4] * 64,
    "uneven_blocks": [5] * 43 + [6, 1],
    "long": [70, 2, 41, 1],
}
# (hidden, n_inputs): each width of the states, around vectors, micro-kernels and panels.
WIDTHS = [(1, 33), (1, 1), (3, 5), (5, 64), (16, 1), (17, 33), (31, 5), (33, 64), (100, 33)]
each_length = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


class Problem(NamedTuple):
    """One direction, without any padding.

    ``inputs`` has a row for each token; with an ``index`` it has the projections of
    some rows, x W_x + b, and the index says which of them each token reads.
    """

    inputs: np.ndarray
    index: np.ndarray
    w_x: np.ndarray
    w_h: np.ndarray
    b: np.ndarray
    h0: np.ndarray
    c0: np.ndarray
    given: bool
    d_out: np.ndarray
    d_h: np.ndarray
    d_c: np.ndarray
    # What the gradients are added to.
    d_inputs: np.ndarray
    d_w_x: np.ndarray
    d_w_h: np.ndarray
    d_b: np.ndarray

    def converted(self, dtype):
        return Problem(
            *(x.astype(dtype) if getattr(x, "dtype", None) == np.float32 else x for x in self)
        )


def draw_problem(
    batch, hidden, dtype, n_inputs=5, indexed=False, given=True, seed=0, n_gates=CELLS["lstm"]
):  # fmt: skip
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    n, documents, gates = batch.n_tokens, batch.n_sequences, n_gates * hidden
    cells = cell_width(n_gates, hidden)
    w_x = draw(n_inputs, gates) / dtype(np.sqrt(n_inputs))
    w_h = draw(hidden, gates) / dtype(np.sqrt(hidden))
    if not cells:  # no gate dampens what rounding adds to a state, so the weights do
        w_h /= 2
    h0, c0, d_h, d_c = (draw(documents, width) for width in (hidden, cells, hidden, cells))
    if not given:
        h0[:] = 0
    index, inputs = np.zeros(0, np.int32), draw(n, n_inputs)
    if indexed:
        inputs = draw(n // 2 + 1, gates)
        index = rng.integers(0, len(inputs), n).astype(np.int32)
    return Problem(
        inputs, index, w_x, w_h, draw(gates), h0, c0, given, draw(n, hidden), d_h, d_c,
        draw(*inputs.shape), draw(n_inputs, gates), draw(hidden, gates), draw(gates),
    )  # fmt: skip


def read_only(array):
    array.flags.writeable = False
    return array


def padded(k, array, freeze=lambda x: x):
    """Rows as wide as products leave them, with NaN where they have no meaning."""
    out = np.full((*array.shape[:-1], k.padded_width(array.shape[-1], array.dtype)), np.nan,
                  array.dtype)  # fmt: skip
    out[..., : array.shape[-1]] = array
    return freeze(out)


class Direction:
    """One direction of a problem by the kernels: forward, and back again.

    It writes the last of ``directions`` column blocks, and the others must stay as
    they are. Whatever a kernel may write to lies between guards.
    """

    def __init__(
        self, k, problem, batch, reverse, packed_as, directions=2, freeze=lambda x: x, border=0,
        first=0,
    ):  # fmt: skip
        self.k, self.problem, self.batch, self.freeze = k, problem, batch, freeze
        self.n_inputs, self.gates = problem.w_x.shape
        self.hidden = hidden = len(problem.w_h)
        self.dtype = dtype = problem.w_h.dtype
        self.directions, self.column = directions, (directions - 1) * hidden
        self.steps = Steps(
            freeze(batch.n_live.copy()), freeze(batch.starts.copy()), reverse, self.column, border,
            first,
        )  # fmt: skip
        forms = [
            freeze(packed_matrix(k, w, packed_as, transpose))
            for w in (problem.w_x, problem.w_h)
            for transpose in (False, True)
        ]
        self.weights = PackedDirection(
            *forms, padded(k, problem.b, freeze), self.n_inputs, hidden, self.gates // hidden
        )
        self.initial = DirectionState(
            freeze(problem.h0.copy()), freeze(problem.c0.copy()), problem.given
        )
        self.index = freeze(problem.index.copy())
        self.inputs = freeze(problem.inputs.copy())
        if len(problem.index):
            self.inputs = padded(k, problem.inputs, freeze)
        size = k.scratch_size(self.n_inputs, hidden, batch.n_sequences, packed_as)
        self.scratch = guarded(size, packed_as)
        self.width = k.padded_width(self.gates, dtype)

    def forward(self, keep=True, ready=None):
        """gates, h and c; the latter's last states alone without ``keep``.

        The rows of the input that are ``ready`` are all of them, unless given.
        """
        n, documents = self.batch.n_tokens, self.batch.n_sequences
        rows = n if keep else self.k.block_rows(documents)
        gates = guarded((rows, self.width), self.dtype)
        h = guarded((n, self.directions * self.hidden), self.dtype)
        h[:] = 7
        c = guarded((n if keep else documents, self.weights.cell_width), self.dtype)
        if not keep:
            c[:] = self.initial.c
        done = np.zeros(1, np.int64)
        ready = self.freeze(np.full(1, n)) if ready is None else ready
        self.k.lstm_forward(
            self.inputs, self.index, self.weights, self.steps, self.initial, keep, self.scratch,
            ready, done, gates, h, c,
        )  # fmt: skip
        assert_guards_hold(gates, h, c, self.scratch)
        assert self.steps.reverse or done[0] == n
        assert (h[:, : self.column] == 7).all()
        return gates, h, c

    def backward(self, gates, h, c, accumulate=False):
        """Gradients by name; ``gates`` is changed."""
        k, problem, documents, dtype = self.k, self.problem, self.batch.n_sequences, self.dtype
        d_out = np.full_like(h, np.nan)
        d_out[:, self.column :] = problem.d_out
        d_h = guarded((documents, k.padded_width(self.hidden, dtype)), dtype)
        d_h[:, : self.hidden] = problem.d_h
        d_c = guarded((documents, self.weights.cell_width), dtype)
        d_c[:] = problem.d_c
        n_columns = problem.inputs.shape[1]
        d_inputs = guarded((len(problem.inputs), k.padded_width(n_columns, dtype)), dtype)
        if accumulate or len(problem.index):
            d_inputs[:, :n_columns] = problem.d_inputs
        gradient = []
        for start in (problem.d_w_x, problem.d_w_h, problem.d_b):
            gradient.append(guarded((*start.shape[:-1], self.width), dtype))
            gradient[-1][..., : self.gates] = start
        previous = guarded((k.block_rows(documents), self.hidden), dtype)
        most = k.padded_width(max(self.hidden, self.n_inputs), dtype)
        zeros = self.freeze(np.zeros(most, dtype))
        k.lstm_backward(
            self.inputs, self.index, self.weights, self.steps, self.initial, gates,
            self.freeze(h), self.freeze(c), self.freeze(d_out), accumulate, self.scratch,
            previous, zeros, StateGradient(d_h, d_c), d_inputs, DirectionGradient(*gradient),
        )  # fmt: skip
        assert_guards_hold(gates, d_h, d_c, d_inputs, previous, self.scratch, *gradient)
        w_x, w_h, b = (array[..., : self.gates] for array in gradient)
        return {
            "d_a": gates[:, : self.gates], "d_h": d_h[:, : self.hidden], "d_c": d_c,
            "d_inputs": d_inputs[:, :n_columns], "w_x": w_x, "w_h": w_h, "b": b,
        }  # fmt: skip


def sweep(k, problem, batch, reverse, packed_as, accumulate=False, directions=2,
          freeze=lambda x: x, **borders):  # fmt: skip
    """Forward and backward of one direction; every result without its padding."""
    direction = Direction(k, problem, batch, reverse, packed_as, directions, freeze, **borders)
    gates, h, c = direction.forward()
    results = {
        "gates": gates[:, : direction.gates].copy(), "h": h[:, direction.column :].copy(), "c": c,
    }  # fmt: skip
    return {**results, **direction.backward(gates, h, c, accumulate)}


def exact_sweep(problem, batch, reverse, packed_as, **options):
    """As the reference has it, in float64."""
    exact_form = np.uint16 if packed_as == np.uint16 else np.float64
    return sweep(reference, problem.converted(np.float64), batch, reverse, exact_form, **options)


# What a row for each token or an index, given states or none, and adding to the gradient
# of the inputs or not amount to: (indexed, given, accumulate).
WAYS = {
    "rows": (False, True, False),
    "rows_added": (False, False, True),
    "index": (True, True, False),
    "index_from_zero": (True, False, False),
}


@each_form
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@each_length
def test_sweep_equals_the_reference(k, dtype, packed_as, way, widths, lengths):
    check_against_the_reference(k, dtype, packed_as, way, widths, lengths, CELLS["lstm"])


def check_against_the_reference(k, dtype, packed_as, way, widths, lengths, n_gates):
    batch, (hidden, n_inputs), (indexed, given, accumulate) = packed_batch(lengths), widths, way
    problem = draw_problem(batch, hidden, dtype, n_inputs, indexed, given, n_gates=n_gates)
    for reverse in (False, True):
        result = sweep(k, problem, batch, reverse, packed_as, accumulate)
        exact = exact_sweep(problem, batch, reverse, packed_as, accumulate=accumulate)
        for name in exact:
            assert result[name].dtype == dtype
            assert_close(result[name], exact[name], TOLERANCE[packed_as], name)


@each_forward_form
@each_direction
@pytest.mark.parametrize("indexed", [False, True], ids=["rows", "index"])
@pytest.mark.parametrize("cell", CELLS)
@each_length
def test_keeping_nothing_gives_the_same_bits(k, dtype, packed_as, reverse, indexed, cell, lengths):
    batch = packed_batch(lengths)
    for hidden, given in ((3, True), (17, False), (33, True)):
        problem = draw_problem(
            batch, hidden, dtype, indexed=indexed, given=given, n_gates=CELLS[cell]
        )
        direction = Direction(k, problem, batch, reverse, packed_as)
        _, h, c = direction.forward(keep=True)
        _, same, last = direction.forward(keep=False)
        assert np.array_equal(same, h)
        every = np.arange(batch.n_sequences)
        ends = every if reverse else batch.starts[batch.lengths - 1] + every
        assert np.array_equal(last, c[ends])


@each_forward_form
def test_forward_sweep_waits_for_its_inputs(k, dtype, packed_as):
    """Which another thread fills in, a few rows at a time, from NaN."""
    batch = packed_batch(LENGTHS["many"] * 3)
    problem = draw_problem(batch, 17, dtype)
    _, expected, _ = Direction(k, problem, batch, False, packed_as).forward(keep=False)
    waiting = Direction(k, problem, batch, False, packed_as)
    waiting.inputs[:] = np.nan
    ready = np.zeros(1, np.int64)
    with ThreadPoolExecutor(1) as other:
        result = other.submit(waiting.forward, keep=False, ready=ready)
        try:
            for first in range(0, batch.n_tokens, 50):
                time.sleep(0.01)
                assert not result.done()
                waiting.inputs[first : first + 50] = problem.inputs[first : first + 50]
                ready[0] = min(first + 50, batch.n_tokens)
        finally:
            ready[0] = batch.n_tokens  # or the kernel waits forever
        _, h, _ = result.result()
    assert np.array_equal(h, expected)


@each_backend
@each_direction
def test_without_initial_states_is_with_zeros(k, reverse):
    batch = packed_batch(LENGTHS["unequal"])
    problem = draw_problem(batch, 5, np.float32, given=False)
    packed_as = k.packed_dtype(np.float32, "float32", training=True)
    results = [
        sweep(k, problem._replace(given=given), batch, reverse, packed_as, directions=1)
        for given in (True, False)
    ]
    for name in results[0]:
        assert np.array_equal(*(result[name] for result in results)), name


@each_forward_form
@each_direction
def test_projected_before_or_within_gives_the_same_bits(k, dtype, packed_as, reverse):
    """A row for each token, or an index into the product of the rows with the weights."""
    batch = packed_batch(LENGTHS["many"])
    problem = draw_problem(batch, 17, dtype, n_inputs=33)
    direction = Direction(k, problem, batch, reverse, packed_as)
    gates, h, c = direction.forward()
    projected = guarded((batch.n_tokens, direction.width), dtype)
    k.matmul(problem.inputs, 33, direction.weights.w_x, 68, direction.weights.b,
             direction.scratch, projected)  # fmt: skip
    direction.inputs, direction.index = projected, np.arange(batch.n_tokens, dtype=np.int32)
    again = direction.forward()
    assert np.array_equal(again[0][:, :68], gates[:, :68])
    assert np.array_equal(again[1], h)
    assert np.array_equal(again[2], c)


@each_backend
def test_reverse_is_forward_on_reversed_documents(k):
    """Of equal lengths, so that reversing the steps needs no packing."""
    batch = packed_batch([6, 6, 6])
    problem = draw_problem(batch, 5, np.float64)

    def flip(rows):
        return rows.reshape(6, 3, -1)[::-1].reshape(18, -1).copy()

    flipped = problem._replace(inputs=flip(problem.inputs), d_out=flip(problem.d_out))
    reverse = sweep(k, problem, batch, True, np.float64)
    forward = sweep(k, flipped, batch, False, np.float64)
    for name in ("gates", "h", "c", "d_a"):
        assert np.array_equal(reverse[name], flip(forward[name])), name
    assert_close(reverse["d_inputs"], flip(forward["d_inputs"]), 1e-15)
    for name in ("d_h", "d_c"):
        assert np.array_equal(reverse[name], forward[name]), name
    for name in ("w_x", "w_h", "b"):  # the same terms in another order
        assert_close(reverse[name], forward[name], 1e-14, name)


@each_form
@each_direction
@pytest.mark.parametrize("hidden", [5, 16, 17])
def test_document_alone_equals_itself_in_a_batch(k, dtype, packed_as, reverse, hidden):
    for lengths in (LENGTHS["many"], LENGTHS["large_step"]):
        batch = packed_batch(lengths)
        problem = draw_problem(batch, hidden, dtype)
        together = sweep(k, problem, batch, reverse, packed_as)
        for row in range(0, batch.n_sequences, 1 + batch.n_sequences // 20):
            length = batch.lengths[row]
            places, own = batch.starts[:length] + row, slice(row, row + 1)
            alone = sweep(
                k,
                problem._replace(
                    inputs=problem.inputs[places], d_out=problem.d_out[places],
                    h0=problem.h0[own], c0=problem.c0[own],
                    d_h=problem.d_h[own], d_c=problem.d_c[own],
                ),
                packed_batch([length]), reverse, packed_as,
            )  # fmt: skip
            for name in ("gates", "h", "c", "d_a", "d_inputs"):
                assert np.array_equal(alone[name], together[name][places]), (row, name)
            for name in ("d_h", "d_c"):
                assert np.array_equal(alone[name][0], together[name][row]), (row, name)


@each_form
@pytest.mark.parametrize("indexed", [False, True], ids=["rows", "index"])
def test_inputs_may_be_read_only(k, dtype, packed_as, indexed):
    batch = packed_batch(LENGTHS["unequal"])
    problem = draw_problem(batch, 5, dtype, indexed=indexed)
    results = sweep(k, problem, batch, False, packed_as)
    frozen = sweep(k, problem, batch, False, packed_as, freeze=read_only)
    for name in results:
        assert np.array_equal(frozen[name], results[name]), name


@each_form
@each_direction
def test_rest_of_a_used_scratch_does_not_matter(k, dtype, packed_as, reverse):
    """Scratch is for a larger batch, too, and holds what that left."""
    small, large = packed_batch(LENGTHS["unequal"]), packed_batch(LENGTHS["large_step"])
    problem = draw_problem(small, 17, dtype)
    expected = sweep(k, problem, small, reverse, packed_as)
    used = Direction(k, draw_problem(large, 17, dtype), large, reverse, packed_as)
    used.backward(*used.forward())
    direction = Direction(k, problem, small, reverse, packed_as)
    direction.scratch = used.scratch
    gates, h, c = direction.forward()
    assert np.array_equal(h[:, direction.column :], expected["h"])
    result = direction.backward(gates, h, c)
    for name in result:
        assert np.array_equal(result[name], expected[name]), name


# A width with full vectors and every smaller remainder down to one element.
WIDTH = 31


def one_step(k, a_i, a_f, a_g, a_o, c_before):
    """Gates, c and h of one step with these pre-activations, arrays of one dimension."""
    dtype = a_i.dtype
    rows = -(-len(a_i) // WIDTH)

    def shaped(values):
        return np.resize(values, (rows, WIDTH)).astype(dtype)

    batch = packed_batch([1] * rows)
    projected = np.concatenate([shaped(a) for a in (a_i, a_f, a_g, a_o)], axis=1)
    problem = draw_problem(batch, WIDTH, dtype.type, given=False)._replace(
        inputs=projected, index=np.arange(rows, dtype=np.int32), c0=shaped(c_before)
    )
    direction = Direction(k, problem, batch, False, dtype, directions=1)
    gates, h, c = direction.forward()
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
    # An odd function, so that no sign is favoured, in each place of a row (the last
    # places of one may divide in another way); and h = o tanh(c) uses the same.
    if dtype is np.float32:
        assert np.array_equal(one_step(k, -x, -x, -x, -x, np.zeros_like(x))[2], -g)
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
        # As everywhere: AVX-512 divides within two units in the last place.
        assert np.max(np.abs(g - sign)) <= 4e-7
        assert np.isfinite(c).all() and np.isfinite(h).all()


@each_forward_form
@each_direction
@pytest.mark.parametrize("indexed", [False, True], ids=["rows", "index"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_spreads_along_its_document_and_no_further(
    k, dtype, packed_as, reverse, indexed, value
):
    """An infinity is no NaN everywhere: it saturates gates, but no other document's."""
    batch = packed_batch([6, 6, 4])
    for backend, form in ((k, packed_as), (reference, np.float64)):
        problem = draw_problem(batch, 5, dtype)
        if indexed:
            problem = problem._replace(
                inputs=problem.inputs @ problem.w_x,
                index=np.arange(batch.n_tokens, dtype=np.int32),
            )
        if backend is reference:
            problem = problem.converted(np.float64)
        clean = Direction(backend, problem, batch, reverse, form).forward()[1]
        problem.inputs[batch.starts[2] + 1] = value  # third token of the second document
        # Infinities of both signs meet in the reference's sums.
        with np.errstate(invalid="ignore"):
            h = Direction(backend, problem, batch, reverse, form).forward()[1]
        steps = range(6)
        for row, length in enumerate(batch.lengths):
            places = batch.starts[steps[:length]] + row
            reached = [row == 1 and (t <= 2 if reverse else t >= 2) for t in steps[:length]]
            changed = [not np.array_equal(h[place], clean[place]) for place in places]
            assert changed == reached
            if np.isnan(value):
                assert [bool(np.isnan(h[place]).any()) for place in places] == reached


@each_form
@each_direction
def test_nan_in_a_gradient_spreads_along_its_document_and_no_further(k, dtype, packed_as, reverse):
    batch = packed_batch([6, 6, 4])
    problem = draw_problem(batch, 5, dtype)
    clean = sweep(k, problem, batch, reverse, packed_as)
    problem.d_out[batch.starts[2] + 1] = np.nan  # third token of the second document
    broken = sweep(k, problem, batch, reverse, packed_as)
    for row, length in enumerate(batch.lengths):
        for t in range(length):
            place, reached = batch.starts[t] + row, row == 1 and (t >= 2 if reverse else t <= 2)
            for name in ("d_a", "d_inputs"):
                assert np.isnan(broken[name][place]).all() == reached
                assert reached or np.array_equal(broken[name][place], clean[name][place])
        for name in ("d_h", "d_c"):
            assert np.isnan(broken[name][row]).all() == (row == 1)
    for name in ("w_x", "w_h", "b"):
        assert np.isnan(broken[name]).all()

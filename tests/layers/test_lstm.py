"""One LSTM layer: gradients by central differences, initial weights, memory."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace
from fastlstm.layers import lstm
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    check_gradients,
    each_backend,
    packed_batch,
)

HIDDEN, INPUTS = 3, 4
LENGTHS = [3, 1, 5, 3, 1]


class Layer:
    """A layer with weights, states and upstream gradients drawn at random.

    The loss is a weighted sum of all outputs and of all final states.
    """

    def __init__(self, k, directions, repeated, dtype=np.float64, work=None, lengths=LENGTHS):
        rng = np.random.default_rng(7)

        def draw(*shape):
            return rng.standard_normal(shape).astype(dtype)

        self.k = k
        self.work = Workspace(dtype) if work is None else work
        self.batch = packed_batch(lengths)
        n, tokens = self.batch.n_documents, self.batch.n_tokens
        self.weights = [
            {
                "w_x": draw(INPUTS, 4 * HIDDEN),
                "w_h": draw(HIDDEN, 4 * HIDDEN),
                "b": draw(4 * HIDDEN),
            }
            for _ in range(directions)
        ]
        # As in the first layer some rows serve several tokens, and as above it none.
        self.inverse = rng.integers(0, 5, tokens).astype(np.int32) if repeated else None
        self.rows = draw(5 if repeated else tokens, INPUTS)
        self.initial = lstm.InitialState(draw(directions, n, HIDDEN), draw(directions, n, HIDDEN))
        self.d_out = draw(tokens, directions * HIDDEN)
        self.d_final = lstm.InitialState(draw(directions, n, HIDDEN), draw(directions, n, HIDDEN))

    def forward(self):
        self.packed = [lstm.pack(self.k, weights) for weights in self.weights]
        inputs = lstm.LayerInput(self.rows, self.inverse)
        return lstm.forward(
            self.k, self.work, "layer", inputs, self.batch, self.packed, self.initial
        )

    def final_states(self, cache):
        """Final h and c of each direction, shape (directions, n, hidden)."""
        every = np.arange(self.batch.n_documents)
        ends = [self.batch.starts[self.batch.lengths - 1] + every, every]
        h = [cache.out[ends[d], d * HIDDEN : (d + 1) * HIDDEN] for d in range(len(self.packed))]
        c = [cache.c[d][ends[d]] for d in range(len(self.packed))]
        return np.stack(h), np.stack(c)

    def loss(self):
        cache = self.forward()
        h, c = self.final_states(cache)
        return (
            np.sum(cache.out * self.d_out) + np.sum(h * self.d_final.h) + np.sum(c * self.d_final.c)
        )

    def arrays(self):
        named = {
            f"{name} {lstm.DIRECTIONS[d]}": w
            for d, weights in enumerate(self.weights)
            for name, w in weights.items()
        }
        return {**named, "rows": self.rows, "h0": self.initial.h, "c0": self.initial.c}

    def gradients(self):
        """The same names as ``arrays``, by the backward pass."""
        cache = self.forward()
        d_rows, d_initial = lstm.backward(
            self.k, self.work, "layer", cache, self.d_out, self.batch, self.packed, self.d_final
        )
        named = {}
        for d, weights in enumerate(self.weights):
            out = {name: np.full_like(w, np.nan) for name, w in weights.items()}
            lstm.gradient(self.k, cache, d, 0, 4 * HIDDEN, False, out)
            named.update({f"{name} {lstm.DIRECTIONS[d]}": g for name, g in out.items()})
        named.update(rows=d_rows, h0=d_initial.h, c0=d_initial.c)
        return {name: array.copy() for name, array in named.items()}


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("repeated", [False, True], ids=["rows", "repeated_rows"])
def test_gradients(k, directions, repeated):
    layer = Layer(k, directions, repeated)
    check_gradients(layer.loss, layer.arrays(), layer.gradients())


@each_backend
def test_repeated_rows_equal_a_row_for_each_token(k):
    """docs/maths.md, eqs. (50) and (51)."""
    once = Layer(k, 2, repeated=True)
    each = Layer(k, 2, repeated=True)
    each.rows, each.inverse = once.rows[once.inverse], None
    assert_close(each.forward().out, once.forward().out, 1e-14)
    by_token, by_row = each.gradients(), once.gradients()
    summed = np.zeros_like(once.rows)
    np.add.at(summed, once.inverse, by_token["rows"])
    assert_close(by_row["rows"], summed, 1e-13)
    for name in by_row.keys() - {"rows"}:
        assert_close(by_row[name], by_token[name], 1e-13, name)


@each_backend
def test_without_states_starts_from_zero(k):
    layer = Layer(k, 2, repeated=False)
    layer.initial.h.fill(0)
    layer.initial.c.fill(0)
    layer.d_final.h.fill(0)
    layer.d_final.c.fill(0)
    expected_out, expected = layer.forward().out.copy(), layer.gradients()
    layer.initial = layer.d_final = None
    assert_close(layer.forward().out, expected_out, 1e-14)
    result = layer.gradients()
    for name in expected:
        assert_close(result[name], expected[name], 1e-13, name)


@each_backend
def test_gradient_accumulates(k):
    layer = Layer(k, 1, repeated=True)
    expected = layer.gradients()
    cache = layer.forward()
    lstm.backward(
        k, layer.work, "layer", cache, layer.d_out, layer.batch, layer.packed, layer.d_final
    )
    out = {name: np.full_like(w, 10.0) for name, w in layer.weights[0].items()}
    lstm.gradient(k, cache, 0, 0, 4 * HIDDEN, True, out)
    for name, value in out.items():
        assert_close(value, 10 + expected[f"{name} forward"], 1e-14, name)


@each_backend
def test_old_content_of_memory_does_not_matter(k):
    """From NaN, and from a larger batch before this one."""
    fresh = Layer(k, 2, repeated=True, dtype=np.float32)
    out, expected = fresh.forward().out.copy(), fresh.gradients()
    poisoned = PoisonedWorkspace(np.float32)
    used = Workspace(np.float32)
    Layer(k, 2, True, np.float32, used, [9, 8, 8, 7, 2, 2, 1]).gradients()
    for work in (poisoned, used):
        layer = Layer(k, 2, True, np.float32, work)
        assert np.array_equal(layer.forward().out, out)
        result = layer.gradients()
        for name in expected:
            assert np.array_equal(result[name], expected[name]), name


@each_backend
def test_packing_again_follows_the_weights(k):
    layer = Layer(k, 1, repeated=False)
    packed = lstm.pack(k, layer.weights[0])
    for weight in layer.weights[0].values():
        weight *= -0.5
    fresh = lstm.pack(k, layer.weights[0])
    again = lstm.pack(k, layer.weights[0], packed)
    assert again is packed
    for old, new in zip(again, fresh, strict=True):
        assert np.array_equal(old, new)


def test_initial_weights():
    """docs/maths.md, eqs. (8) to (10)."""
    hidden, inputs = 24, 40
    weights = lstm.init(np.random.default_rng(0), inputs, hidden, np.float32)
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
    limit = np.sqrt(6 / (inputs + hidden))
    assert weights["w_x"].shape == (inputs, 4 * hidden)
    assert 0.99 * limit < np.abs(weights["w_x"]).max() <= limit * (1 + 1e-6)
    assert abs(weights["w_x"].std() / (limit / np.sqrt(3)) - 1) < 0.05
    for block in np.split(weights["w_h"], 4, axis=1):
        assert_close(block.T @ block, np.eye(hidden), 1e-5)
    assert weights["b"].tolist() == [0] * hidden + [1] * hidden + [0] * 2 * hidden

"""One LSTM layer: gradients by central differences, initial weights, memory."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace
from fastlstm.network.layers import lstm
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    check_gradients,
    each_backend,
    each_precision,
    packed_batch,
)

HIDDEN, INPUTS = 3, 4
LENGTHS = [3, 1, 5, 3, 1]


class Layer:
    """A layer with weights, states and upstream gradients drawn at random.

    The loss is a weighted sum of all outputs and of all final states.
    """

    def __init__(
        self, k, directions, repeated, dtype=np.float64, work=None, lengths=LENGTHS,
        precision="float32",
    ):  # fmt: skip
        rng = np.random.default_rng(7)

        def draw(*shape):
            return rng.standard_normal(shape).astype(dtype)

        self.k, self.precision = k, precision
        self.work = Workspace(dtype) if work is None else work
        self.batch = packed_batch(lengths)
        n, tokens = self.batch.n_sequences, self.batch.n_tokens
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
        self.packed = [
            lstm.pack(self.k, weights, precision=self.precision, training=True)
            for weights in self.weights
        ]
        inputs = lstm.LayerInput(self.rows, self.inverse)
        return lstm.forward(
            self.k, self.work, "layer", inputs, self.batch, self.packed, initial=self.initial
        )

    def final_states(self, cache):
        """Final h and c of each direction, shape (directions, n, hidden)."""
        every = np.arange(self.batch.n_sequences)
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

    def infer(self, projected=None):
        """The outputs as prediction computes them."""
        inputs = lstm.LayerInput(self.rows, self.inverse, projected)
        return lstm.forward(
            self.k, self.work, "layer", inputs, self.batch, self.packed, False, self.initial
        ).out.copy()

    def gradients(self, start=0.0):
        """The same names as ``arrays``, by the backward pass; the weights' on top of ``start``."""
        cache = self.forward()
        added = [lstm.zero_gradient(self.k, INPUTS, HIDDEN, self.work.dtype) for _ in self.weights]
        for array in (array for gradient in added for array in gradient):
            assert not array.any()
            array += start
        found = lstm.backward(
            self.k, self.work, "layer", cache, self.d_out, self.batch, self.packed, added,
            self.d_final,
        )  # fmt: skip
        named = {
            f"{name} {lstm.DIRECTIONS[d]}": array[..., : 4 * HIDDEN]
            for d, gradient in enumerate(added)
            for name, array in gradient._asdict().items()
        }
        named.update(rows=found.rows, h0=found.initial.h, c0=found.initial.c)
        return {name: array.copy() for name, array in named.items()}


# How the first layer treats repeated rows: projected once, or gathered for each token.
TERMS = {"projected_once": -1, "row_for_each_token": 10**6}


@pytest.fixture(params=TERMS)
def way(request, monkeypatch):
    """One way of treating repeated rows, forced."""
    monkeypatch.setattr(lstm, "TERMS_TRAINING", TERMS[request.param])
    monkeypatch.setattr(lstm, "_TERMS_INFERENCE", TERMS[request.param])
    return request.param


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
def test_gradients_of_a_row_for_each_token(k, directions):
    layer = Layer(k, directions, repeated=False)
    check_gradients(layer.loss, layer.arrays(), layer.gradients())


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
def test_gradients_of_repeated_rows(k, directions, way):
    layer = Layer(k, directions, repeated=True)
    assert (layer.forward().rows is None) == (way == "projected_once")
    check_gradients(layer.loss, layer.arrays(), layer.gradients())


@each_backend
def test_repeated_rows_equal_a_row_for_each_token(k, way):
    """docs/explanation/maths.md, eqs. (50) and (51)."""
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


@each_precision
def test_both_ways_give_the_same_outputs(k, precision, monkeypatch):
    """Bit for bit: the same sums in the same order."""
    outs = []
    for terms in TERMS.values():
        monkeypatch.setattr(lstm, "TERMS_TRAINING", terms)
        layer = Layer(k, 2, repeated=True, dtype=np.float32, precision=precision)
        outs.append(layer.forward().out.copy())
    assert np.array_equal(*outs)


def test_distinct_rows_are_projected_where_that_saves_enough():
    def decide(n_rows, n_inputs, n_tokens, repeated=True):
        rows, inverse = np.zeros((n_rows, n_inputs)), np.zeros(n_tokens, np.int32)
        inputs = lstm.LayerInput(rows, inverse if repeated else None)
        return lstm.projects_distinct(inputs, n_tokens, terms=20)

    assert not decide(50, 40, 100)  # saves 50 x 40 terms, which 100 gathers are worth
    assert decide(49, 40, 100)
    assert not decide(100, 1000, 100)
    assert not decide(1, 20, 100)
    assert decide(1, 21, 100)
    assert not decide(1, 1000, 100, repeated=False)


@each_precision
@pytest.mark.parametrize("repeated", [False, True], ids=["rows", "repeated_rows"])
@pytest.mark.parametrize("lengths", [LENGTHS, [2, 1] * 60, [40, 3]], ids=["few", "many", "long"])
def test_inference_gives_the_bits_of_training(k, precision, repeated, lengths, way):
    for directions, given in ((1, False), (2, False), (2, True)):
        layer = Layer(k, directions, repeated, np.float32, lengths=lengths, precision=precision)
        layer.initial = layer.initial if given else None
        expected = layer.forward().out.copy()
        assert np.isfinite(expected).all() and expected.any()
        assert np.array_equal(layer.infer(), expected)
        if repeated:
            projected = [
                lstm.project(k, Workspace(np.float32), "all", layer.rows, packed)
                for packed in layer.packed
            ]
            assert np.array_equal(layer.infer(projected), expected)


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
def test_gradients_are_added(k, way):
    layer = Layer(k, 2, repeated=True)
    expected, on_top = layer.gradients(), layer.gradients(start=10.0)
    for name, value in on_top.items():
        start = 0.0 if name in ("rows", "h0", "c0") else 10.0
        assert_close(value, start + expected[name], 1e-14, name)


@each_precision
def test_unwanted_gradients_change_no_others(k, precision, way):
    """Bit for bit without those of the weights, and where the caller projected the rows."""
    layer = Layer(k, 2, True, np.float32, precision=precision)

    def back(inputs, gradients):
        cache = lstm.forward(
            k, layer.work, "layer", inputs, layer.batch, layer.packed, initial=layer.initial
        )
        found = lstm.backward(
            k, layer.work, "layer", cache, layer.d_out, layer.batch, layer.packed, gradients
        )
        rows = None if found.rows is None else found.rows.copy()
        return rows, [a.copy() for a in found.pre_activations], found.initial.h.copy()

    layer.forward()
    rows = lstm.LayerInput(layer.rows, layer.inverse)
    wanted = [lstm.zero_gradient(k, INPUTS, HIDDEN, np.float32) for _ in range(2)]
    expected = back(rows, wanted)
    assert all(array.any() for gradient in wanted for array in gradient)
    projected = [
        lstm.project(k, Workspace(np.float32), "all", layer.rows, packed)
        for packed in layer.packed
    ]  # fmt: skip
    for inputs in (rows, lstm.LayerInput(None, layer.inverse, projected)):
        found = back(inputs, None)
        if inputs.projected is None:
            assert np.array_equal(found[0], expected[0])
        else:
            assert found[0] is None
        for ours, theirs in zip(found[1], expected[1], strict=True):
            assert np.array_equal(ours[:, : 4 * HIDDEN], theirs[:, : 4 * HIDDEN])
        assert np.array_equal(found[2], expected[2])


@each_backend
def test_cache_of_inference_is_small(k):
    """No array of a layer but its outputs and inputs grows with the tokens."""
    sizes = []
    for length in (5, 500):
        work = Workspace(np.float32)
        layer = Layer(k, 2, repeated=False, dtype=np.float32, work=work, lengths=[length] * 3)
        layer.packed = [lstm.pack(k, weights) for weights in layer.weights]
        layer.infer()
        sizes.append({name: array.size for name, array in work._buffers.items()})
    assert {name for name in sizes[0] if sizes[0][name] != sizes[1][name]} == {"layer.out"}


@each_precision
def test_old_content_of_memory_does_not_matter(k, precision, way):
    """From NaN, and from a larger batch before this one."""
    fresh = Layer(k, 2, True, np.float32, precision=precision)
    out, expected = fresh.forward().out.copy(), fresh.gradients()
    poisoned = PoisonedWorkspace(np.float32)
    used = Workspace(np.float32)
    Layer(k, 2, True, np.float32, used, [9, 8, 8, 7, 2, 2, 1], precision).gradients()
    for work in (poisoned, used):
        layer = Layer(k, 2, True, np.float32, work, precision=precision)
        assert np.array_equal(layer.forward().out, out)
        result = layer.gradients()
        for name in expected:
            assert np.array_equal(result[name], expected[name]), name
    fresh.initial = None
    fresh.forward()
    out = fresh.infer()
    for work in (poisoned, used):
        fresh.work = work
        assert np.array_equal(fresh.infer(), out)


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
    """docs/explanation/maths.md, eqs. (8) to (10)."""
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

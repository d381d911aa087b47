"""Products of 8-bit integers: exact sums, the same in every backend and at every level.

Where ``init`` is 0, a result is one exact sum times one float, rounded once: each kernel
gives the reference's bits. What any form of products keeps to is tested beside the others,
in ``test_against_reference.py``, ``test_sweep.py`` and ``tests/test_inference.py``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastlstm.kernels import reference
from fastlstm.kernels.levels import LEVELS
from fastlstm.network import predict as inference
from fastlstm.network.config import ModelConfig
from tests.helpers import (
    each_backend,
    each_compiled_backend,
    guarded,
    packed_batch,
    packed_matrix,
    token_sequences,
)
from tests.kernels.test_against_reference import SHAPES, in_double, numbers, product
from tests.kernels.test_levels import skip_above
from tests.kernels.test_sweep import LENGTHS, WIDTHS, Direction, draw_problem
from tests.test_model import draw_parameters

# Around groups of 2 and 4 terms, and one row or two by several panels.
MORE_SHAPES = [
    (1, depth, columns) for depth in (1, 2, 3, 4, 5, 7, 64, 130) for columns in (1, 100, 256, 400)
] + [(2, 9, 130), (2, 6, 256), (8, 127, 300), (6, 1000, 40), (7, 128, 512), (13, 66, 448)]


def by_scale(seed, *shape):
    """Numbers of very different magnitudes, some of them 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 6, shape)
    return np.where(rng.random(shape) < 0.1, 0, x).astype(np.float32)


@each_compiled_backend
@pytest.mark.parametrize("draw", [numbers, by_scale], ids=["normal", "by_scale"])
@pytest.mark.parametrize("shape", [*SHAPES, *MORE_SHAPES], ids=str)
def test_bits_are_those_of_the_reference(k, draw, shape):
    m, depth, n = shape
    a, w = draw(1, m, depth).astype(np.float32), draw(2, depth, n).astype(np.float32)
    nothing = np.zeros(n, np.float32)
    expected = product(reference, a, w, nothing, np.int8)
    for transpose in (False, True):
        assert np.array_equal(product(k, a, w, nothing, np.int8, transpose), expected)


@each_compiled_backend
@pytest.mark.parametrize("shape", [*SHAPES, *MORE_SHAPES], ids=str)
def test_bias_costs_one_more_rounding(k, shape):
    m, depth, n = shape
    a, w, bias = (numbers(s, *size).astype(np.float32) for s, size in
                  ((3, (m, depth)), (4, (depth, n)), (5, (n,))))  # fmt: skip
    exact = product(reference, *in_double(a, w, bias), np.int8)
    error = np.abs(product(k, a, w, bias, np.int8) - exact)
    # The product's own rounding, that of the scales' product, and the sum's.
    terms = np.maximum(np.maximum(np.abs(exact), np.abs(exact - bias)), np.abs(bias))
    assert (error <= 2 * np.spacing(terms.astype(np.float32))).all()


@each_backend
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 64, 200, 1040])
def test_integers_are_taken_as_they_are(k, depth):
    """With the largest among them the scales are 1. Sums of up to 2**24 have room in a float."""
    rng = np.random.default_rng(depth)
    a, w = (rng.integers(-127, 128, size) for size in ((9, depth), (depth, 70)))
    a[:, 0] = rng.choice([-127, 127], 9)
    w[-1] = rng.choice([-127, 127], 70)
    a[0], w[:, 0], a[1], w[:, 1] = 127, -127, -127, 127
    result = product(k, a.astype(np.float32), w.astype(np.float32), np.zeros(70, np.float32),
                     np.int8)  # fmt: skip
    assert np.array_equal(result, a @ w)
    assert depth < 1040 or result.min() < -16_700_000


@each_backend
def test_halves_are_rounded_to_even(k):
    halves = np.arange(-126.5, 127)
    for weights_too in (False, True):
        x = np.stack([halves, np.full_like(halves, 127)], axis=1).astype(np.float32)
        pick = np.array([[1], [0]], np.float32)
        a, w = (pick.T, x.T) if weights_too else (x, pick)
        result = product(k, a, w, np.zeros(w.shape[1], np.float32), np.int8).ravel()
        # 127 times 1, or a row or column of (1, 0), whose scale is 1 / 127.
        expected = np.rint(halves).astype(np.float32) * np.float32(127)
        scale = np.float32(1) / np.float32(127)
        if not weights_too:  # a weight's scale has 17 bits
            scale = reference.to_int8(pick)[1][0]
        assert np.array_equal(result, expected * scale)


@each_backend
def test_packing_multiples_of_the_scales_gives_the_same_bytes(k):
    w = numbers(6, 37, 3000).astype(np.float32) * 10.0 ** numbers(7, 3000)
    w = w.astype(np.float32)
    w[:, 5], w[0, 6] = 0, 1e-37
    integers, scales = reference.to_int8(w)
    assert np.abs(integers).max(axis=0)[scales > 0].min() == 127
    rounded = integers * scales
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded, integers.astype(np.float64) * scales)
    assert (np.abs(rounded - w) <= scales * 0.5001).all()
    for transpose in (False, True):
        once, again = (
            packed_matrix(k, x.T if transpose else x, np.int8, transpose) for x in (w, rounded)
        )
        assert np.array_equal(once, again)


@each_backend
def test_zeros_give_the_bias(k):
    a, w = (numbers(seed, *size).astype(np.float32) for seed, size in ((8, (9, 37)), (9, (37, 70))))
    bias = numbers(10, 70).astype(np.float32)
    clean = product(k, a, w, bias, np.int8)
    a[3], a[4], w[:, 2], w[:, 66] = 0, 1e-30, 0, -1e-30
    result = product(k, a, w, bias, np.int8)
    assert np.array_equal(result[[3, 4]], [bias, bias])
    assert np.array_equal(result[:, [2, 66]], np.tile(bias[[2, 66]], (9, 1)))
    others = np.ix_([0, 1, 2, 5, 6, 7, 8], [c for c in range(70) if c not in (2, 66)])
    assert np.array_equal(result[others], clean[others])


@each_compiled_backend
def test_ends_of_the_range(k):
    """Results overflow where float32's would, and not before."""
    largest = float(np.finfo(np.float32).max)
    magnitudes = [largest, 1e30, 1e5, 1.0, 1e-20, 2.0**-93, 2.0**-94, 1e-37, 1e-45]
    for of_rows in magnitudes:
        for of_weights in magnitudes:
            a = np.clip(numbers(11, 7, 33) * of_rows, -largest, largest).astype(np.float32)
            w = np.clip(numbers(12, 33, 70) * of_weights, -largest, largest).astype(np.float32)
            nothing = np.zeros(70, np.float32)
            with np.errstate(over="ignore", invalid="ignore"):
                expected = product(reference, a, w, nothing, np.int8)
            result = product(k, a, w, nothing, np.int8)
            assert np.array_equal(result, expected, equal_nan=True), (of_rows, of_weights)
            if 1e-30 < of_rows * of_weights < 1e30 and min(of_rows, of_weights) > 1e-25:
                assert np.isfinite(result).all()
                assert np.ptp(result) > 0


@each_backend
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_makes_its_row_or_column_nan(k, value):
    a, w = (numbers(s, *size).astype(np.float32) for s, size in ((13, (20, 37)), (14, (37, 70))))
    bias = numbers(15, 70).astype(np.float32)
    clean = product(k, a, w, bias, np.int8)
    a[7, 3], w[36, 69] = value, value
    expected = np.zeros(clean.shape, bool)
    expected[7], expected[:, 69] = True, True
    result = product(k, a, w, bias, np.int8)
    assert np.array_equal(np.isnan(result), expected)
    assert np.array_equal(result[~expected], clean[~expected])


@each_backend
def test_a_row_does_not_see_its_neighbours(k):
    a, w = (numbers(s, *size).astype(np.float32) for s, size in ((16, (20, 37)), (17, (37, 400))))
    bias = numbers(18, 400).astype(np.float32)
    whole = product(k, a, w, bias, np.int8)
    for row in range(20):
        assert np.array_equal(product(k, a[[row]], w, bias, np.int8)[0], whole[row])
        others = by_scale(row, 20, 37)
        others[row] = a[row]
        assert np.array_equal(product(k, others, w, bias, np.int8)[row], whole[row])


@each_backend
def test_only_prediction_with_float32_weights(k):
    assert k.packed_dtype(np.float32, "int8", training=False) == np.int8
    with pytest.raises(ValueError, match="precision='int8' is for prediction: train with"):
        k.packed_dtype(np.float32, "int8", training=True)
    with pytest.raises(ValueError, match="precision='int8' needs float32 weights, not float64"):
        k.packed_dtype(np.float64, "int8", training=False)


def test_training_kernels_refuse_such_weights():
    k = pytest.importorskip("fastlstm.kernels._cython_lstm", exc_type=ImportError)
    batch = packed_batch([3, 2])
    direction = Direction(k, draw_problem(batch, 5, np.float32), batch, False, np.int8)
    with pytest.raises(TypeError, match="int8 serve prediction alone"):
        direction.backward(*direction.forward())
    width, scratch = k.padded_width(4, np.float32), guarded(5000, np.int8)
    a, d, d_w = (np.zeros(shape, np.float32) for shape in ((3, 2), (3, width), (2, width)))
    with pytest.raises(TypeError, match="int8 serve prediction alone"):
        k.weight_gradient(a, d, 4, scratch, d_w, np.zeros(width, np.float32))
    with pytest.raises(TypeError, match="no products with weights packed as int8"):
        k.pack(np.zeros((2, 4)), False, scratch)


# -- sweeps --------------------------------------------------------------------------------


def states(k, problem, batch, reverse):
    direction = Direction(k, problem, batch, reverse, np.int8)
    _, h, c = direction.forward()
    return h[:, direction.column :], c


@each_compiled_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("indexed", [False, True], ids=["rows", "index"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_one_step_is_that_of_the_reference(k, reverse, indexed, widths):
    """From states that are given, so that both products count: the same integers."""
    batch, (hidden, n_inputs) = packed_batch([1] * 14), widths
    problem = draw_problem(batch, hidden, np.float32, n_inputs, indexed)
    for found, expected in zip(
        states(k, problem, batch, reverse), states(reference, problem, batch, reverse), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


@each_compiled_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_sweep_is_near_that_of_the_reference(k, reverse, lengths):
    """A state that differs in its last bit may become another integer, 1/127 of the largest away.

    2e-3 was seen, and 0.04 from the states of float32 products.
    """
    batch = packed_batch(lengths)
    for hidden, n_inputs in WIDTHS:
        problem = draw_problem(batch, hidden, np.float32, n_inputs)
        h, c = states(k, problem, batch, reverse)
        expected_h, expected_c = states(reference, problem, batch, reverse)
        np.testing.assert_allclose(h, expected_h, rtol=0, atol=1e-2)
        np.testing.assert_allclose(c, expected_c, rtol=0, atol=1e-2 * max(1, np.abs(c).max()))


@each_compiled_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("hidden", [5, 16, 17, 64])
def test_document_alone_equals_itself_in_a_batch(k, reverse, hidden):
    for lengths in (LENGTHS["many"], LENGTHS["large_step"]):
        batch = packed_batch(lengths)
        problem = draw_problem(batch, hidden, np.float32)
        h, c = states(k, problem, batch, reverse)
        for row in range(0, batch.n_sequences, 1 + batch.n_sequences // 20):
            length, own = batch.lengths[row], slice(row, row + 1)
            places = batch.starts[:length] + row
            alone = problem._replace(
                inputs=problem.inputs[places], h0=problem.h0[own], c0=problem.c0[own]
            )
            found = states(k, alone, packed_batch([length]), reverse)
            assert np.array_equal(found[0], h[places])
            assert np.array_equal(found[1], c[places])


# -- networks and levels -------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_network_predicts_nearly_what_floats_predict(k, bidirectional):
    """And the same bits once the vocabulary is projected."""
    config = ModelConfig(50, 12, 24, num_layers=2, bidirectional=bidirectional)
    parameters = draw_parameters(config, dtype=np.float32)
    sequences = token_sequences([9, 1, 30, 4, 17, 30, 2], 50, seed=8)
    prior = np.array([0.5, 0.5])
    expected = inference.Network(k, config, parameters).logits(sequences, prior)
    network = inference.Network(k, config, parameters, precision="int8")
    first = network.logits(sequences, prior)
    assert network._projected is None
    assert np.array_equal(network.logits(sequences, prior), first)
    assert network._projected[0].dtype == np.float32
    assert first.dtype == np.float32
    assert not np.array_equal(first, expected)
    np.testing.assert_allclose(first, expected, rtol=0, atol=0.05 * np.ptp(expected))


def digest(k):
    """Of the bits of products that should be the same everywhere."""
    found = hashlib.sha256()
    for m, depth, n in (*SHAPES, *MORE_SHAPES):
        a, w = by_scale(1, m, depth), by_scale(2, depth, n)
        result = product(k, a, w, np.zeros(n, np.float32), np.int8)
        found.update((result + np.float32(0)).tobytes())  # one sign of 0
    return found.hexdigest()


@each_compiled_backend
@pytest.mark.parametrize("level", LEVELS[:-1])
def test_levels_give_the_same_bits(k, level, tmp_path):
    skip_above(k, level)
    environment = {**os.environ, "FASTLSTM_CPU": level, "FASTLSTM_CACHE": str(tmp_path)}
    text = (  # the installed package, and these tests
        f"import sys; sys.path.append({str(Path(__file__).parents[2])!r})\n"
        "from fastlstm.kernels.registry import load_backend\n"
        "from tests.kernels.test_int8 import digest\n"
        f"k = load_backend({k.NAME!r})\n"
        "print(k.LEVEL, digest(k))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True,
        cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.stdout.split() == [level, digest(reference)], done.stderr

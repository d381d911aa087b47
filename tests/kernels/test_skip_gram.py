"""Skip-gram: against its naive twin, and its twin against the slope of the loss."""

import numpy as np
import pytest

from fastlstm.kernels import reference
from tests.helpers import (
    COMPILED,
    assert_close,
    assert_guards_hold,
    each_compiled_backend,
    each_dtype,
    guarded,
)

BOUND = {np.float32: 2e-5, np.float64: 1e-12}


def problem(n_ids, width, n_negatives, lengths, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    n = int(offsets[-1])
    return (
        rng.integers(0, n_ids, n).astype(np.int32),
        offsets,
        rng.integers(1, 4, n).astype(np.int32),
        rng.integers(0, n_ids, (n, n_negatives)).astype(np.int32),
        rng.standard_normal((n_ids, width)),
        rng.standard_normal((n_ids, width)),
    )


@each_compiled_backend
@each_dtype
@pytest.mark.parametrize(
    ("n_ids", "width", "n_negatives", "lengths"),
    [
        (3, 1, 1, [5]),
        (9, 7, 5, [0, 4, 1, 0, 12]),
        (20, 16, 2, [30]),
        (20, 33, 15, [6, 6]),
        (20, 64, 16, [9]),
        (50, 100, 40, [8, 3]),
        (4, 8, 3, []),
        (4, 8, 0, [5]),
    ],
)
def test_against_the_reference(k, dtype, n_ids, width, n_negatives, lengths):
    """Repeated tokens, negatives that are the token, and windows beyond the ends among them."""
    ids, offsets, windows, negatives, inputs, outputs = problem(n_ids, width, n_negatives, lengths)
    inputs, outputs = inputs.astype(dtype), outputs.astype(dtype)
    expected = inputs.astype(np.float64), outputs.astype(np.float64)
    reference.skip_gram(ids, offsets, windows, negatives, 0.1, *expected, None)
    found = guarded(inputs.shape, dtype), guarded(outputs.shape, dtype)
    found[0][:], found[1][:] = inputs, outputs
    scratch = guarded((n_negatives + 1, width + 1), dtype)
    k.skip_gram(ids, offsets, windows, negatives, 0.1, *found, scratch)
    assert_guards_hold(scratch, *found)
    for array, wanted in zip(found, expected, strict=True):
        assert_close(array, wanted, BOUND[dtype])


@pytest.mark.skipif(len(COMPILED) < 2, reason="one compiled backend loads here")
@pytest.mark.parametrize(("dtype", "width", "bound"), [
    (np.float32, 64, 0), (np.float32, 128, 0), (np.float32, 100, 1e-6), (np.float64, 64, 1e-14),
])  # fmt: skip
def test_compiled_backends_sum_in_one_order(dtype, width, bound):
    """Bit for bit where the width is a multiple of two vectors of float32.

    A C compiler rounds the products of what is left over or fuses them with the sum, as it
    likes. Float64 has its activations from other libraries.
    """
    levels = {(k.LAYOUT.vector_bytes, k.LEVEL == "baseline") for k in COMPILED}
    if len(levels) > 1 or (bound == 0 and levels.pop()[1]):
        pytest.skip("not the same vectors, or no fused multiply-add")
    *tokens, inputs, outputs = problem(60, width, 5, [40, 1, 25])
    found = []
    for k in COMPILED:
        vectors = inputs.astype(dtype), outputs.astype(dtype)
        k.skip_gram(*tokens, 0.1, *vectors, np.empty((6, width + 1), dtype))
        found.append(np.stack(vectors))
    if bound:
        assert_close(found[0], found[1], bound)
    else:
        assert np.array_equal(*found)


def pair_loss(inputs, outputs, context, token, negatives):
    """Negative sampling's loss of one pair (Mikolov et al. 2013, eq. (4))."""
    logits = outputs[[token, *negatives]] @ inputs[context]
    signs = np.array([1.0] + [-1.0] * len(negatives))
    return np.log1p(np.exp(-signs * logits)).sum()


def test_a_step_is_the_slope_of_the_loss():
    ids, windows = np.array([2, 3], np.int32), np.array([0, 1], np.int32)
    _, _, _, _, inputs, outputs = problem(6, 5, 1, [2], seed=3)
    negatives = np.array([[0, 0], [4, 1]], np.int32)
    moved = inputs.copy(), outputs.copy()
    rate, h = 0.01, 1e-6
    reference.skip_gram(ids, np.array([0, 2]), windows, negatives, rate, *moved, None)
    for number in range(2):
        slope = np.zeros_like(inputs)
        for place in np.ndindex(slope.shape):
            ends = []
            for sign in (1, -1):
                arrays = [inputs.copy(), outputs.copy()]
                arrays[number][place] += sign * h
                ends.append(pair_loss(*arrays, 2, 3, [4, 1]))
            slope[place] = (ends[0] - ends[1]) / (2 * h)
        before = (inputs, outputs)[number]
        assert_close(moved[number] - before, -rate * slope, 1e-8)
        assert slope.any()

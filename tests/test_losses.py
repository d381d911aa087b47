"""Losses against scikit-learn and plain formulas, also where those overflow."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from fastlstm.network.losses import (
    binary_cross_entropy,
    loss_for,
    probabilities,
    sigmoid,
    softmax_cross_entropy,
)
from tests.helpers import assert_close, check_gradients

EXTREME = [-1e4, -750.0, -40.0, -1.0, 0.0, 1.0, 40.0, 750.0, 1e4]


def problem(n_classes, n=40, seed=0, scale=3.0):
    """Logits, right classes and weights of some documents."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((n, 1 if n_classes == 2 else n_classes))
    return logits, rng.integers(0, n_classes, n), rng.uniform(0, 2, n)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_is_the_log_loss_of_scikit_learn(n_classes, dtype):
    logits, y, weight = problem(n_classes)
    logits = logits.astype(dtype)
    loss, d_logits = loss_for(logits.shape[1])(logits, y, weight / weight.sum())
    expected = log_loss(y, probabilities(logits), sample_weight=weight, labels=range(n_classes))
    assert loss == pytest.approx(expected, rel=1e-12)
    assert d_logits.dtype == dtype
    assert d_logits.shape == logits.shape


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_value_and_gradient_by_plain_formulas(n_classes):
    """docs/explanation/maths.md, eqs. (70), (72), (73) and (76), document by document."""
    logits, y, weight = problem(n_classes)
    loss, d_logits = loss_for(logits.shape[1])(logits, y, weight)
    total, expected = 0.0, np.empty_like(logits)
    for row, (z, right, w) in enumerate(zip(logits.tolist(), y.tolist(), weight, strict=True)):
        if n_classes == 2:
            p = 1 / (1 + math.exp(-z[0]))
            total -= w * math.log(p if right else 1 - p)
            expected[row] = w * (p - right)
        else:
            p = [math.exp(v) / sum(map(math.exp, z)) for v in z]
            total -= w * math.log(p[right])
            expected[row] = [w * (p[c] - (c == right)) for c in range(n_classes)]
    assert loss == pytest.approx(total, rel=1e-12)
    assert_close(d_logits, expected, 1e-14)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradients(n_classes):
    logits, y, weight = problem(n_classes, n=12)
    loss = loss_for(logits.shape[1])
    weight /= weight.sum()
    check_gradients(
        lambda: loss(logits, y, weight)[0],
        {"logits": logits},
        {"logits": loss(logits, y, weight)[1]},
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("right", [0, 1])
def test_extreme_logits_of_two_classes(right, dtype):
    logits = np.array(EXTREME, dtype)[:, None]
    y = np.full(len(EXTREME), right)
    for row, z in enumerate(EXTREME):
        loss, d = binary_cross_entropy(logits[row : row + 1], y[row : row + 1], np.ones(1))
        wrong_by = -z if right else z
        # log(1 + e^x) is x itself where e^-x is lost.
        expected = wrong_by if wrong_by > 36 else math.log1p(math.exp(wrong_by))
        assert loss == pytest.approx(expected, rel=1e-12, abs=1e-300)
        assert d[0, 0] == pytest.approx(0.5 * (1 + math.tanh(z / 2)) - right, abs=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_of_three_classes(dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4 + 1]], dtype)
    cases = [(0, 0, 0.0), (0, 1, 2e4), (0, 2, 1e4), (1, 2, math.log(3))]
    for row, right, expected in cases:
        loss, d = softmax_cross_entropy(logits[row : row + 1], np.array([right]), np.ones(1))
        assert loss == pytest.approx(expected, rel=1e-12)
        assert np.isfinite(d).all()
        assert d.sum() == pytest.approx(0, abs=1e-7)
    loss, _ = softmax_cross_entropy(logits[2:], np.array([2]), np.ones(1))
    assert loss == pytest.approx(math.log(1 + 2 / math.e), rel=1e-12)


def test_two_logits_say_what_one_says():
    """Softmax over (0, z) is the binary loss of z."""
    z, y, weight = problem(2)
    loss, d = binary_cross_entropy(z, y, weight)
    both, d_both = softmax_cross_entropy(np.hstack([0 * z, z]), y, weight)
    assert both == pytest.approx(loss, rel=1e-12)
    assert_close(d_both[:, 1:], d, 1e-12)
    assert_close(probabilities(np.hstack([0 * z, z])), probabilities(z), 1e-14)


def test_weight_zero_leaves_a_document_out():
    for n_classes in (2, 3):
        logits, y, weight = problem(n_classes)
        weight[::2] = 0
        loss = loss_for(logits.shape[1])
        value, d = loss(logits, y, weight)
        assert value == pytest.approx(loss(logits[1::2], y[1::2], weight[1::2])[0])
        assert (d[::2] == 0).all()


def test_nan_shows_in_the_loss():
    for n_classes in (2, 3):
        logits, y, weight = problem(n_classes)
        logits[3] = np.nan
        assert math.isnan(loss_for(logits.shape[1])(logits, y, weight)[0])


@pytest.mark.parametrize("n_outputs", [1, 2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities(n_outputs, dtype):
    rng = np.random.default_rng(1)
    logits = np.concatenate([
        rng.choice(EXTREME, (300, n_outputs)), rng.standard_normal((300, n_outputs)),
    ]).astype(dtype)  # fmt: skip
    p = probabilities(logits)
    assert p.dtype == np.float64
    assert p.shape == (600, max(2, n_outputs))
    assert p.min() >= 0
    assert p.max() <= 1
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    if n_outputs == 1:
        assert np.array_equal(p.argmax(axis=1)[logits[:, 0] != 0], logits[logits != 0] > 0)
    else:
        assert (p[np.arange(600), logits.argmax(axis=1)] == p.max(axis=1)).all()


def test_sigmoid_is_symmetric_and_keeps_the_dtype():
    z = np.linspace(-100, 100, 401)
    single = sigmoid(z.astype(np.float32))
    assert single.dtype == np.float32
    assert np.max(np.abs(single - 1 / (1 + np.exp(-z)))) <= 6e-8
    assert_close(sigmoid(z) + sigmoid(-z), np.ones(401), 1e-15)

"""The dense layer: against the plain product, gradients by central differences."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace
from fastlstm.network.layers import dense
from tests.helpers import PoisonedWorkspace, assert_close, check_gradients, each_backend


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def run(k, work, x, weights, d_logits, start=0.0):
    """Logits, and the gradients of x and weights; those of the latter on top of ``start``."""
    packed = dense.pack(k, weights)
    logits = dense.forward(k, work, x, packed).copy()
    gradient = dense.zero_gradient(k, *weights["w"].shape, x.dtype)
    assert not gradient.w.any() and not gradient.b.any()
    for array in gradient:
        array += start
    d_x = dense.backward(k, work, x, d_logits, packed, gradient).copy()
    assert np.array_equal(dense.backward(k, work, x, d_logits, packed), d_x)
    n_outputs = len(weights["b"])
    return logits, {"x": d_x, "w": gradient.w[:, :n_outputs], "b": gradient.b[:n_outputs]}


@each_backend
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_gradients(k, n_outputs):
    x, weights = draw(1, 6, 10), {"w": draw(2, 10, n_outputs), "b": draw(3, n_outputs)}
    d_logits = draw(4, 6, n_outputs)
    work = PoisonedWorkspace(np.float64)

    def loss():
        return np.sum(d_logits * dense.forward(k, work, x, dense.pack(k, weights)))

    logits, gradients = run(k, work, x, weights, d_logits)
    assert_close(logits, x @ weights["w"] + weights["b"], 1e-14)
    check_gradients(loss, {"x": x, **weights}, gradients)


@each_backend
def test_gradient_is_added(k):
    x, weights = draw(1, 6, 10), {"w": draw(2, 10, 3), "b": draw(3, 3)}
    d_logits, work = draw(4, 6, 3), Workspace(np.float64)
    _, gradients = run(k, work, x, weights, d_logits)
    _, on_top = run(k, work, x, weights, d_logits, start=10.0)
    assert np.array_equal(on_top["x"], gradients["x"])
    for name in ("w", "b"):
        assert_close(on_top[name], 10 + gradients[name], 1e-14, name)


@each_backend
def test_packing_again_follows_the_weights(k):
    weights = {"w": draw(1, 10, 3), "b": draw(2, 3)}
    packed = dense.pack(k, weights)
    weights = {"w": draw(3, 10, 3), "b": draw(4, 3)}
    assert dense.pack(k, weights, packed) is packed
    x = draw(5, 4, 10)
    logits = dense.forward(k, Workspace(np.float64), x, packed)
    assert_close(logits, x @ weights["w"] + weights["b"], 1e-14)


def test_initial_weights():
    weights = dense.init(np.random.default_rng(0), 50, 30, np.float32)
    limit = np.sqrt(6 / 80)
    assert weights["w"].shape == (50, 30)
    assert weights["w"].dtype == weights["b"].dtype == np.float32
    assert 0.99 * limit < np.abs(weights["w"]).max() <= limit * (1 + 1e-6)
    assert (weights["b"] == 0).all()

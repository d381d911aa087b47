"""Dropout: one mask for forward and backward, nothing dropped without a key."""

import numpy as np

from fastlstm.core.workspace import Workspace
from fastlstm.network.layers import dropout
from tests.helpers import check_gradients, each_backend

RATE, KEY = 0.4, 20260101


@each_backend
def test_gradients(k):
    rng = np.random.default_rng(2)
    x, d_out = rng.standard_normal((7, 9)), rng.standard_normal((7, 9))
    work = Workspace(np.float64)

    def loss():
        return np.sum(d_out * dropout.apply(k, work, "forward", x, RATE, KEY))

    d_x = dropout.apply(k, work, "backward", d_out, RATE, KEY)
    check_gradients(loss, {"x": x}, {"x": d_x})


@each_backend
def test_backward_has_the_mask_of_forward(k):
    work = Workspace(np.float32)
    x, d_out = np.full((50, 20), 3, np.float32), np.full((50, 20), -2, np.float32)
    kept = dropout.apply(k, work, "forward", x, RATE, KEY) != 0
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(dropout.apply(k, work, "backward", d_out, RATE, KEY) != 0, kept)
    other = dropout.apply(k, work, "backward", d_out, RATE, KEY + 1) != 0
    assert not np.array_equal(other, kept)


@each_backend
def test_kept_values_are_scaled_up(k):
    x = np.random.default_rng(3).standard_normal((200, 50))
    out = dropout.apply(k, Workspace(np.float64), "forward", x, RATE, KEY)
    kept = out != 0
    np.testing.assert_allclose(out[kept], x[kept] / (1 - RATE), rtol=1e-14)


@each_backend
def test_nothing_is_dropped_without_a_key_or_a_rate(k):
    x = np.ones((3, 4))
    work = Workspace(np.float64)
    assert dropout.apply(k, work, "forward", x, RATE, None) is x
    assert dropout.apply(k, work, "forward", x, 0.0, KEY) is x

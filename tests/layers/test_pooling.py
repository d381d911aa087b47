"""Pooling: its four modes against plain formulas, gradients by central differences."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace
from fastlstm.kernels.contract import POOLING
from fastlstm.network.layers import pooling
from tests.helpers import assert_close, check_gradients, each_backend, packed_batch

HIDDEN = 3
LENGTHS = [4, 1, 6, 4, 1]


def draw(*shape):
    return np.random.default_rng(1).standard_normal(shape)


def pooled_document(outputs, mode):
    """One document's pooled outputs, written from docs/explanation/maths.md, section 10."""
    last = np.concatenate([outputs[-1, :HIDDEN], outputs[0, HIDDEN:]])
    mean, largest = outputs.sum(axis=0) / len(outputs), outputs.max(axis=0)
    return {
        "last": last,
        "mean": mean,
        "max": largest,
        "mean_max": np.concatenate([mean, largest]),
    }[mode]


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mode", POOLING)
def test_forward(k, directions, mode):
    batch = packed_batch(LENGTHS)
    h = draw(batch.n_tokens, directions * HIDDEN)
    pooled, _ = pooling.forward(k, Workspace(np.float64), h, batch, mode, HIDDEN)
    assert pooled.shape[1] == pooling.width(mode, h.shape[1])
    for row, length in enumerate(batch.lengths):
        expected = pooled_document(h[batch.starts[:length] + row], mode)
        assert_close(pooled[row], expected, 1e-14)


@each_backend
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mode", POOLING)
def test_gradients(k, directions, mode):
    batch = packed_batch(LENGTHS)
    h = draw(batch.n_tokens, directions * HIDDEN)
    d_pooled = draw(batch.n_sequences, pooling.width(mode, h.shape[1]))
    work = Workspace(np.float64)

    def loss():
        return np.sum(d_pooled * pooling.forward(k, work, h, batch, mode, HIDDEN)[0])

    _, winner = pooling.forward(k, work, h, batch, mode, HIDDEN)
    d_h = pooling.backward(k, work, d_pooled, winner, batch, mode, HIDDEN)
    check_gradients(loss, {"h": h}, {"h": d_h.copy()})


@each_backend
def test_first_of_equal_maxima_gets_the_gradient(k):
    batch = packed_batch([3])
    h = np.array([[0.0, 2.0], [1.0, 2.0], [1.0, -1.0]])
    work = Workspace(np.float64)
    _, winner = pooling.forward(k, work, h, batch, "max", 2)
    d_h = pooling.backward(k, work, np.array([[5.0, 7.0]]), winner, batch, "max", 2)
    assert d_h.tolist() == [[0, 7], [5, 0], [0, 0]]

"""The moving average of the weights, against its definition."""

import numpy as np
import pytest

from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import Parameters
from fastlstm.training.averaging import WeightAverage
from tests.helpers import assert_close, each_backend

CONFIG = ModelConfig(2000, 3, 2)
ALL = np.zeros(1, np.int32)


def weights(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    parameters = Parameters.zeros(CONFIG, dtype, np.zeros((2000, 3), dtype))
    parameters.flat[:] = rng.standard_normal(parameters.flat.size)
    parameters.embedding[:] = rng.standard_normal((2000, 3))
    return parameters


def step_of_dense_weights(average, now):
    """As ``blocks.py`` moves them."""
    kept, share = average.parameters.flat, average.share
    average.k.average_rows(now.flat[None], ALL, np.full(1, share, kept.dtype), kept[None])
    average.count()


@each_backend
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)], ids=["f32", "f64"]
)
@pytest.mark.parametrize("n_steps", [1, 2, 60])
@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_every_step_counts_for_every_weight(k, n_steps, decay, dtype, tolerance):
    """Though rows are moved when they change; some never do, others at each step."""
    now, rng = weights(0, dtype), np.random.default_rng(1)
    average = WeightAverage(k, now, decay)
    expected = [now.embedding.astype(np.float64), now.flat.astype(np.float64)]
    for step in range(1, n_steps + 1):
        rows = np.unique(np.append(rng.integers(0, 1500, 70), 3)).astype(np.int32)
        average.before(now, rows)
        now.embedding[rows] += rng.standard_normal((len(rows), 3)).astype(dtype)
        now.flat += rng.standard_normal(now.flat.size).astype(dtype)
        step_of_dense_weights(average, now)
        keep = min(decay, (1 + step) / (10 + step))
        for mean, weight in zip(expected, (now.embedding, now.flat), strict=True):
            mean *= keep
            mean += (1 - keep) * weight
        if step % 25 == 0:  # an epoch ends
            average.finish(now, map)
            assert_close(average.parameters.embedding, expected[0], tolerance)
    average.finish(now, map)
    assert_close(average.parameters.embedding, expected[0], tolerance)
    assert_close(average.parameters.flat, expected[1], tolerance)
    assert np.array_equal(average.parameters.embedding[1500:], weights(0, dtype).embedding[1500:])


@each_backend
def test_the_start_is_forgotten(k):
    average, now = WeightAverage(k, weights(0), 0.9), weights(1)
    for _ in range(200_000 if k.NAME == "cython" else 200):  # what stays of it is 0, then
        step_of_dense_weights(average, now)
    average.finish(now, map)
    assert_close(average.parameters.flat, now.flat, 1e-6)
    assert_close(average.parameters.embedding, now.embedding, 1e-6)

"""The moving average of the weights, against its definition."""

import numpy as np
import pytest

from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import Parameters
from fastlstm.training.averaging import _EVERY, WeightAverage
from tests.helpers import assert_close

CONFIG = ModelConfig(7, 3, 2)


def weights(seed):
    rng = np.random.default_rng(seed)
    parameters = Parameters.zeros(CONFIG, np.float32, np.zeros((7, 3), np.float32))
    parameters.flat[:] = rng.standard_normal(parameters.flat.size)
    parameters.embedding[:] = rng.standard_normal((7, 3))
    return parameters


@pytest.mark.parametrize("n_steps", [1, _EVERY - 1, _EVERY, 3 * _EVERY, 3 * _EVERY + 2])
@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_constant_weights_between_updates(n_steps, decay):
    """Where weights change at the updates only, it is the plain average of every step."""
    start = weights(0)
    average = WeightAverage(start, decay)
    expected = start.embedding.astype(np.float64)
    for step in range(1, n_steps + 1):
        now = weights(1 + (step - 1) // _EVERY)
        keep = min(decay, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * now.embedding
        average.step(now, map, last=step == n_steps)
    assert_close(average.parameters.embedding, expected, 1e-6)
    assert np.array_equal(start.embedding, weights(0).embedding)


def test_every_weight_is_averaged():
    average = WeightAverage(weights(0), 0.9)
    for _ in range(200):
        average.step(weights(1), map)
    assert_close(average.parameters.flat, weights(1).flat, 1e-4)
    assert_close(average.parameters.embedding, weights(1).embedding, 1e-4)

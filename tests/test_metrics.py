"""The calibration error: by hand, and against its definition bin by bin."""

import numpy as np
import pytest

from fastlstm.evaluation import expected_calibration_error


def by_definition(confidence, right, n_bins):
    total = 0.0
    for i in range(n_bins):
        inside = (confidence > i / n_bins) & (confidence <= (i + 1) / n_bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_by_hand():
    # Two bins: 0.9 is right half of the time, 0.6 always.
    confidence, right = [0.9, 0.9, 0.6, 0.6], [True, False, True, True]
    assert expected_calibration_error(confidence, right, 4) == pytest.approx(0.4)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([], []) == 0


@pytest.mark.parametrize("n_bins", [1, 7, 15])
def test_by_definition(n_bins):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 500)
    right = rng.random(500) < confidence**2
    found = expected_calibration_error(confidence, right, n_bins)
    assert found == pytest.approx(by_definition(confidence, right, n_bins))
    assert 0 < found < 1

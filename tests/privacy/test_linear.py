"""Noisy logistic regression: its steps against a loop, and what it learns."""

import numpy as np
import pytest

from fastlstm.classifier.blend import fit_blend
from fastlstm.privacy.accounting import NoisySteps
from fastlstm.privacy.linear import MAX_NORM, Features, noisy_blend, noisy_regression
from fastlstm.privacy.noise import streams

N, M = 60, 30


def make(n_outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    holds = rng.random((N, M)) < rng.uniform(0.05, 0.9, M)
    document, feature = np.nonzero(holds)
    target = (rng.random((N, n_outputs)) < 0.5).astype(float)
    return holds.astype(float), Features(document, feature, N, M), target


def fit(found, target, noise, steps, unit=None, weight=None, seed=1):
    part = NoisySteps("linear part", 1.0, noise, steps)
    unit = np.arange(N) if unit is None else unit
    weight = np.ones(N) if weight is None else weight
    return noisy_regression(found, target, weight, unit, part, streams(1, seed)[0])


def first_step(found, target, **options):
    """What the sum of clipped gradients moves: the difference to noise alone."""
    return np.hstack([part.reshape(len(target[0]), -1)
                      for part in fit(found, target, 1e-9, 1, **options)])  # fmt: skip


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_one_step_is_the_sum_of_clipped_gradients(n_outputs):
    holds, found, target = make(n_outputs)
    weight = np.linspace(0.1, 5, N)
    unit = np.arange(N) // 4  # of four documents each
    total = 0
    for row in range(N):
        gradient = weight[row] * np.outer(0.5 - target[row], np.append(holds[row], 1))
        total = total + gradient * min(1, MAX_NORM / np.linalg.norm(gradient)) / 4
    moved = first_step(found, target, weight=weight, unit=unit)
    # A step goes down the mean gradient; its length is that of a tenth of 10 / MAX_NORM.
    assert moved == pytest.approx(-total / 15 * 0.1 * 10 / MAX_NORM, abs=1e-9)


def test_no_unit_moves_the_sum_by_more_than_the_norm():
    _, found, target = make(3)
    weight = np.full(N, 100.0)
    whole = first_step(found, target, weight=weight)
    for row in range(0, N, 7):
        without = weight.copy()
        without[row] = 0.0
        moved = np.linalg.norm(whole - first_step(found, target, weight=without))
        assert moved * N / (0.1 * 10 / MAX_NORM) == pytest.approx(MAX_NORM, rel=1e-9)


def test_noise_has_its_deviation():
    nothing = Features(np.zeros(0, int), np.zeros(0, int), N, 20_000)
    target = np.full((N, 1), 0.5)  # what is predicted first, so that nothing pulls
    weights, _ = fit(nothing, target, 2.0, 1)
    step = min(10 / MAX_NORM, 0.1 * N / (2.0 * MAX_NORM))
    drawn = weights[0] / (step * 0.1 * 2.0 * MAX_NORM / N)
    # 20,000 numbers: a deviation that is wrong by 5 % would be ten of its errors away.
    assert drawn.std() == pytest.approx(1.0, abs=6 / np.sqrt(2 * 20_000))
    assert abs(drawn.mean()) < 6 / np.sqrt(20_000)


def test_it_learns_what_scikit_learn_learns():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    holds = rng.random((4000, 12)) < 0.4
    truth = rng.normal(0, 1.5, 12)
    y = rng.random(4000) < 1 / (1 + np.exp(-(holds @ truth - holds.mean(0) @ truth)))
    document, feature = np.nonzero(holds)
    part = NoisySteps("linear part", 1.0, 0.05, 1000)
    weights, bias = noisy_regression(
        Features(document, feature, 4000, 12), y[:, None].astype(float), np.ones(4000),
        np.arange(4000), part, streams(1, 0)[0],
    )  # fmt: skip
    exact = LogisticRegression(C=1e6).fit(holds, y)
    assert np.corrcoef(weights[0], exact.coef_[0])[0, 1] > 0.995
    predicted = holds @ weights[0] + bias[0] > 0
    assert np.mean(predicted == exact.predict(holds)) > 0.97


def blended(logits, y, noise, unit=None, weight=None, steps=1000):
    n = len(y)
    part = NoisySteps("blend", 1.0, noise, steps)
    unit = np.arange(n) if unit is None else unit
    weight = np.ones(n) if weight is None else weight
    return noisy_blend(logits, y, weight, unit, part, streams(1, 0)[0])


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_blend_is_what_a_fit_without_noise_finds(n_outputs):
    rng = np.random.default_rng(2)
    n = 3000
    y = rng.integers(0, max(2, n_outputs), n)
    told = (y[:, None] == ([1] if n_outputs == 1 else range(n_outputs))) - 0.4
    good, poor = (rng.normal(told, spread) for spread in (0.8, 1.3))  # so that hardly one is cut
    shares, bias = blended([good, poor], y, 1e-3)
    exact = fit_blend([good, poor], y, np.ones(n))
    assert shares == pytest.approx(exact.shares, abs=0.05)
    assert bias - bias.mean() == pytest.approx(exact.bias - exact.bias.mean(), abs=0.05)
    # With so much noise as hides each of 3,000 documents it goes that way.
    shares, _ = blended([good, poor], y, 80.0, steps=100)
    assert exact.shares[0] + 0.2 > shares[0] > 0.7 and shares[0] > shares[1] >= 0


def test_no_unit_moves_a_blend_by_more_than_its_norm():
    """Of a unit whose documents all pull the same way, by far more than the norm."""
    logits = [np.full((40, 1), 50.0), np.full((40, 1), 50.0)]
    y, unit = np.zeros(40, dtype=int), np.arange(40) // 4
    found = []
    for weight in (np.where(unit == 3, 1.0, 0.0), np.zeros(40)):
        found.append(np.concatenate(blended(logits, y, 1e-9, unit, weight, steps=2)))
    # The second of two steps is the mean; by then a tenth and 0.19 of two steps were gone.
    moved = np.linalg.norm(found[0] - found[1])
    assert moved == pytest.approx(0.3 * 3.0 / 10 * (0.1 + 0.19), rel=1e-3)


def test_noise_of_a_blend_has_its_deviation():
    y, part = np.zeros(50, dtype=int), NoisySteps("blend", 1.0, 2.0, 2)
    nothing, drawn = [np.zeros((50, 1))] * 2, []
    for seed in range(2000):
        found = noisy_blend(
            nothing, y, np.zeros(50), np.arange(50), part, streams(1, seed)[0]
        )  # fmt: skip
        drawn.append(np.concatenate(found) - [0.5, 0.5, 0])
    # Two steps: the first one's noise counts 0.1 + 0.09 and the second one's 0.1.
    step = min(0.3, 0.1 * 50 / (2.0 * 3.0 * np.sqrt(2)))
    expected = step * 2.0 * 3.0 / 50 * np.hypot(0.19, 0.1)
    assert np.std(drawn, axis=0) == pytest.approx(expected, rel=6 / np.sqrt(2 * 2000))


def test_few_documents_leave_a_blend_as_it_began():
    rng = np.random.default_rng(4)
    logits = [rng.normal(size=(20, 1)), rng.normal(size=(20, 1))]
    shares, bias = blended(logits, rng.integers(0, 2, 20), 100.0, steps=100)
    assert np.abs(shares - 0.5).max() < 0.1 and np.abs(bias).max() < 0.1

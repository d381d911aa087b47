"""A private vocabulary: thresholds against a computation of our own, and what is chosen."""

import numpy as np
import pytest
from scipy import stats

from fastlstm.privacy.noise import streams
from fastlstm.privacy.selection import MOST_TOKENS, Selection, select_tokens

SELECTION = Selection(2.0, 1e-6)


def choose(unit, token, n_tokens, selection=SELECTION, seed=0):
    unit, token = np.asarray(unit), np.asarray(token)
    return select_tokens(unit, token, n_tokens, selection, streams(1, seed)[0])


def test_the_threshold_hides_a_unit_of_its_own():
    sizes = np.arange(1, MOST_TOKENS + 1)
    # The chance that the largest of n noisy weights, 1 / sqrt(n) each, is above it.
    single = stats.norm.sf(SELECTION.threshold, loc=1 / np.sqrt(sizes), scale=2.0)
    above = -np.expm1(sizes * np.log1p(-single))
    assert above.max() == pytest.approx(1e-6, rel=1e-3)


def test_noise_keeps_the_promise():
    pytest.importorskip("dp_accounting")
    from fastlstm.privacy.accounting import epsilon_of

    selection = Selection.promising(0.5, 1e-5)
    assert 0.48 < epsilon_of([selection.part], 1e-5) <= 0.5
    # The normal mechanism (Balle and Wang 2018, theorem 8), with what the threshold leaves.
    sigma, epsilon = selection.noise_multiplier, epsilon_of([selection.part], 1e-5)
    delta = stats.norm.cdf(0.5 / sigma - epsilon * sigma)
    delta -= np.exp(epsilon) * stats.norm.cdf(-0.5 / sigma - epsilon * sigma)
    assert delta + selection.delta == pytest.approx(1e-5, rel=0.02)


def test_frequent_tokens_first_and_rare_ones_never():
    # Token t is that of the units below 400 / (t + 1).
    pairs = [(unit, token) for token in range(40) for unit in range(400 // (token + 1))]
    unit, token = np.array(pairs).T
    weight = 1 / np.sqrt(np.bincount(unit))
    expected = np.bincount(token, weight[unit])
    for seed in range(20):
        kept = choose(unit, token, 50, seed=seed)
        assert len(set(kept)) == len(kept) and kept[0] == 0
        sure = np.flatnonzero(expected > SELECTION.threshold + 5 * 2.0)
        never = np.flatnonzero(expected < SELECTION.threshold - 5 * 2.0)
        assert set(sure) <= set(kept) and not set(never) & set(kept)
        assert len(sure) > 3 and len(never) > 5


def test_a_unit_counts_once_and_as_one():
    # One unit repeats a token a thousand times, and so do 30 documents of another one.
    assert not len(choose([0] * 1000 + [1] * 1000, [0] * 1000 + [1] * 1000, 2))


def test_of_very_many_tokens_some_count():
    n = 4 * MOST_TOKENS
    unit, token = np.repeat(np.arange(100), n), np.tile(np.arange(n), 100)
    # Hardly any noise: the threshold is the weight of a unit with one token. A quarter of the
    # units count for a token, by 1 / sqrt(500) each, so that sums are about 1.1; with all tokens
    # of each they would all be 2.2.
    kept = choose(unit, token, n, Selection(1e-9, 1e-6))
    assert 0.5 * n < len(kept) < 0.95 * n


def test_nobody():
    assert not len(choose(np.zeros(0, int), np.zeros(0, int), 5))


def test_the_noise_of_a_sum_is_that_of_the_accounts():
    """A token whose sum is one deviation below the threshold is kept so often."""
    selection = Selection(4.0, 1e-6)
    n = round(selection.threshold - 4.0)  # units with one token each
    unit, token = np.arange(n), np.zeros(n, dtype=int)
    kept = np.mean([len(choose(unit, token, 1, selection, seed)) for seed in range(4000)])
    expected = stats.norm.sf((selection.threshold - n) / 4.0)
    assert kept == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / 4000))

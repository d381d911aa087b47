"""A vocabulary that tells of no single unit: tokens chosen by noisy weights.

Each unit adds 1 / sqrt(n) to each of its n distinct tokens, which is a step of length 1 in all.
The sums get normal noise, and tokens whose sum is above a threshold are kept: Gopi et al. 2020,
"Differentially private set union", the weighted Gaussian mechanism. Noise hides what a unit adds
to tokens of others; the threshold hides tokens that it alone has, but for a small probability.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from fastlstm.privacy.accounting import NoisySteps, noise_for

# What the accounts call it.
VOCABULARY = "vocabulary"

# Distinct tokens of a unit that count, at most; of more some are drawn.
MOST_TOKENS = 500

# Share of delta for tokens that one unit alone has.
_DELTA_SHARE = 0.1


class Selection(NamedTuple):
    """How noisy a choice is.

    Attributes
    ----------
    noise_multiplier : float
        Standard deviation of each sum's noise.
    delta : float
        Probability that a token which one unit alone has is kept.
    """

    noise_multiplier: float
    delta: float

    @classmethod
    def promising(cls, epsilon: float, delta: float) -> Selection:
        """As little noise as promises ``epsilon``, where nothing else reads the documents.

        Raises
        ------
        ValueError
            If no noise within reason does.
        ImportError
            If dp-accounting is not installed.
        """
        alone = _DELTA_SHARE * delta
        part = NoisySteps(VOCABULARY, 1.0, 0.0, 1, alone)
        return cls(noise_for(epsilon, delta, [part]), alone)

    @property
    def part(self) -> NoisySteps:
        """For the accounts."""
        return NoisySteps(VOCABULARY, 1.0, self.noise_multiplier, 1, self.delta)

    @property
    def threshold(self) -> float:
        """The least noisy sum of a token that is kept.

        A unit with n tokens that no other one has adds 1 / sqrt(n) to each. The threshold is
        so high that none of them comes above it, but for a probability of ``delta``, whatever n.
        """
        n = np.arange(1, MOST_TOKENS + 1)
        # The chance of a single token; expm1 and log1p, as it is too small for plain differences.
        single = -np.expm1(np.log1p(-self.delta) / n)
        above = np.array([-NormalDist().inv_cdf(float(p)) for p in single])
        return float(np.max(1 / np.sqrt(n) + self.noise_multiplier * above))


def select_tokens(
    unit: np.ndarray, token: np.ndarray, n_tokens: int, selection: Selection,
    stream: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Tokens that enough units have, those of the largest noisy sums first.

    Parameters
    ----------
    unit, token : int64 arrays, shape (n_pairs,)
        Which unit has which token; a pair may occur more than once.
    n_tokens : int
        Each token is below it.
    selection : Selection
    stream : numpy.random.Generator

    Returns
    -------
    kept : int64 array, shape (n_kept,)
    """
    pairs = np.unique(unit.astype(np.int64) * n_tokens + token)
    unit, token = np.divmod(pairs, n_tokens)
    # In an order by chance the first ones of each unit count.
    order = np.lexsort((stream.random(len(unit)), unit))
    unit, token = unit[order], token[order]
    _, first, size = np.unique(unit, return_index=True, return_counts=True)
    place = np.arange(len(unit)) - np.repeat(first, size)
    counts = place < MOST_TOKENS
    weight = 1 / np.sqrt(np.repeat(np.minimum(size, MOST_TOKENS), size)[counts])
    sums = np.bincount(token[counts], weights=weight, minlength=n_tokens)
    # A token that nobody has is not known of: only those that somebody has get noise.
    there = np.flatnonzero(sums)
    noisy = sums[there] + selection.noise_multiplier * stream.standard_normal(len(there))
    kept = np.flatnonzero(noisy >= selection.threshold)
    chosen: np.ndarray = there[kept[np.argsort(-noisy[kept], kind="stable")]]
    return chosen

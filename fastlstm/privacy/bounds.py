"""How much a fit must tell, from how well its outcome tells which documents it was given."""

from __future__ import annotations

import math

# Nobody needs to know a bound above it.
_LARGEST = 100.0


def surprise(n: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Probability that a fit with a promise lets so many guesses be right, at most.

    Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run", theorem 5.2: of
    ``n`` documents that were each given by the toss of a coin, somebody says of ``guesses`` whether
    they were, and keeps silent about the others.

    Parameters
    ----------
    n, guesses, correct : int
    epsilon, delta : float

    Returns
    -------
    probability : float
        Small numbers speak against the promise.
    """
    from scipy.stats import binom

    right = 1 / (1 + math.exp(-epsilon))
    at_least = float(binom.sf(correct - 1, guesses, right))
    if delta <= 0:
        return at_least
    # What delta may add: the most of P[correct - i <= right guesses < correct] / i.
    below = binom.pmf(range(correct - 1, -1, -1), guesses, right).cumsum()
    most = max((p / i for i, p in enumerate(below, 1)), default=0.0)
    return float(min(1.0, at_least + 2 * n * delta * most))


def epsilon_at_least(
    n: int, guesses: int, correct: int, delta: float, confidence: float = 0.95
) -> float:
    """The largest epsilon that is refuted: what was promised must be above it.

    Parameters
    ----------
    n, guesses, correct : int
        As in ``surprise``.
    delta : float
    confidence : float
        A fit that promises less is taken for one that promises more in at most
        1 - ``confidence`` of all runs.

    Returns
    -------
    epsilon : float
        0 where nothing is refuted.
    """
    from scipy.optimize import brentq

    def excess(epsilon: float) -> float:
        return surprise(n, guesses, correct, epsilon, delta) - (1 - confidence)

    if not guesses or excess(0.0) > 0:
        return 0.0
    if excess(_LARGEST) < 0:
        return _LARGEST
    return float(brentq(excess, 0.0, _LARGEST, xtol=1e-6))

"""What a series of noisy steps promises, by privacy loss distributions (PLD).

The numbers are those of Google's ``dp-accounting``: Doroshenko et al. 2022, "Connect the dots:
tighter discrete approximations of privacy loss distributions". Neighbouring sets of documents
differ in one unit that is added or removed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_MISSING = (
    "privacy= needs the package dp-accounting, which computes what is promised: "
    "pip install 'fastlstm[privacy]'"
)

# Noise multipliers among which one is looked for, and how near it is to the least that will do.
_BRACKET, _NEAR = (0.2, 200.0), 1e-3

# Between privacy losses that count as one; the larger of them.
_INTERVALS = {"pld": 1e-4, "coarse": 1e-3}

# Of Renyi divergences: whole numbers, whose bounds are sums of few terms.
_ORDERS = (*range(2, 65), 128, 256, 512, 1024)

# An epsilon that promises so little need not be known better than Renyi divergences tell, and
# takes minutes by distributions of losses.
_MEANS_NOTHING = 50.0

# Of the logarithm: as much less noise than Renyi's bound asks for is looked at.
_NARROW = 0.3


class NoisySteps(NamedTuple):
    """Steps that each draw units by themselves, and add normal noise to a sum.

    Attributes
    ----------
    what : str
        What they were for.
    sampling_rate : float
        Probability of each unit to be drawn.
    noise_multiplier : float
        Standard deviation of the noise, by what one unit adds to the sum at most.
    steps : int
    delta : float
        Probability that they tell something whatever the noise, all steps together.
    """

    what: str
    sampling_rate: float
    noise_multiplier: float
    steps: int
    delta: float = 0.0


def epsilon_of(parts: Sequence[NoisySteps], delta: float, kind: str = "pld") -> float:
    """What all parts together promise.

    Parameters
    ----------
    parts : sequence of NoisySteps
    delta : float
    kind : {"pld", "coarse", "rdp"}
        The others are quicker and looser bounds: "coarse" with wider intervals of privacy
        losses, "rdp" by Renyi divergences (Mironov 2017).

    Returns
    -------
    epsilon : float

    Raises
    ------
    ImportError
        If dp-accounting is not installed.
    """
    loose = _epsilon(tuple(parts), delta, "rdp")
    if kind == "rdp" or loose > _MEANS_NOTHING:
        return loose
    return min(loose, _epsilon(tuple(parts), delta, kind))  # either holds


@lru_cache(maxsize=256)
def _epsilon(parts: tuple[NoisySteps, ...], delta: float, kind: str) -> float:
    accountant = _accountant(kind)
    for part in parts:
        accountant.compose(_event(part))
    # But for that probability everything is as with the noise alone.
    left = delta - sum(part.delta for part in parts)
    return float(accountant.get_epsilon(left)) if left > 0 else math.inf


def noise_for(
    epsilon: float, delta: float, parts: Sequence[NoisySteps], known: Sequence[NoisySteps] = (),
    what: str = "privacy",
) -> float:  # fmt: skip
    """The least noise multiplier with which parts promise ``epsilon``, to three digits.

    Parameters
    ----------
    epsilon, delta : float
    parts : sequence of NoisySteps
        The noise of all is looked for; what they have is of no matter.
    known : sequence of NoisySteps
        Further parts, whose noise stays.
    what : str
        Begins a message.

    Raises
    ------
    ValueError
        If no noise within reason does.
    ImportError
        If dp-accounting is not installed.
    """

    from scipy.optimize import brentq

    exact = "coarse" if epsilon >= 1 else "pld"

    def too_much(log_noise: float, kind: str = exact) -> float:
        """Above 0 where less is promised."""
        noisy = [part._replace(noise_multiplier=math.exp(log_noise)) for part in parts]
        return math.log(max(1e-12, epsilon_of([*known, *noisy], delta, kind)) / epsilon)

    # Renyi's bound is quick, and asks for somewhat more noise than is needed.
    low, high = map(math.log, _BRACKET)
    if too_much(high, "rdp") > 0 and too_much(high) > 0:
        raise ValueError(
            f"{what}: epsilon={epsilon:g} with delta={delta:.2g} would need noise of more than "
            f"{_BRACKET[1]:g} times a document's gradient. Raise epsilon, or train for fewer steps "
            "(max_epochs, n_estimators)."
        )
    if too_much(low, "rdp") <= 0:
        return math.exp(low)
    if too_much(high, "rdp") <= 0:  # else known parts alone are too much for that bound
        high = brentq(too_much, low, high, args=("rdp",), xtol=_NEAR) + _NEAR
        near = max(low, high - _NARROW)
        low, high = (near, high) if too_much(near) > 0 else (low, near)
    if too_much(low) <= 0:
        return math.exp(low)
    if too_much(high) > 0:  # wide intervals of very many steps are looser than Renyi's bound
        return math.exp(high)
    found = brentq(too_much, low, high, xtol=_NEAR) + _NEAR
    return math.exp(found)


def _event(part: NoisySteps) -> Any:
    import dp_accounting

    if part.sampling_rate >= 1:
        # Of all units, steps are together one with less noise (Dong et al. 2022, "Gaussian
        # differential privacy", corollary 2), without what rounding of losses adds in each.
        return dp_accounting.GaussianDpEvent(part.noise_multiplier / math.sqrt(part.steps))
    step = dp_accounting.GaussianDpEvent(part.noise_multiplier)
    step = dp_accounting.PoissonSampledDpEvent(part.sampling_rate, step)
    return dp_accounting.SelfComposedDpEvent(step, part.steps)


def _accountant(kind: str) -> Any:
    try:
        from dp_accounting import NeighboringRelation, pld, rdp
    except ImportError as error:
        raise ImportError(_MISSING) from error
    neighbours = NeighboringRelation.ADD_OR_REMOVE_ONE
    if kind == "rdp":
        return rdp.RdpAccountant(_ORDERS, neighbours)
    return pld.PLDAccountant(neighbours, _INTERVALS[kind])

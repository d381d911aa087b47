"""Learning-rate schedules: step number -> factor on the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable

SCHEDULES = ("constant", "linear", "cosine")

# Where "linear" and "cosine" end, as a share of the learning rate.
_FINAL = 0.02


def make_schedule(name: str, total_steps: int, warmup: float) -> Callable[[int], float]:
    """Factor for the steps 1 .. ``total_steps`` (docs/explanation/maths.md, "Optimisation").

    Parameters
    ----------
    name : {"constant", "linear", "cosine"}
        What follows the warm-up: the full rate, or a fall to 2 % of it.
    total_steps : int
    warmup : float in [0, 1)
        Share of the steps over which the rate rises linearly from 0.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule={name!r} is not known; use one of {SCHEDULES}.")
    rising = int(round(warmup * total_steps))

    def factor(step: int) -> float:
        if step <= rising:
            return step / rising  # eq. (94)
        done = min(1.0, (step - 1 - rising) / max(1, total_steps - rising))  # eq. (90)
        if name == "linear":
            return 1.0 - (1.0 - _FINAL) * done  # eq. (92)
        if name == "cosine":
            return _FINAL + (1.0 - _FINAL) * 0.5 * (1.0 + math.cos(math.pi * done))  # eq. (93)
        return 1.0  # eq. (91)

    return factor

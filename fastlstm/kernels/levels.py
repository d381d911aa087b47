"""Instruction levels: what the compiled backends tell apart."""

from __future__ import annotations

import os

# Each with all that is below it. "baseline" is what every CPU of the platform has.
LEVELS = ("baseline", "avx2", "avx512", "amx")


def limited(found: str) -> str:
    """The level of this CPU, or the lower one that ``FASTLSTM_CPU`` names.

    Raises
    ------
    ValueError
        If the variable names none.
    """
    wanted = os.environ.get("FASTLSTM_CPU", LEVELS[-1])
    if wanted not in LEVELS:
        raise ValueError(f"FASTLSTM_CPU={wanted!r} is not known; use one of {', '.join(LEVELS)}.")
    return min(found, wanted, key=LEVELS.index)

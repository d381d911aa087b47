"""What "auto" makes of the lengths of training documents."""

from __future__ import annotations

import numpy as np

# Tokens that are read of a document where most are shorter, and where many are longer. The
# second is there for time alone: a document of 10,000 tokens costs as much as 40 film reviews.
USUAL, LONGEST = 600, 10_000

# Share of longer documents from which on what decides may stand anywhere in them, and documents
# from which on attention has something to learn from.
MANY, ENOUGH = 0.2, 2000


def many_are_long(lengths: np.ndarray) -> bool:
    """Whether to read documents of these lengths whole, and how: see ``settled_reading``.

    Parameters
    ----------
    lengths : int array, shape (n_documents,)
        In tokens.

    Notes
    -----
    docs/explanation/benchmarks.md, "Accuracy on long documents", has the measurement: with 4,000
    long documents attention found what decides in them better than a maximum over what was left of
    them did, and best where segments hand on their state. With few documents it hardly leaves the
    mean.
    """
    n = len(lengths)
    return n >= ENOUGH and bool(np.count_nonzero(lengths > USUAL) >= MANY * n)


def settled_length(max_length: int | str | None, lengths: np.ndarray) -> int | None:
    """What ``max_length`` stands for, given the lengths of whole documents."""
    if not isinstance(max_length, str):
        return max_length
    return LONGEST if many_are_long(lengths) else USUAL


def settled_reading(
    pooling: str, segment_state: str, lengths: np.ndarray
) -> tuple[str, str]:  # fmt: skip
    """What ``pooling`` and ``segment_state`` stand for, given the lengths as they are read."""
    auto = ("attention", "carried") if many_are_long(lengths) else ("max", "fresh")
    return (
        auto[0] if pooling == "auto" else pooling,
        auto[1] if segment_state == "auto" else segment_state,
    )

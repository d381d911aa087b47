"""How much the logits fall when a token is taken away."""

from __future__ import annotations

import numpy as np

from fastlstm.core.records import TokenSequences

# A longer document loses several neighbours at a time.
MOST_PIECES = 400

# Tokens that are predicted at once.
_TOKENS_AT_ONCE = 1 << 20


def pieces(n: int) -> list[np.ndarray]:
    """Places that are taken away together, for a document of ``n`` tokens."""
    size = -(-n // MOST_PIECES)
    return [np.arange(at, min(at + size, n)) for at in range(0, n, size)]


def occlude(logits_of, ids, of_whole, n_threads: int = 1) -> np.ndarray:
    """Differences of the whole model's logits.

    Parameters
    ----------
    logits_of : callable
        From whole TokenSequences and a number of threads to logits.
    ids : int32 array, shape (n_tokens,)
        A whole document.
    of_whole : float array, shape (n_outputs,)
        Its logits.
    n_threads : int

    Returns
    -------
    positions : float64 array, shape (n_tokens, n_outputs)
        Logits of the document less those without the token. Documents of more than 400
        tokens lose runs of tokens, which share the difference.
    """
    n, taken = len(ids), pieces(len(ids))
    positions = np.empty((n, len(of_whole)))
    at_once = max(1, _TOKENS_AT_ONCE // n)
    for first in range(0, len(taken), at_once):
        some = taken[first : first + at_once]
        rest = [np.delete(ids, piece) for piece in some]
        offsets = np.cumsum([0, *map(len, rest)]).astype(np.int64)
        logits = logits_of(TokenSequences(np.concatenate(rest), offsets), n_threads)
        for piece, found in zip(some, logits, strict=True):
            positions[piece] = (of_whole - found) / len(piece)
    return positions

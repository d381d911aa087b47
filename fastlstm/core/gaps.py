"""Since when something has not been seen, step by step."""

from __future__ import annotations

import numpy as np


def since_seen(seen: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The logarithm of 1 + the steps since each thing was seen last, or since the beginning.

    Parameters
    ----------
    seen : bool array, shape (n_steps, n_things)
        Of many sequences, one after the other.
    offsets : int64 array, shape (n_sequences + 1,)
        Where they begin, and where the last one ends.

    Returns
    -------
    since : float32 array, shape (n_steps, n_things)
        0 where a thing is seen. In a sequence that has not shown it yet, steps count from
        before the first.
    """
    step = np.arange(len(seen))
    before = np.repeat(offsets[:-1] - 1, np.diff(offsets))
    last = np.maximum.accumulate(np.where(seen, step[:, None], -1), axis=0)
    gap = step[:, None] - np.maximum(last, before[:, None])
    since: np.ndarray = np.log1p(gap).astype(np.float32)
    return since

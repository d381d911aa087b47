"""The pooled vectors of a document's segments to one vector.

With max pooling it is what pooling the whole document would give, had the state been
reset where a segment ends (docs/explanation/maths.md, "Segments").
"""

from __future__ import annotations

import numpy as np


def forward(pooled, batch, pooling, hidden, keep=True):
    """Combine segments.

    Parameters
    ----------
    pooled : float array, shape (n_sequences, width)
    batch : TokenBatch
    pooling : {"last", "mean", "max", "mean_max"}
    hidden : int
    keep : bool
        Whether a backward pass follows.

    Returns
    -------
    combined : float array, shape (n_documents, width)
        ``pooled`` itself where the batch has no segments.
    share : float array, shape (n_sequences, width), or None
        Gradient of a document's vector by those of its segments, of use with ``keep`` alone.
    """
    if batch.segments is None:
        return pooled, None
    order, offsets = batch.segments
    if pooling == "max" and not keep:
        return np.maximum.reduceat(pooled[order], offsets[:-1]), None
    share = np.empty_like(pooled)
    half = pooled.shape[1] // 2 if pooling == "mean_max" else 0
    if pooling in ("mean", "mean_max"):
        part = slice(half or None)
        tokens = batch.lengths[order]
        share[order, part] = (tokens / _of_each(np.add.reduceat(tokens, offsets[:-1]), offsets))[
            :, None
        ]
    if pooling in ("max", "mean_max"):
        values = pooled[order, half:]
        best = np.maximum.reduceat(values, offsets[:-1])
        number = np.where(
            values == _of_each(best, offsets), np.arange(len(order))[:, None], len(order)
        )
        first = np.minimum.reduceat(number, offsets[:-1])  # of equals, as within a segment
        share[order, half:] = _of_each(first, offsets) == np.arange(len(order))[:, None]
    if pooling == "last":
        share.fill(0)
        share[order[offsets[1:] - 1], :hidden] = 1
        share[order[offsets[:-1]], hidden:] = 1
    return np.add.reduceat((pooled * share)[order], offsets[:-1]), share


def backward(d_combined, share, batch):
    """Gradient of the segments' vectors, shape (n_sequences, width)."""
    if batch.segments is None:
        return d_combined
    order, offsets = batch.segments
    d_pooled = np.empty_like(share)
    d_pooled[order] = _of_each(d_combined, offsets)
    d_pooled *= share
    return d_pooled


def _of_each(values, offsets):
    """The row of its document for each segment."""
    return np.repeat(values, np.diff(offsets), axis=0)

"""A document's outputs over time to one vector: last, mean, max, mean and max."""

from __future__ import annotations

import numpy as np

from fastlstm.kernels.contract import POOLING, Kernels


def width(pooling: str, outputs: int) -> int:
    """Length of the pooled vector for outputs of length ``outputs``."""
    return 2 * outputs if pooling == "mean_max" else outputs


def forward(k: Kernels, work, h, batch, pooling, hidden):
    """Pool outputs (docs/explanation/maths.md, "Pooling").

    Parameters
    ----------
    h : float array, shape (n_tokens, directions * hidden)

    Returns
    -------
    pooled : float array, shape (n_documents, width)
    winner : int32 array, shape (n_documents, directions * hidden)
    """
    pooled = work.array("pool.out", batch.n_sequences, width(pooling, h.shape[1]))
    winner = work.array("pool.winner", batch.n_sequences, h.shape[1], dtype=np.int32)
    k.pool_forward(
        h, batch.n_live, batch.starts, batch.lengths, POOLING[pooling], hidden, pooled, winner
    )
    return pooled, winner


def backward(k: Kernels, work, d_pooled, winner, batch, pooling, hidden):
    """Gradient of the outputs, shape (n_tokens, directions * hidden)."""
    d_h = work.array("pool.d_h", batch.n_tokens, winner.shape[1])
    k.pool_backward(
        d_pooled, batch.n_live, batch.starts, batch.lengths, POOLING[pooling], hidden, winner, d_h
    )
    return d_h

"""Inverted dropout with a mask that is recomputed from its key.

The same call is forward and backward: ``apply(x)`` and ``apply(d_out)`` with one
key multiply by the same mask (docs/explanation/maths.md, "Dropout").
"""

from __future__ import annotations

from fastlstm.kernels.contract import Kernels


def apply(k: Kernels, work, name, x, rate, key, first=0):
    """``x`` itself when ``rate`` is 0, otherwise a masked and rescaled copy.

    Parameters
    ----------
    x : float array, shape (n, width)
    rate : float in [0, 1)
    key : int or None
        None means inference: nothing is dropped.
    first : int
        The row of a larger array that ``x`` begins with, where it is a part of one.
    """
    if rate == 0.0 or key is None:
        return x
    out = work.array(name, *x.shape)
    k.dropout(x, rate, key, first, out)
    return out

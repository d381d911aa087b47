"""Scores that scikit-learn does not have."""

from __future__ import annotations

import numpy as np


def expected_calibration_error(confidence, right, n_bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width.

    As Guo et al. (2017), "On calibration of modern neural networks".

    Parameters
    ----------
    confidence : float array, shape (n_documents,)
        Probability of the class that was predicted, in [0, 1].
    right : bool array, shape (n_documents,)
        Whether it was the right one.
    n_bins : int

    Returns
    -------
    float
        In [0, 1]; each bin counts as its share of the documents. 0 for no documents.
    """
    said, happened, counts = reliability(confidence, right, n_bins)
    there = counts > 0
    gaps = np.abs(said - happened)[there] * counts[there]
    return float(gaps.sum() / max(1, counts.sum()))


def reliability(confidence, right, n_bins: int = 15):
    """Mean confidence, share that was right, and documents of each bin of equal width.

    Parameters
    ----------
    confidence, right : arrays, shape (n_documents,)
        As in ``expected_calibration_error``.
    n_bins : int

    Returns
    -------
    said, happened : float arrays, shape (n_bins,)
        NaN for bins without a document.
    counts : int array, shape (n_bins,)
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    # A bin is open below and closed above.
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    sums = [np.bincount(bins, weights=values, minlength=n_bins) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        said, happened = (total / counts for total in sums)
    return said, happened, counts

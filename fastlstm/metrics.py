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
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    if not len(confidence):
        return 0.0
    # A bin is open below and closed above.
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))

"""The part that reads what stands beside the text: logistic regression on these numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SidePart(NamedTuple):
    """Weights of the numbers beside a text.

    Attributes
    ----------
    weights : float32 array, shape (n_outputs, n_side)
    bias : float32 array, shape (n_outputs,)
    """

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, side: np.ndarray) -> np.ndarray:
        """Logits, float64, shape (n_documents, n_outputs); a row depends on its own numbers."""
        # Not by BLAS, whose sums depend on the number of rows and threads.
        found: np.ndarray = self.bias + np.einsum("ns,os->no", side.astype(float), self.weights)
        return found

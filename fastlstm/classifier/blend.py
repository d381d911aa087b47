"""How much each component of a model counts, from documents that none was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastlstm.network.losses import loss_for

# Names of the components, in the order of their shares; not every model has the later ones.
COMPONENTS = ("networks", "linear_part", "side_columns")

# Strength of the pull towards equal shares, as a number of documents.
_PRIOR_DOCUMENTS = 1.0


class Blend(NamedTuple):
    """Logits of the whole are ``bias + sum(share * logits of the component)``.

    docs/explanation/maths.md, eq. (113).

    Attributes
    ----------
    shares : float64 array, shape (n_components,)
        Of the networks' mean, and of the linear part and of that which reads what stands
        beside the text, where there are such; none is below 0.
    bias : float64 array, shape (n_outputs,)
    """

    shares: np.ndarray
    bias: np.ndarray

    @classmethod
    def of_networks(cls, n_outputs: int) -> Blend:
        """The networks alone."""
        return cls(np.ones(1), np.zeros(n_outputs))

    @classmethod
    def even(cls, n_components: int, n_outputs: int) -> Blend:
        """All components alike, where no document says which is better."""
        return cls(np.full(n_components, 1 / n_components), np.zeros(n_outputs))

    def __call__(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """Logits of the whole, float64, shape (n_documents, n_outputs), from the components'."""
        first, *others = [share * part for share, part in zip(self.shares, logits, strict=True)]
        total: np.ndarray = self.bias + sum(others, start=first)
        return total


def fit_blend(
    logits: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray, with_bias: bool = True
) -> Blend:
    """Shares, and a bias, with the least cross-entropy.

    With one part and no bias the share is one over the temperature of Guo et al. (2017),
    "On calibration of modern neural networks".

    Parameters
    ----------
    logits : list of float arrays, shape (n_documents, n_outputs)
        Of each part, for documents that it was not fitted on.
    y : int64 array, shape (n_documents,)
    weight : float64 array, shape (n_documents,)
    with_bias : bool

    Returns
    -------
    Blend
    """
    from scipy.optimize import minimize  # much of SciPy, which nothing that predicts needs

    # Added up by NumPy alone: the order of BLAS depends on its threads.
    parts = np.stack([part.astype(np.float64) for part in logits])
    n_parts, _, n_outputs = parts.shape
    loss = loss_for(n_outputs)
    weight = weight / max(float(weight.sum()), 1e-12)
    start = np.zeros(n_parts + (n_outputs if with_bias else 0))
    start[:n_parts] = 1 / n_parts
    pull = _PRIOR_DOCUMENTS / max(len(y), 1)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        z = np.einsum("p,pdo->do", x[:n_parts], parts)
        if with_bias:
            z = z + x[n_parts:]
        value, d_z = loss(z, y, weight)
        away = x - start
        slope = pull * away
        slope[:n_parts] += np.einsum("pdo,do->p", parts, d_z)
        if with_bias:
            slope[n_parts:] += d_z.sum(axis=0)
        return value + 0.5 * pull * away @ away, slope

    bounds = [(0, None)] * n_parts + [(None, None)] * (len(start) - n_parts)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    bias = found[n_parts:] if with_bias else np.zeros(n_outputs)
    return Blend(found[:n_parts], bias)

"""Fitting the part that reads what stands beside the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastlstm.classifier.held_out import folds
from fastlstm.classifier.side_part import SidePart
from fastlstm.network.losses import class_of, loss_for, predicted_class

# Inverse strength of the penalty, as scikit-learn's LogisticRegression has it, and folds.
_PENALTY_C = 1.0
_N_FOLDS = 5

# A fit is done when a step changes the loss by no more than this share: digits beyond it
# change no answer.
_ENOUGH = {"ftol": 1e-6}

# What a column has to bring, in units of the log-likelihood of all documents.
_PRICE = 2.0

# A column is suspected that is right nearly as often as all else together, and that leaves
# less than half of the errors of a guess.
_NEARLY = 0.98
_LEFT = 0.5

# Rows that tell so.
_LOOKED_AT = 5000


class SideFit(NamedTuple):
    """The part, and what it would say of documents that it has not seen.

    Attributes
    ----------
    part : SidePart
    relevance : float64 array, shape (n_columns,)
        From 0, of a column that tells nothing, to 1. The part is for numbers that were
        multiplied by it.
    out_of_fold : float64 array, shape (n_documents, n_outputs)
        With the relevance.
    """

    part: SidePart
    relevance: np.ndarray
    out_of_fold: np.ndarray


def fit_side_part(
    side: np.ndarray, columns: Sequence[slice], y: np.ndarray, weight: np.ndarray,
    n_outputs: int, seed: int, text_logits: np.ndarray | None = None, judges: bool = True,
) -> SideFit:  # fmt: skip
    """Fit logistic regression on the numbers beside the texts.

    A column's relevance is its factor in the non-negative garrote (Breiman 1995), fitted on
    what the column says of documents that the regression has not seen.

    Parameters
    ----------
    side : float32 array, shape (n_documents, n_side)
    columns : sequence of slices
        The numbers of each column.
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
    n_outputs : int
    seed : int
        Of the folds.
    text_logits : float array, shape (n_documents, n_outputs), or None
        What the text alone says, of models that have not seen the document: the weights then
        say what the numbers add to it.
    judges : bool
        Otherwise all columns have the relevance 1.
    """
    out_of_fold = np.zeros((len(y), len(columns), n_outputs))
    bias = np.zeros((len(y), n_outputs))
    for seen, left_out in folds(y, 1 / _N_FOLDS, _N_FOLDS, seed):
        if len(left_out):
            text = None if text_logits is None else text_logits[seen]
            part = _fitted(side[seen], y[seen], weight[seen], n_outputs, text)
            bias[left_out] = part.bias
            for number, own in enumerate(columns):
                of_column = SidePart(part.weights[:, own], np.zeros(n_outputs, np.float32))
                out_of_fold[left_out, number] = of_column.logits(side[left_out, own])
    relevance = np.ones(len(columns))
    if judges:
        text = np.zeros_like(bias) if text_logits is None else text_logits.astype(np.float64)
        relevance = _relevance(out_of_fold, text, y, weight)
    whole = bias + np.einsum("c,nco->no", relevance, out_of_fold)
    return SideFit(_fitted(side, y, weight, n_outputs, text_logits), relevance, whole)


def _relevance(said: np.ndarray, text: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Factors between 0 and 1 of what columns say, beside a share of what the text says."""
    from scipy.optimize import minimize

    _, n_columns, n_outputs = said.shape
    loss, total = loss_for(n_outputs), max(float(weight.sum()), 1e-12)
    price = _PRICE / total

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        factors, share, bias = x[:n_columns], x[n_columns], x[n_columns + 1 :]
        z = np.einsum("c,nco->no", factors, said) + share * text + bias
        value, d_z = loss(z, y, weight / total)
        slope = np.concatenate([
            np.einsum("nco,no->c", said, d_z) + price, [float(np.sum(d_z * text))],
            d_z.sum(axis=0),
        ])  # fmt: skip
        return value + price * float(factors.sum()), slope

    bounds = [(0, 1)] * n_columns + [(None, None)] * (1 + n_outputs)
    start = np.concatenate([np.full(n_columns, 0.5), np.ones(1), np.zeros(n_outputs)])
    found: np.ndarray = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_ENOUGH
    ).x
    return found[:n_columns]


def _fitted(
    side: np.ndarray, y: np.ndarray, weight: np.ndarray, n_outputs: int,
    text_logits: np.ndarray | None,
) -> SidePart:  # fmt: skip
    from scipy.optimize import minimize  # much of SciPy, which nothing that predicts needs

    x, n_side = side.astype(np.float64), side.shape[1]
    text = np.zeros((len(y), n_outputs)) if text_logits is None else text_logits
    text = text.astype(np.float64)
    loss, total = loss_for(n_outputs), max(float(weight.sum()), 1e-12)
    pull, size = 1 / (_PENALTY_C * total), n_outputs * n_side

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, (bias, share) = flat[:size].reshape(n_outputs, n_side), (flat[size:-1], flat[-1])
        value, d_z = loss(np.einsum("ns,os->no", x, w) + bias + share * text, y, weight / total)
        slope = np.concatenate([
            (np.einsum("no,ns->os", d_z, x) + pull * w).ravel(), d_z.sum(axis=0),
            [float(np.sum(d_z * text))],
        ])  # fmt: skip
        return value + 0.5 * pull * float(np.sum(w * w)), slope

    start = np.zeros(size + n_outputs + 1)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=_ENOUGH).x
    found = found.astype(np.float32)
    return SidePart(found[:size].reshape(n_outputs, n_side), found[size:-1])


def telling_columns(
    columns: dict[str, np.ndarray], y: np.ndarray, weight: np.ndarray, n_outputs: int, seed: int,
    accuracy: float,
) -> dict[str, float]:  # fmt: skip
    """Columns that alone are right nearly as often as the whole model, and how often.

    Parameters
    ----------
    columns : dict of str to float32 array, shape (n_documents, n_features)
    y, weight, n_outputs, seed
        As in ``fit_side_part``.
    accuracy : float
        Of the whole model.
    """
    rows = np.random.default_rng(seed).permutation(len(y))[:_LOOKED_AT]
    y, weight, found = y[rows], weight[rows], {}
    total = weight.sum() or 1.0
    classes = np.bincount(y, weights=weight) / total
    for name, side in columns.items():
        logits = _fitted(side[rows], y, weight, n_outputs, None).logits(side[rows])
        right = float(weight @ (predicted_class(logits) == class_of(y)) / total)
        if right >= _NEARLY * accuracy and 1 - right < _LEFT * (1 - classes.max()):
            found[name] = right
    return found

"""Logistic regression on what documents hold, by noisy gradients of all documents.

Each step takes the gradient of every document, scaled down to a norm, and adds noise to their sum:
the same mechanism as in ``training.py``, where every unit is drawn in every step. There is one
number a feature, so noise hurts less than in a network. Steps, momentum and the norm were chosen on
a development part of imdb at epsilon 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastlstm.network.losses import loss_for, sigmoid
from fastlstm.privacy.accounting import NoisySteps

N_STEPS = 200

# Of a document's gradient, whose norm is at most the root of the number of its features.
MAX_NORM = 3.0

# What one step moves weights at most; less where noise would move them by more than _WALK in
# all steps together.
_LARGEST_STEP, _WALK = 10 / MAX_NORM, 0.1
_MOMENTUM = 0.9

# Weights are the mean over this share of the steps, the last ones.
_AVERAGED = 0.5


class Features(NamedTuple):
    """Which features documents hold, each once.

    Attributes
    ----------
    document, feature : int64 arrays, shape (n_pairs,)
        ``document`` rises.
    n_documents, n_features : int
    """

    document: np.ndarray
    feature: np.ndarray
    n_documents: int
    n_features: int


def noisy_regression(
    found: Features, target: np.ndarray, weight: np.ndarray, unit: np.ndarray, part: NoisySteps,
    stream: np.random.Generator, report: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Weights of one output's class against the rest, for all outputs.

    Parameters
    ----------
    found : Features
    target : float64 array, shape (n_documents, n_outputs)
        1 where a document is of the output's class, else 0.
    weight : float64 array, shape (n_documents,)
        Factors on the losses.
    unit : int64 array, shape (n_documents,)
        Whose each document is, from 0 on. A unit counts as the mean of its documents.
    part : NoisySteps
        How many steps, and how noisy; all units are drawn in each.
    stream : numpy.random.Generator
    report : callable or None
        Called with the share of work that is done; it may raise.

    Returns
    -------
    weights : float64 array, shape (n_outputs, n_features)
    bias : float64 array, shape (n_outputs,)
    """
    n_outputs, size = target.shape[1], np.bincount(unit)
    # The bias is a feature that all documents hold.
    length = np.sqrt(1 + np.bincount(found.document, minlength=found.n_documents))

    def gradient(weights: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # of weights beyond all bounds: left out below
            pull = weight[:, None] * (_probability(found, weights) - target)
        pull = _clipped(pull, _norms(pull) * length, MAX_NORM) / size[unit][:, None]
        return np.stack([_sums(found, column) for column in pull.T])

    start = np.zeros((n_outputs, found.n_features + 1))
    weights = _descent(
        gradient, start, _Pace(MAX_NORM, _LARGEST_STEP), len(size), part, stream, report=report
    )  # fmt: skip
    return weights[:, :-1], weights[:, -1]


class _Pace(NamedTuple):
    """The norm of a document's gradient, and what a step moves weights by, both at most."""

    norm: float
    step: float


def _descent(
    gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray, pace: _Pace, n_units: int,
    part: NoisySteps, stream: np.random.Generator, n_above_0: int = 0,
    report: Callable[[float], None] | None = None,
) -> np.ndarray:  # fmt: skip
    """The mean of the later weights of noisy steps with momentum.

    ``gradient`` gives sums over units, each of which moves them by no more than the norm. The first
    ``n_above_0`` weights do not fall below 0.
    """
    deviation = part.noise_multiplier * pace.norm
    step = min(pace.step, _WALK * n_units / (deviation * np.sqrt(part.steps)))
    n_averaged = max(1, int(_AVERAGED * part.steps))
    x, velocity, total = start, np.zeros(start.shape), np.zeros(start.shape)
    for number in range(part.steps):
        noisy = gradient(x) + deviation * stream.standard_normal(start.shape)
        velocity = _MOMENTUM * velocity + noisy / n_units
        x = x - step * (1 - _MOMENTUM) * velocity
        x[:n_above_0] = np.maximum(x[:n_above_0], 0)
        if number >= part.steps - n_averaged:
            total += x / n_averaged
        if report is not None:
            report((number + 1) / part.steps)
    return total


def _norms(rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        norms: np.ndarray = np.linalg.norm(rows, axis=1)
    return norms


def _clipped(rows: np.ndarray, norm: np.ndarray, bound: float) -> np.ndarray:
    """Rows of norms at most ``bound``; 0 for those that are not finite."""
    known = np.isfinite(norm)[:, None]
    factor = np.minimum(1, bound / np.maximum(norm, 1e-30))[:, None]
    clipped: np.ndarray = np.multiply(rows, factor, out=np.zeros_like(rows), where=known)
    return clipped


def _probability(found: Features, weights: np.ndarray) -> np.ndarray:
    logits = [
        row[-1] + np.bincount(found.document, row[found.feature], found.n_documents)
        for row in weights
    ]
    return sigmoid(np.stack(logits, axis=1))


def _sums(found: Features, pull: np.ndarray) -> np.ndarray:
    of_features = np.bincount(found.feature, pull[found.document], found.n_features)
    return np.append(of_features, pull.sum())


N_BLEND_STEPS = 100

# As those above: of a document's gradient by the shares and the bias, of steps, of noise.
_BLEND_NORM, _BLEND_STEP = 3.0, 0.3


def noisy_blend(
    logits: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray, unit: np.ndarray,
    part: NoisySteps, stream: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """How much each component counts, by noisy gradients of the cross-entropy of all documents.

    Parameters
    ----------
    logits : sequence of float arrays, shape (n_documents, n_outputs)
        Of each component. They may have been fitted on these documents: with noise, what was
        fitted on a document knows little more of it than of another one.
    y : int64 array, shape (n_documents,)
    weight : float64 array, shape (n_documents,)
    unit, part, stream
        As in ``noisy_regression``.

    Returns
    -------
    shares : float64 array, shape (n_components,)
        None is below 0.
    bias : float64 array, shape (n_outputs,)
    """
    parts = np.stack([each.astype(np.float64) for each in logits])
    n_parts, _, n_outputs = parts.shape
    loss, size = loss_for(n_outputs), np.bincount(unit)

    def gradient(x: np.ndarray) -> np.ndarray:
        z = np.einsum("p,pdo->do", x[:n_parts], parts) + x[n_parts:]
        with np.errstate(over="ignore", invalid="ignore"):
            pull = loss(z, y, weight)[1]
            own = np.concatenate([np.einsum("pdo,do->dp", parts, pull), pull], axis=1)
        own = _clipped(own, _norms(own), _BLEND_NORM) / size[unit][:, None]
        summed: np.ndarray = own.sum(axis=0)
        return summed

    start = np.concatenate([np.full(n_parts, 1 / n_parts), np.zeros(n_outputs)])
    pace = _Pace(_BLEND_NORM, _BLEND_STEP)
    x = _descent(gradient, start, pace, len(size), part, stream, n_above_0=n_parts)
    return x[:n_parts], x[n_parts:]

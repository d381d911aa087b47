"""Fitting the linear part."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning

from fastlstm.classifier.data import SoftlyLabelled
from fastlstm.classifier.linear_part import TOKENS_AT_ONCE, LinearPart, features
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.contract import Kernels
from fastlstm.text.ngrams import NGrams
from fastlstm.training.interrupts import NO_GUARD, Guard, Relay

# Tokens of the longest n-gram, documents that hold one at least, inverse strength of the
# penalty, and folds: chosen on development splits of English and Chinese reviews.
LONGEST = 3
MIN_DF = 2
PENALTY_C = 0.3
N_FOLDS = 5

# A fit is done when no margin is off by more, or after so many passes.
_TOLERANCE = 1e-4
_MAX_PASSES = 1000

# Documents whose margin is off by no more than this share of the worst are left alone,
# which saves half of the work.
_LEFT_ALONE = 0.1

# Features in one call of the kernel, so that Ctrl-C need not wait.
_FEATURES_AT_ONCE = 1 << 22


class _Side(NamedTuple):
    """One class against the rest.

    Attributes
    ----------
    target : bool array, shape (n_documents,)
    weight : float64 array, shape (n_documents,)
    """

    target: np.ndarray
    weight: np.ndarray


def fit_linear_part(
    k: Kernels, sequences: TokenSequences, n_tokens: int, y: np.ndarray, weight: np.ndarray,
    n_classes: int, *, seed: int = 0, pool: ShardPool | None = None, guard: Guard = NO_GUARD,
    report: Callable[[float], None] | None = None, others: SoftlyLabelled | None = None,
) -> tuple[LinearPart, np.ndarray]:  # fmt: skip
    """Fit the weights, and say what they would predict for documents they have not seen.

    Parameters
    ----------
    k : Kernels
    sequences : TokenSequences
    n_tokens : int
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
    n_classes : int
    seed : int
        Of the folds, and of the order of documents in the solver.
    pool : ShardPool or None
        Threads for fits side by side; the result does not depend on them.
    guard : Guard
        Asked whether to end.
    report : callable or None
        Called with the share of work that is done.
    others : (TokenSequences, float array of shape (n_others, n_outputs)), or None
        Further documents, and the probability of each output's class. They count as of
        the likelier class, the less the closer both are.

    Returns
    -------
    linear : LinearPart
    out_of_fold : float32 array, shape (n_documents, n_outputs)
        For each document the logits of weights that were fitted without it; 0 for all
        where every class has a single document.

    Warns
    -----
    ConvergenceWarning
        If a fit is not done after many passes.
    """
    n = len(y)
    if others is not None:
        sequences = TokenSequences.join([sequences, others[0]])
    ngrams = NGrams.learn(sequences, n_tokens, LONGEST)
    pool = pool or ShardPool(1)
    X = _matrix(ngrams, sequences, pool.map)
    kept = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) >= MIN_DF)
    X = X[:, kept]
    sides = _sides(y, weight, n_classes, others)
    out_of_fold = np.zeros((n, len(sides)), dtype=np.float32)
    weights = np.zeros((len(sides), len(ngrams) + n_tokens), dtype=np.float32)
    bias = np.zeros(len(sides), dtype=np.float32)
    rounds = [np.arange(0), *_folds(y, seed)]
    tasks = [(left_out, output) for left_out in rounds for output in range(len(sides))]
    relay = Relay(guard)
    done: list[bool] = []

    def fit(task: tuple[np.ndarray, int]) -> None:
        left_out, output = task
        seen = np.delete(np.arange(X.shape[0]), left_out)
        coefficients, constant, finished = _nb_lr(k, X, sides[output], seen, seed, relay)
        if len(left_out):
            out_of_fold[left_out, output] = (X @ coefficients)[left_out] + constant
        else:
            weights[output, kept], bias[output] = coefficients, constant
        done.append(finished)
        if report is not None:
            report(len(done) / len(tasks))

    pool.map(fit, tasks, relay.end)
    if not all(done):
        warnings.warn(
            f"the linear part is not exact after {_MAX_PASSES} passes; some sample_weight may be "
            "very large",
            ConvergenceWarning,
            stacklevel=2,
        )
    return LinearPart(ngrams, weights, bias), out_of_fold


def _sides(
    y: np.ndarray, weight: np.ndarray, n_classes: int, others: SoftlyLabelled | None
) -> list[_Side]:
    """What is to be told apart: one class from the other, or each from the rest."""
    sides = []
    for number, label in enumerate([1] if n_classes == 2 else range(n_classes)):
        side = _Side(y == label, weight)
        if others is not None:
            probability = others[1][:, number]
            side = _Side(
                np.concatenate([side.target, probability > 0.5]),
                np.concatenate([weight, np.abs(2 * probability - 1)]),
            )
        sides.append(side)
    return sides


def _folds(y: np.ndarray, seed: int) -> list[np.ndarray]:
    """Rows that each fold leaves out; a rare class may be missing in the rest of some."""
    n_folds = min(N_FOLDS, int(np.bincount(y).max()))
    if n_folds < 2:
        return []
    # As StratifiedKFold, which warns of rare classes: silencing that changes the process.
    _, first, labels = np.unique(y, return_index=True, return_inverse=True)
    labels = np.argsort(np.argsort(first))[labels]  # numbered by their first place
    in_order = np.sort(labels)
    rng = np.random.RandomState(seed)  # noqa: NPY002
    fold = np.empty(len(y), dtype=np.int64)
    for label in range(len(first)):
        counts = [np.count_nonzero(in_order[i::n_folds] == label) for i in range(n_folds)]
        of_label = np.repeat(np.arange(n_folds), counts)
        rng.shuffle(of_label)
        fold[labels == label] = of_label
    return [np.flatnonzero(fold == i) for i in range(n_folds)]


def _matrix(
    ngrams: NGrams, sequences: TokenSequences, map_: Callable[..., list[Any]]
) -> csr_matrix:
    """Which n-grams each document holds, as a matrix of ones."""
    runs = [part for _, part in sequences.runs(TOKENS_AT_ONCE)]
    found = map_(lambda part: features(ngrams, part), runs)
    counts = np.concatenate(
        [
            np.bincount(documents, minlength=part.n_documents)
            for (documents, _), part in zip(found, runs, strict=True)
        ]
    )
    indices = np.concatenate([ids for _, ids in found]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data = np.ones(len(indices))
    shape = (sequences.n_documents, ngrams.n_tokens + len(ngrams))
    return csr_matrix((data, indices, indptr), shape=shape)


def _nb_lr(
    k: Kernels, X: csr_matrix, side: _Side, seen: np.ndarray, seed: int, guard: Guard
) -> tuple[np.ndarray, float, bool]:
    """Logistic regression on columns times log-count ratios (docs/explanation/maths.md, (118)).

    Nothing here is added up by BLAS, whose order of terms depends on its threads.

    Parameters
    ----------
    X : csr matrix of ones
    seen : int64 array
        Documents to learn from, in order.
    guard : Guard
        Asked whether the result is still wanted.

    Returns
    -------
    coefficients : float64 array, shape (n_features,)
    constant : float
    finished : bool
        Whether the solver was done before its last pass.
    """
    seen = seen[side.weight[seen] > 0]
    weight = np.zeros(X.shape[0])
    weight[seen] = side.weight[seen]
    of_class, of_rest = weight * side.target, weight * ~side.target
    if not of_class.any() or not of_rest.any() or not X.shape[1]:
        constant = np.log((1 + of_class.sum()) / (1 + of_rest.sum()))
        return np.zeros(X.shape[1]), float(constant), True
    positive, negative = 1 + X.T @ of_class, 1 + X.T @ of_rest
    ratio = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    weights = np.zeros((X.shape[1] + 1, 2))
    weights[:-1, 1], weights[-1, 1] = ratio * ratio, 1
    norms = X @ weights[:-1, 1] + 1
    sign, cost = np.where(side.target, 1.0, -1.0), PENALTY_C * weight
    margins = np.full(len(weight), np.inf)
    indptr = X.indptr.astype(np.int64)
    rng = np.random.default_rng(seed)
    n_calls = -(-len(X.indices) // _FEATURES_AT_ONCE)
    least, worst = 0.0, np.inf
    for _ in range(_MAX_PASSES):
        worst = 0.0
        for order in np.array_split(rng.permutation(seen), n_calls):
            off = k.dual_descent(
                indptr, X.indices, order, sign, cost, norms, least, margins, weights
            )
            worst = max(worst, off)
            guard.check()
        if worst <= _TOLERANCE:
            break
        least = _LEFT_ALONE * max(min(worst, _LEFT_ALONE), _TOLERANCE)
    return weights[:-1, 0].copy(), float(weights[-1, 0]), worst <= _TOLERANCE

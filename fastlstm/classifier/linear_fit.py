"""Fitting the linear part."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from fastlstm.classifier.data import SoftlyLabelled
from fastlstm.classifier.linear_part import TOKENS_AT_ONCE, LinearPart, features
from fastlstm.core.records import TokenSequences
from fastlstm.text.ngrams import NGrams

# Tokens of the longest n-gram, documents that hold one at least, inverse strength of the
# penalty, and folds: chosen on development splits of English and Chinese reviews.
LONGEST = 3
MIN_DF = 2
PENALTY_C = 0.3
N_FOLDS = 5


def fit_linear_part(
    sequences: TokenSequences, n_tokens: int, y: np.ndarray, weight: np.ndarray, n_classes: int, *,
    seed: int = 0, report: Callable[[float], None] | None = None,
    others: SoftlyLabelled | None = None,
) -> tuple[LinearPart, np.ndarray]:  # fmt: skip
    """Fit the weights, and say what they would predict for documents they have not seen.

    Parameters
    ----------
    sequences : TokenSequences
    n_tokens : int
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
    n_classes : int
    seed : int
        Of the folds and of the solver.
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
    """
    n = len(y)
    if others is not None:
        sequences = TokenSequences.join([sequences, others[0]])
    ngrams = NGrams.learn(sequences, n_tokens, LONGEST)
    X = _matrix(ngrams, sequences)
    counted = weight > 0
    kept = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) >= MIN_DF)
    X = X[:, kept]
    n_outputs = 1 if n_classes == 2 else n_classes
    folds = _folds(y, seed)
    everything = np.arange(n)
    out_of_fold = np.zeros((len(y), n_outputs), dtype=np.float32)
    weights = np.zeros((n_outputs, len(ngrams) + n_tokens), dtype=np.float32)
    bias = np.zeros(n_outputs, dtype=np.float32)
    # One after the other: liblinear's random numbers are those of the whole process.
    rounds = [(everything, everything[:0]), *folds]
    for number, (train, test) in enumerate(rounds, start=1):
        train = train[counted[train]]
        rows = np.concatenate([train, np.arange(n, X.shape[0])])
        for output in range(n_outputs):
            target, counts = (y == (1 if n_outputs == 1 else output))[train], weight[train]
            if others is not None:
                probability = others[1][:, output]
                target = np.concatenate([target, probability > 0.5])
                counts = np.concatenate([counts, np.abs(2 * probability - 1)])
            coefficients, constant = _nb_lr(X[rows], target, counts, seed)
            if len(test):
                out_of_fold[test, output] = X[test] @ coefficients + constant
            else:
                weights[output, kept], bias[output] = coefficients, constant
        if report is not None:
            report(number / len(rounds))
    return LinearPart(ngrams, weights, bias), out_of_fold


def _folds(y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of training and test rows; a rare class may be missing in some of them."""
    n_folds = min(N_FOLDS, int(np.bincount(y).max()))
    if n_folds < 2:
        return []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y))


def _matrix(ngrams: NGrams, sequences: TokenSequences) -> csr_matrix:
    runs = [part for _, part in sequences.runs(TOKENS_AT_ONCE)]
    found = [features(ngrams, part) for part in runs]
    counts = np.concatenate(
        [
            np.bincount(documents, minlength=part.n_documents)
            for (documents, _), part in zip(found, runs, strict=True)
        ]
    )
    indices = np.concatenate([ids for _, ids in found]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data = np.ones(len(indices), dtype=np.float32)
    shape = (sequences.n_documents, ngrams.n_tokens + len(ngrams))
    return csr_matrix((data, indices, indptr), shape=shape)


def _nb_lr(
    X: csr_matrix, target: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, float]:
    """Coefficients and intercept: logistic regression on columns times log-count ratios."""
    if target.all() or not target.any() or not X.shape[1]:
        counts = 1 + weight @ target, 1 + weight @ ~target
        return np.zeros(X.shape[1]), np.log(counts[0] / counts[1])
    positive = 1 + X.T @ (weight * target)
    negative = 1 + X.T @ (weight * ~target)
    ratio = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    scaled = X.multiply(ratio[None]).tocsr()
    model = LogisticRegression(
        C=PENALTY_C, solver="liblinear", dual=True, max_iter=1000, random_state=seed
    )
    model.fit(scaled, target, sample_weight=weight)
    return model.coef_[0] * ratio, model.intercept_[0]

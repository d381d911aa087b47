"""Fitting the linear part, and how much it and the network count."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from fastlstm.core.records import TokenSequences
from fastlstm.losses import loss_for
from fastlstm.scoring import Blend
from fastlstm.text.ngrams import NGrams
from fastlstm.wide import TOKENS_AT_ONCE, WidePart, features

# Tokens of the longest n-gram, documents that hold one at least, inverse strength of the
# penalty, and folds: chosen on development splits of English and Chinese reviews.
LONGEST = 3
MIN_DF = 2
PENALTY_C = 0.3
N_FOLDS = 5

# Strength of the pull towards equal shares, as a number of documents.
_PRIOR_DOCUMENTS = 1.0


def fit_wide(sequences: TokenSequences, n_tokens: int, y, weight, n_classes: int, *, seed: int = 0):
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

    Returns
    -------
    wide : WidePart
    out_of_fold : float32 array, shape (n_documents, n_outputs)
        For each document the logits of weights that were fitted without it; 0 for all
        where a class has a single document.
    """
    ngrams = NGrams.learn(sequences, n_tokens, LONGEST)
    X = _matrix(ngrams, sequences)
    counted = weight > 0
    kept = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) >= MIN_DF)
    X = X[:, kept]
    n_outputs = 1 if n_classes == 2 else n_classes
    folds = _folds(y, seed)
    everything = np.arange(len(y))
    out_of_fold = np.zeros((len(y), n_outputs), dtype=np.float32)
    weights = np.zeros((n_outputs, len(ngrams) + n_tokens), dtype=np.float32)
    bias = np.zeros(n_outputs, dtype=np.float32)
    # One after the other: liblinear's random numbers are those of the whole process.
    for train, test in [(everything, everything[:0]), *folds]:
        train = train[counted[train]]
        for output in range(n_outputs):
            target = y == (1 if n_outputs == 1 else output)
            coefficients, constant = _nb_lr(X[train], target[train], weight[train], seed)
            if len(test):
                out_of_fold[test, output] = X[test] @ coefficients + constant
            else:
                weights[output, kept], bias[output] = coefficients, constant
    return WidePart(ngrams, weights, bias), out_of_fold


def _folds(y, seed):
    """Pairs of training and test rows, with every class in all of the training rows."""
    n_folds = min(N_FOLDS, int(np.bincount(y)[np.unique(y)].min()))
    if n_folds < 2:
        return []
    return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y))


def _matrix(ngrams, sequences):
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


def _nb_lr(X, target, weight, seed):
    """Coefficients and intercept: logistic regression on columns times log-count ratios."""
    if target.all() or not target.any() or not X.shape[1]:
        share = np.clip(np.average(target, weights=weight), 1e-6, 1 - 1e-6)
        return np.zeros(X.shape[1]), np.log(share / (1 - share))
    positive = 1 + X.T @ (weight * target)
    negative = 1 + X.T @ (weight * ~target)
    ratio = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    scaled = X.multiply(ratio[None]).tocsr()
    model = LogisticRegression(
        C=PENALTY_C, solver="liblinear", dual=True, max_iter=1000, random_state=seed
    )
    model.fit(scaled, target, sample_weight=weight)
    return model.coef_[0] * ratio, model.intercept_[0]


def fit_blend(logits, y, weight, with_bias: bool = True) -> Blend:
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
    logits = np.stack([part.astype(np.float64) for part in logits])
    n_parts, _, n_outputs = logits.shape
    loss = loss_for(n_outputs)
    weight = weight / max(float(weight.sum()), 1e-12)
    start = np.zeros(n_parts + (n_outputs if with_bias else 0))
    start[:n_parts] = 1 / n_parts
    pull = _PRIOR_DOCUMENTS / max(len(y), 1)

    def objective(x):
        z = np.tensordot(x[:n_parts], logits, axes=1)
        if with_bias:
            z = z + x[n_parts:]
        value, d_z = loss(z, y, weight)
        away = x - start
        slope = pull * away
        slope[:n_parts] += np.tensordot(logits, d_z, axes=2)
        if with_bias:
            slope[n_parts:] += d_z.sum(axis=0)
        return value + 0.5 * pull * away @ away, slope

    bounds = [(0, None)] * n_parts + [(None, None)] * (len(start) - n_parts)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    bias = found[n_parts:] if with_bias else np.zeros(n_outputs)
    return Blend(found[:n_parts], bias)

"""Cross-entropy losses: (logits, y, weight) -> (value, gradient of the logits).

Both return the weighted sum, not the mean: the caller scales the weights so
that a minibatch's sum over shards is its weighted mean (docs/explanation/maths.md,
section 11).
"""

from __future__ import annotations

import numpy as np


def binary_cross_entropy(logits, y, weight):
    """Cross-entropy of one logit a document.

    Parameters
    ----------
    logits : float array, shape (n, 1)
    y : array, shape (n,)
        0 and 1, or probabilities of class 1.
    weight : float array, shape (n,)

    Returns
    -------
    loss : float
    d_logits : float array, shape (n, 1)
    """
    z = logits[:, 0].astype(np.float64)
    e = np.exp(-np.abs(z))
    loss = np.maximum(z, 0) - z * y + np.log1p(e)  # eq. (71)
    d = weight * (_sigmoid(z, e) - y)  # eq. (72)
    return float((weight * loss).sum()), d[:, None].astype(logits.dtype)


def softmax_cross_entropy(logits, y, weight):
    """Cross-entropy of one logit a class.

    Parameters
    ----------
    logits : float array, shape (n, n_classes)
    y : int array, shape (n,), or float array, shape (n, n_classes)
        Class indices, or probabilities of the classes.
    weight : float array, shape (n,)

    Returns
    -------
    loss : float
    d_logits : float array, shape (n, n_classes)
    """
    z = logits.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)  # eq. (74)
    total = np.exp(z).sum(axis=1)
    d = np.exp(z) / total[:, None]
    if y.ndim == 2:  # the mean of eqs. (75) and (76) over the classes
        loss = np.log(total) - np.sum(y * z, axis=1)
        d -= y
    else:
        rows = np.arange(len(y))
        loss = np.log(total) - z[rows, y]  # eq. (75)
        d[rows, y] -= 1.0  # eq. (76)
    return float(np.sum(weight * loss)), (weight[:, None] * d).astype(logits.dtype)


def sigmoid(z):
    """1 / (1 + exp(-z)) without overflow or cancellation, in the dtype of ``z``."""
    return _sigmoid(z, np.exp(-np.abs(z)))


def _sigmoid(z, e):
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def probabilities(logits):
    """Class probabilities in float64, shape (n, n_classes), two columns for one logit."""
    z = np.asarray(logits, dtype=np.float64)
    if z.shape[1] == 1:
        return sigmoid(np.concatenate([-z, z], axis=1))
    z = np.exp(z - z.max(axis=1, keepdims=True))  # eqs. (74) and (75)
    return z / z.sum(axis=1, keepdims=True)


def log_probabilities(logits):
    """Their natural logarithms, without rounding small ones to minus infinity."""
    z = np.asarray(logits, dtype=np.float64)
    if z.shape[1] == 1:
        z = np.concatenate([-z, z], axis=1)
        return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))  # as in eq. (71)
    z = z - z.max(axis=1, keepdims=True)  # eq. (74)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # eq. (75)


def loss_for(n_outputs: int):
    """The loss that fits a model's number of logits."""
    return binary_cross_entropy if n_outputs == 1 else softmax_cross_entropy


def soft_targets(y, n_outputs: int):
    """Class indices as the probabilities that the loss of a model with so many logits takes."""
    return y.astype(np.float64) if n_outputs == 1 else np.eye(n_outputs)[y]


def class_of(y):
    """The class of each target, whether it is one or gives probabilities."""
    if y.ndim == 2:
        return y.argmax(axis=1)
    return y if y.dtype.kind == "i" else (y > 0.5).astype(np.int64)


def predicted_class(logits):
    """Index of the most likely class of each row of logits."""
    return (logits[:, 0] > 0).astype(np.int64) if logits.shape[1] == 1 else logits.argmax(axis=1)

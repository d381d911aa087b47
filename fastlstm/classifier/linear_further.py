"""The linear part learns from more documents, one after the other.

A document moves its own logit towards its label by what logistic regression's gradient
says, and all weights that make up the logit share the way evenly (normalised least mean
squares, with logistic loss). There is no state beside the weights: a model that was saved
goes on as one that was not. Chosen on development splits of English and Chinese reviews,
of which a third was fitted and the rest came as a stream: with steps of 1 the loss on other
documents falls, and one pass over as many documents with changed labels turns most answers.
"""

from __future__ import annotations

import numpy as np

from fastlstm.classifier.linear_part import TOKENS_AT_ONCE, LinearPart, features
from fastlstm.core.records import TokenSequences
from fastlstm.core.versions import Version
from fastlstm.network.losses import sigmoid

# A document's step, as a factor on what is missing from its probability. From 4 on, one over
# the steepest slope of the logistic function, it might come out beyond its aim.
_STEP, _LARGEST_STEP = 1.0, 4.0


def learn_further(
    linear: LinearPart, sequences: TokenSequences, y: np.ndarray, weight: np.ndarray,
    version: Version | None = None,
) -> tuple[LinearPart, Version]:  # fmt: skip
    """The linear part after documents in their order.

    Parameters
    ----------
    linear : LinearPart
        Not changed.
    sequences : TokenSequences
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
        Factors on the steps, relative to their mean.
    version : Version or None
        Of the weights in one row, from the call that made ``linear``.

    Returns
    -------
    linear : LinearPart
        A document without known n-grams changes nothing.
    version : Version
        For the next call.
    """
    n_outputs, n_ids = linear.weights.shape
    version = version or Version(linear.weights.reshape(-1))
    draft = version.draft()
    weights, bias = draft.array.reshape(n_outputs, n_ids), linear.bias.copy()
    steps = np.minimum(_STEP * weight / (weight.mean() or 1.0), _LARGEST_STEP)
    outputs = np.arange(n_outputs) if n_outputs > 1 else np.ones(1)
    changed = [np.zeros(0, dtype=np.int64)]
    for first, part in sequences.runs(TOKENS_AT_ONCE):
        documents, ids = features(linear.ngrams, part)
        ends = np.searchsorted(documents, np.arange(part.n_documents + 1))
        for row, (begin, end) in enumerate(zip(ends[:-1], ends[1:], strict=True), start=first):
            if begin == end:
                continue
            found = ids[begin:end]
            logits = bias + weights[:, found].sum(axis=1, dtype=np.float64)
            missing = (y[row] == outputs) - sigmoid(logits)
            move = (steps[row] * missing / (len(found) + 1)).astype(np.float32)
            weights[:, found] += move[:, None]
            bias += move
        changed.append(np.unique(ids))
    rows = np.unique(np.concatenate(changed))
    rows = (np.arange(n_outputs)[:, None] * n_ids + rows).reshape(-1)
    return LinearPart(linear.ngrams, weights, bias), version.then(draft, rows)

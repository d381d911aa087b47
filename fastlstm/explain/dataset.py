"""Explanations of many documents together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Word(NamedTuple):
    """What a token did in a set of documents.

    ``total`` is the sum of its contributions, in logits, ``mean`` that over its places,
    ``documents`` how many hold it.
    """

    token: str
    total: float
    mean: float
    documents: int


def moving_words(explanations, target, n: int = 20, min_documents: int = 2) -> list[Word]:
    """The tokens that moved a class most over a set of documents.

    Parameters
    ----------
    explanations : list of Explanation
    target : label
        The class.
    n : int
        Tokens that speak for it at most, and as many that speak against it.
    min_documents : int
        Documents that hold a token at least; what occurs once tells little.

    Returns
    -------
    list of Word
        From the most for the class to the most against it.

    Raises
    ------
    ValueError
        If an explanation is not of that class.
    """
    totals: dict[str, list] = {}  # token -> sum, places, documents
    for explanation in explanations:
        values = explanation.contributions[:, explanation.column(target)]
        seen = set()
        for token, value in zip(explanation.tokens, values.tolist(), strict=True):
            entry = totals.setdefault(token, [0.0, 0, 0])
            entry[0] += value
            entry[1] += 1
            entry[2] += token not in seen
            seen.add(token)
    words = [
        Word(token, total, total / places, documents)
        for token, (total, places, documents) in totals.items()
        if documents >= min_documents
    ]
    words.sort(key=lambda word: (-word.total, word.token))
    return [w for w in words if w.total > 0][:n] + [w for w in words if w.total < 0][-n:]


class ConfidentError(NamedTuple):
    """A document that the model was sure of and wrong about.

    ``row`` is its place among those given, ``label`` its true class.
    """

    row: int
    label: object
    explanation: object


def confident_errors(clf, X, y, n: int = 10, method="integrated_gradients") -> list[ConfidentError]:
    """The wrong predictions with the highest probability, each with its reasons.

    Parameters
    ----------
    clf : LSTMSentimentClassifier
        Fitted.
    X : documents
    y : array-like, shape (n_documents,)
    n : int
        Errors at most.
    method : str
        As in ``LSTMSentimentClassifier.explain``.
    """
    documents, y = list(X), np.asarray(y)
    chances = clf.predict_proba(documents)
    best = chances.argmax(axis=1)
    wrong = np.flatnonzero(clf.classes_[best] != y)
    order = wrong[np.argsort(-chances[wrong, best[wrong]], kind="stable")][:n]
    found = clf.explain([documents[row] for row in order], method=method) if len(order) else []
    return [
        ConfidentError(int(row), y[row], explanation)
        for row, explanation in zip(order, found, strict=True)
    ]

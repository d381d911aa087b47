"""Explanations of many documents together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.shown import ShownList
from fastlstm.explain.documents import PREDICTED, explain_documents, reading_of
from fastlstm.explain.html import fragments
from fastlstm.explain.records import Explanation
from fastlstm.network.losses import probabilities
from fastlstm.text.containers import FROM_0, plain_value, read_column


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
        If an explanation is not of that class, or ``n`` is less than 1.
    """
    if n < 1:
        raise ValueError(f"n={n} is less than 1; pass the number of tokens.")
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
    explanation: Explanation

    def _repr_html_(self) -> str:
        return fragments([self.explanation], [self.heading])

    @property
    def heading(self) -> str:
        """Where it stands and what it is."""
        return f"Row {self.row}: {self.label}"


class ConfidentErrors(ShownList[ConfidentError]):
    """A list of errors that a notebook shows as texts with coloured tokens."""

    def _html_of(self, first: list[ConfidentError]) -> str:
        return fragments([e.explanation for e in first], [e.heading for e in first])


def confident_errors(
    clf, X, y, n: int = 10, method="integrated_gradients", *, X_side=None
) -> ConfidentErrors:
    """The wrong predictions with the highest probability, each with its reasons.

    Parameters
    ----------
    clf : LSTMSentimentClassifier or Predictor
        Fitted.
    X : documents
    y : array-like, shape (n_documents,)
        Labels among the model's classes.
    n : int
        Errors at most.
    method : str
        As in ``LSTMSentimentClassifier.explain``. The class that was predicted is explained.
    X_side : 2-D array of numbers or None
        Vectors beside the texts, of a model that was fitted with such.

    Returns
    -------
    errors : list of ConfidentError
        The surest first. In a notebook it shows itself.

    Raises
    ------
    ValueError
        If ``X`` and ``y`` differ in length, or a label is none of the classes.
    """
    scorer, documents, n_threads = reading_of(clf, X, X_side)
    model, texts = scorer.model, documents.texts
    true = _indices(y, model.classes, len(texts))
    encoded = documents.of(model.text_encoder.encode(texts))
    chances = probabilities(scorer.logits(encoded, n_threads))
    best = chances.argmax(axis=1)
    wrong = np.flatnonzero(best != true)
    order = wrong[np.argsort(-chances[wrong, best[wrong]], kind="stable")][:n]
    some = documents.take(order)
    found = explain_documents(scorer, some, method, PREDICTED, n_threads) if len(order) else []
    return ConfidentErrors(
        ConfidentError(int(row), model.classes[true[row]], explanation)
        for row, explanation in zip(order, found, strict=True)
    )


def _indices(y, classes, n: int) -> np.ndarray:
    """Place of each label among the classes."""
    values = read_column(y, "y", "labels")
    members = values if isinstance(values, list) else values.ravel().tolist()
    labels = [plain_value(label) for label in members]
    if len(labels) != n:
        raise ValueError(f"y has {len(labels)} labels and X {n} documents; pass one for each.")
    index = {label: number for number, label in enumerate(classes.tolist())}
    for row, label in enumerate(labels):
        if label not in index:
            raise ValueError(
                f"y has label {label!r} in row {row}, which is not among the model's classes "
                f"{classes.tolist()}; leave the document out or mend its label. {FROM_0}"
            )
    return np.array([index[label] for label in labels])

"""An attack on a fit of one's own: which planted documents can be told from the model?

Documents without sense, each with a label by chance (canaries), are added to the training data by
the toss of a coin. Whoever sees the model then guesses, by the probability that it gives to each
canary's label, which ones it was trained on. Right guesses refute promises: Steinke et al. 2023.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID
from fastlstm.privacy.bounds import epsilon_at_least

# Shares of the canaries that somebody guesses about. The confidence is shared out among them.
_GUESSED = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# Tokens of a canary and of a secret; tokens that a secret's places are filled with.
_LENGTH, _SECRET_LENGTH, _ALPHABET = 12, 4, 20

# A secret is looked for among so many of its kind.
_ALTERNATIVES = 1000

# Where nothing is promised.
_DELTA = 1e-5

# Documents that are held out, to compare with those that were trained on.
_HELD_OUT = 0.1


class Audit(NamedTuple):
    """What an attack found.

    Attributes
    ----------
    epsilon : float
        The fit does not promise less than this; 0 where nothing is refuted.
    delta, confidence : float
        Of that bound.
    promised : float or None
        What the fit promised, which must be above ``epsilon``; None where it did not, or its
        noise can be repeated.
    n_canaries, n_guesses, n_correct : int
        Of the guesses that gave the bound.
    membership : float
        How often a document that was trained on has a more probable label than one that was
        held out: the area under the ROC curve; 0.5 tells nothing.
    exposure : float64 array, shape (n_secrets,)
        Of each planted secret: bits by which the model makes it easier to guess (Carlini et al.
        2019, "The secret sharer").
    largest_exposure : float
        Bits of a secret that the model tells as a whole.
    estimator : estimator
        The fitted model that was attacked. It has seen the canaries.
    """

    epsilon: float
    delta: float
    confidence: float
    promised: float | None
    n_canaries: int
    n_guesses: int
    n_correct: int
    membership: float
    exposure: np.ndarray
    largest_exposure: float
    estimator: Any

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against what was promised; True where nothing was."""
        return self.promised is None or self.epsilon <= self.promised


def audit(
    estimator, X, y, *, n_canaries: int | None = None, n_secrets: int = 10,
    delta: float | None = None, confidence: float = 0.95, random_state: int | None = None,
) -> Audit:  # fmt: skip
    """Attack a fit of an estimator.

    Parameters
    ----------
    estimator : LSTMSentimentClassifier or LSTMClassifier
        A clone of it is fitted. ``privacy`` may make a promise; an array ``unit`` gets a unit
        of its own for each canary.
    X : list of str, or int array, shape (n_documents, n_tokens)
        Texts, or token ids.
    y : array-like, shape (n_documents,)
    n_canaries : int or None
        None is a tenth of the documents, and 1,000 at most. More show smaller leaks.
    n_secrets : int
    delta : float or None
        Of the bound. None is that of the promise or, where there is none, 1e-5.
    confidence : float in (0, 1)
    random_state : int or None
        Of what is planted. The estimator has its own.

    Returns
    -------
    Audit

    Raises
    ------
    ValueError
        If there are too few documents, or they are of another kind.
    """
    rng = np.random.default_rng(random_state)
    source, labels = _Source.of(X), np.asarray(y)
    n_canaries = _checked(len(source.documents), labels, n_canaries, n_secrets)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be a number between 0 and 1, got {confidence!r}")
    if estimator.privacy is not None:
        estimator.privacy.units_of(len(labels))
    held_out, train = np.split(rng.permutation(len(labels)), [int(_HELD_OUT * len(labels))])
    classes = np.unique(labels[train])
    canaries = source.random(n_canaries, _LENGTH, rng)
    of_canaries, given = rng.choice(classes, n_canaries), rng.random(n_canaries) < 0.5
    secrets, others = _secrets(source, n_secrets, rng)
    of_secrets = rng.choice(classes, n_secrets)
    documents = source.join([
        source.take(train), source.take(np.flatnonzero(given), canaries), secrets,
    ])  # fmt: skip
    targets = np.concatenate([labels[train], of_canaries[given], of_secrets])
    fitted = _unfitted(estimator, train, len(targets)).fit(documents, targets)

    record = fitted.privacy_
    promised = None if record is None or record.repeatable else record.epsilon
    if delta is None:
        delta = _DELTA if record is None else record.delta
    bound = _best_bound(_scores(fitted, canaries, of_canaries), given, delta, confidence)
    member = _scores(fitted, source.take(train), labels[train])
    known = held_out[np.isin(labels[held_out], classes)]
    stranger = _scores(fitted, source.take(known), labels[known])
    of_kind = _log_probabilities(fitted, others)
    columns = np.searchsorted(fitted.classes_, of_secrets)
    of_columns, own = of_kind[:, columns], _scores(fitted, secrets, of_secrets)
    # Others that are alike count by half: where nothing tells them apart, nothing is told.
    rank = 1 + np.mean([of_columns > own, of_columns >= own], axis=0).sum(axis=0)
    return Audit(
        bound.epsilon, delta, confidence, promised, n_canaries,
        bound.guesses, bound.correct, _area(member, stranger),
        np.log2(_ALTERNATIVES) - np.log2(rank), float(np.log2(_ALTERNATIVES)), fitted,
    )  # fmt: skip


def _checked(n: int, labels: np.ndarray, n_canaries: int | None, n_secrets: int) -> int:
    """The number of canaries, once all numbers are in order."""
    if labels.shape != (n,):
        raise ValueError(f"X has {n} documents and y has the shape {labels.shape}.")
    if n < 2 / _HELD_OUT:
        raise ValueError(f"an audit needs {2 / _HELD_OUT:.0f} documents or more, got {n}.")
    found = max(1, min(1000, n // 10)) if n_canaries is None else n_canaries
    for name, value in (("n_canaries", found), ("n_secrets", n_secrets)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
    return int(found)


class _Source(NamedTuple):
    """Documents, and what others are made of.

    Attributes
    ----------
    documents : list of str, or int array, shape (n_documents, n_tokens)
    words : array of str or int
        Distinct, and as often as they occur: the rare ones and the frequent ones.
    glue : str
        Between the words of a text.
    """

    documents: Any
    words: tuple[np.ndarray, np.ndarray]
    glue: str = " "

    @classmethod
    def of(cls, X) -> _Source:
        if isinstance(X, np.ndarray) and X.ndim == 2 and np.issubdtype(X.dtype, np.integer):
            ids = X[X > UNK_ID]
            return cls(X, (np.unique(ids), ids))._with_words()
        texts = list(X)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(
                "an audit takes texts, a list of str, or token ids, an int array of shape "
                "(n_documents, n_tokens)."
            )
        spaced = sum(" " in text for text in texts) >= len(texts) / 2
        words = np.array([word for text in texts for word in (text.split() if spaced else text)])
        return cls(texts, (np.unique(words), words), " " if spaced else "")._with_words()

    def _with_words(self) -> _Source:
        if not len(self.words[0]):
            raise ValueError("an audit plants documents of the words of others, and X has none.")
        return self

    @property
    def longest(self) -> int:
        """Tokens that a document may have."""
        return _LENGTH if isinstance(self.documents, list) else self.documents.shape[1]

    def random(self, count: int, length: int, rng: np.random.Generator) -> Any:
        """Documents without sense: half of their words are any, half are frequent."""
        rare, frequent = (rng.choice(words, (count, length)) for words in self.words)
        return self.made(np.where(rng.random((count, length)) < 0.5, rare, frequent))

    def made(self, words: np.ndarray) -> Any:
        """Documents of the words in each row."""
        if isinstance(self.documents, list):
            return [self.glue.join(row) for row in words]
        ids = np.zeros((len(words), self.documents.shape[1]), dtype=self.documents.dtype)
        length = min(words.shape[1], ids.shape[1])
        ids[:, :length] = words[:, :length]
        return ids

    def take(self, rows: np.ndarray, documents: Any = None) -> Any:
        """Some of the documents, or of others of their kind."""
        documents = self.documents if documents is None else documents
        return [documents[i] for i in rows] if isinstance(documents, list) else documents[rows]

    def join(self, parts: list[Any]) -> Any:
        if isinstance(self.documents, list):
            return [text for part in parts for text in part]
        return np.concatenate(parts)


def _secrets(source: _Source, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Documents that differ from each other in a few words alone; and others of that kind."""
    length = min(_LENGTH, source.longest)
    of_secret, n = min(_SECRET_LENGTH, length), count + _ALTERNATIVES - 1
    frame = rng.choice(source.words[1], length - of_secret)
    alphabet = rng.choice(source.words[0], _ALPHABET)
    words = np.concatenate([
        np.broadcast_to(frame, (n, len(frame))), rng.choice(alphabet, (n, of_secret)),
    ], axis=1)  # fmt: skip
    return source.made(words[:count]), source.made(words[count:])


def _unfitted(estimator, train: np.ndarray, n: int):
    """An estimator with its parameters, whose promise is to units of ``train``, and of others."""
    estimator = type(estimator)(**estimator.get_params(deep=False))
    privacy = estimator.privacy
    if privacy is None or isinstance(privacy.unit, str):
        return estimator
    of_train = np.unique(np.asarray(privacy.unit), return_inverse=True)[1][train]
    planted = of_train.max() + 1 + np.arange(n - len(train))
    return estimator.set_params(privacy=replace(privacy, unit=np.append(of_train, planted)))


def _log_probabilities(fitted, documents) -> np.ndarray:
    found: np.ndarray = np.log(np.maximum(fitted.predict_proba(documents), 1e-300))
    return found


def _scores(fitted, documents, labels) -> np.ndarray:
    """How probable the label of each document is to the model, as a logarithm."""
    columns = np.searchsorted(fitted.classes_, labels)
    found: np.ndarray = _log_probabilities(fitted, documents)[np.arange(len(columns)), columns]
    return found


class _Bound(NamedTuple):
    epsilon: float
    guesses: int
    correct: int


def _best_bound(
    score: np.ndarray, given: np.ndarray, delta: float, confidence: float
) -> _Bound:  # fmt: skip
    """The best of some ways to guess: the highest scores were given, the lowest were not."""
    order, n = np.argsort(-score, kind="stable"), len(score)
    bounds = []
    for share in _GUESSED:
        half = int(share * n / 2)
        correct = int(np.sum(given[order[:half]]) + np.sum(~given[order[n - half :]]))
        # All ways together are wrong no more often than is said.
        each = 1 - (1 - confidence) / len(_GUESSED)
        found = epsilon_at_least(n, 2 * half, correct, delta, each)
        bounds.append(_Bound(found, 2 * half, correct))
    return max(bounds)


def _area(member: np.ndarray, stranger: np.ndarray) -> float:
    """The chance that a member scores higher, ties counted by half."""
    ordered = np.sort(stranger)
    below = np.searchsorted(ordered, member, side="left")
    not_above = np.searchsorted(ordered, member, side="right")
    return float(np.mean((below + not_above) / 2) / max(1, len(stranger)))

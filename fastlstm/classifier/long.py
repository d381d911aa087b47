"""Prediction for a text of any length, which is read piece by piece.

Token ids go to a temporary file, four bytes each, since networks read a text from both ends.
Otherwise memory does not grow with the text, but for the states of one step in some thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from fastlstm.classifier.fitted import FittedModel, Scorer, mean_logits
from fastlstm.classifier.linear_part import LinearPart, features
from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.core.threads import effective_n_jobs
from fastlstm.network.long import LONG
from fastlstm.network.losses import predicted_class, probabilities
from fastlstm.network.predict import prior_logits
from fastlstm.text.encoder import head_length
from fastlstm.text.pieces import pieces, texts_of

# Bytes of token ids that stay in memory.
_IN_MEMORY = 1 << 22


class LongPrediction(NamedTuple):
    """What a model says of one long text.

    Attributes
    ----------
    label : label
        The most likely class.
    probabilities : float64 array, shape (n_classes,)
    logits : float64 array, shape (n_outputs,)
    n_tokens : int
    n_read : int
        Tokens that the networks read: ``max_length`` at most.
    coverage : float
        Share of the tokens that the model knows; 0 without a token.
    """

    label: Any
    probabilities: np.ndarray
    logits: np.ndarray
    n_tokens: int
    n_read: int
    coverage: float


class _Ids:
    """Ids of all tokens in a temporary file, as the networks read them: ``long.Tokens``."""

    def __init__(self, model: FittedModel, file: Any) -> None:
        self.encoder, self.ngrams = model.text_encoder, model.ngrams
        self.file, self.n_tokens, self._lock = file, 0, Lock()

    def append(self, ids: np.ndarray) -> None:
        self.file.write(ids.astype(np.int32).tobytes())
        self.n_tokens += len(ids)

    def _stored(self, first: int, last: int) -> np.ndarray:
        with self._lock:  # threads read windows side by side
            self.file.seek(4 * first)
            stored = self.file.read(4 * (last - first))
        ids: np.ndarray = np.frombuffer(stored, dtype=np.int32)
        return ids

    def ends(self, n_head: int, n_tail: int) -> TokenSequences:
        """The first tokens and the last, as one document."""
        tail = self._stored(self.n_tokens - n_tail, self.n_tokens)
        return self._known(np.concatenate([self._stored(0, n_head), tail]))

    def read(self, first: int, last: int) -> TokenSequences:
        """See ``long.Tokens``: n-grams that end in a window may begin before it."""
        begin = max(0, first - self.ngrams.longest_length + 1)
        found = self.ngrams.longest(self._known(self._stored(begin, last))).ids
        own = np.ascontiguousarray(found[first - begin :])
        return TokenSequences(own, np.array([0, last - first]))

    def _known(self, ids: np.ndarray) -> TokenSequences:
        known = np.where(ids < self.encoder.n_known, ids, UNK_ID).astype(np.int32)
        return TokenSequences(known, np.array([0, len(known)]))


class _Features:
    """Which features of the linear part a text holds."""

    def __init__(self, linear: LinearPart):
        self.linear = linear
        self.seen = np.zeros(linear.weights.shape[1], dtype=bool)
        self._before = np.empty(0, dtype=np.int32)

    def add(self, ids: np.ndarray) -> None:
        """The next tokens; n-grams may have begun among those before."""
        both = np.concatenate([self._before, ids.astype(np.int32)])
        _, found = features(self.linear.ngrams, TokenSequences(both, np.array([0, len(both)])))
        self.seen[found] = True
        n = self.linear.ngrams.longest_length - 1
        self._before = both[max(0, len(both) - n) :] if n else both[:0]

    def logits(self) -> np.ndarray:
        ids = np.flatnonzero(self.seen)
        return self.linear.sums(np.zeros(len(ids), dtype=np.int64), ids, 1)


def predict_long(
    scorer: Scorer, texts: Iterable[str], n_threads: int = 1,
    report: Callable[[int], None] | None = None,
) -> LongPrediction:  # fmt: skip
    """What a model of texts says of one text.

    Parameters
    ----------
    scorer : Scorer
    texts : iterable of str
        Joined as they are.
    n_threads : int
    report : callable or None
        Called with the number of tokens, whenever some more were read from ``texts``.

    Raises
    ------
    ValueError
        If the model reads something beside texts.
    """
    model = scorer.model
    if model.config.n_side:
        raise ValueError(
            "the model reads columns beside the text, and a long text comes alone. Pass it to "
            "predict_proba, as a row with its columns."
        )
    encoder, linear = model.text_encoder, model.linear
    found = None if linear is None else _Features(linear)
    n_known = 0
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        tokens = _Ids(model, file)
        for piece in pieces(texts):
            ids = encoder.read([piece]).ids
            tokens.append(ids)
            n_known += int(np.count_nonzero(ids != UNK_ID))
            if found is not None:
                found.add(ids)
            if report is not None:
                report(tokens.n_tokens)
        if not tokens.n_tokens:
            logits, n_read = prior_logits(model.class_prior).astype(np.float64)[None], 0
        else:
            of_networks, n_read = _of_networks(scorer, tokens, n_threads)
            parts = [of_networks] if found is None else [of_networks, found.logits()]
            logits = model.blend(parts)
    return LongPrediction(
        model.classes[predicted_class(logits)[0]], probabilities(logits)[0], logits[0],
        tokens.n_tokens, n_read, n_known / max(1, tokens.n_tokens),
    )  # fmt: skip


def _of_networks(scorer: Scorer, tokens: _Ids, n_threads: int) -> tuple[np.ndarray, int]:
    """Mean of the networks' logits, and how many tokens they read."""
    model, options = scorer.model, scorer.model.text_encoder.options
    n, most = tokens.n_tokens, options.most_tokens
    n_read = n if most is None else min(n, most)
    if n_read > LONG and n_read == n:
        logits = [network.logits_of_long(tokens, n_threads) for network in scorer.networks]
        return sum(logits[1:], start=logits[0]) / len(logits), n_read
    n_head = n if n_read == n else head_length(n_read, options.truncation)
    sequences = model.ngrams.longest(tokens.ends(n_head, n_read - n_head))
    return mean_logits(scorer.networks, sequences, model.class_prior, n_threads), n_read


class ReadsLongTexts:
    """A fitted model of texts that predicts one of any length."""

    scorer_: Scorer
    n_jobs: int | None

    def predict_long(
        self, source: Any, report: Callable[[int], None] | None = None
    ) -> LongPrediction:
        """Predict one text of any length without holding it in memory.

        The answer is that of ``predict_proba`` for the whole text, up to what
        ``docs/how-to/long_texts.md`` says of very long markup, and unless a callable tokenizer
        looks beyond spaces: it is called for each piece.
        Token ids go to a temporary file, four bytes each.

        Parameters
        ----------
        source : path, text file object, or iterable of str
            A file in UTF-8, an open file, or texts, which are joined as they are.
        report : callable or None
            Called with the number of tokens, whenever some more were read.

        Returns
        -------
        LongPrediction

        Raises
        ------
        TypeError
            If ``source`` is something else.
        OSError, ValueError
            If the file cannot be read or is not UTF-8.
        ValueError
            If the model reads columns beside the text.
        """
        scorer = self._scorer_of_texts()
        return predict_long(scorer, texts_of(source), effective_n_jobs(self.n_jobs), report)

    def _scorer_of_texts(self) -> Scorer:
        return self.scorer_

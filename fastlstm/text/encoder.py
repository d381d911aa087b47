"""Documents to token ids: the vocabulary is learned, then applied."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.text.tokenize import get_tokenizer
from fastlstm.text.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
    document_counts,
    select_words,
)

TRUNCATIONS = ("head", "tail", "head_tail")

PARAMETERS = ("tokenizer", "lowercase", "max_features", "min_df", "max_length", "truncation")

_STATE_KEYS = {*PARAMETERS, "tokens", "n_known"}


def truncate(sequences: TokenSequences, max_length: int | None, truncation: str) -> TokenSequences:
    """Shorten the documents that are longer than `max_length` tokens.

    Parameters
    ----------
    sequences : TokenSequences
    max_length : int or None
        None leaves every document as it is.
    truncation : {"head", "tail", "head_tail"}
        Which tokens stay: the first, the last, or the first ``max_length // 4`` and
        for the rest the last.

    Returns
    -------
    TokenSequences
    """
    if max_length is None or sequences.lengths.max(initial=0) <= max_length:
        return sequences
    places, offsets = _places(sequences, max_length, truncation)
    return TokenSequences(sequences.ids[places], offsets)


def _places(sequences: TokenSequences, max_length: int, truncation: str):
    """Which tokens stay, and where each document's begin among them."""
    lengths = sequences.lengths
    kept = np.minimum(lengths, max_length)
    offsets = np.zeros(len(kept) + 1, dtype=np.int64)
    np.cumsum(kept, out=offsets[1:])
    n_head = {"head": max_length, "tail": 0, "head_tail": max_length // 4}[truncation]
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept)
    # Behind the head the tokens that were cut out are skipped.
    places = within + np.repeat(sequences.offsets[:-1], kept)
    places += np.where(within >= n_head, np.repeat(lengths - kept, kept), 0)
    return places, offsets


class TextEncoder:
    """Learns a vocabulary and turns documents into token ids.

    ``fit`` and ``transform`` give documents as the network reads them: cut to
    `max_length`, and of `max_features` tokens. ``fit_whole`` and ``read`` give whole
    documents, with ids for further tokens behind those; ``shorten`` turns these into
    the former.

    Parameters
    ----------
    tokenizer : {"auto", "word", "char", "jieba"} or callable, default="auto"
        See `fastlstm.text.tokenize.get_tokenizer`.
    lowercase : bool, default=True
    max_features : int or None, default=None
        Greatest number of tokens in the vocabulary, the specials not counted; the
        most frequent are kept.
    min_df : int or float, default=1
        Least number of documents that hold a token of the vocabulary; a float
        between 0 and 1 is a share of the documents.
    max_length : int or None, default=None
        Greatest number of tokens of a document; longer ones are cut.
    truncation : {"head", "tail", "head_tail"}, default="head_tail"
        Which tokens of a long document stay, see `truncate`.

    Attributes
    ----------
    vocabulary_ : Vocabulary
    n_known_ : int
        Ids below it are tokens that the network knows.
    n_truncated_ : int
        Documents that were cut in the last call of `fit` or `transform`.
    tokens_lost_ : int
        Tokens that were cut off in that call.

    Raises
    ------
    ValueError, TypeError
        A parameter is out of its range or of a wrong type.
    """

    def __init__(
        self,
        tokenizer: str | Callable[[str], list[str]] = "auto",
        lowercase: bool = True,
        max_features: int | None = None,
        min_df: int | float = 1,
        max_length: int | None = None,
        truncation: str = "head_tail",
    ) -> None:
        self.tokenizer = tokenizer
        self.lowercase = bool(lowercase)
        self.max_features = _check_count("max_features", max_features)
        self.min_df = _check_min_df(min_df)
        self.max_length = _check_count("max_length", max_length)
        if truncation not in TRUNCATIONS:
            names = ", ".join(map(repr, TRUNCATIONS))
            raise ValueError(f"truncation must be one of {names}, got {truncation!r}")
        self.truncation = truncation
        self._tokenize = get_tokenizer(tokenizer, self.lowercase)

    def fit(self, texts: Sequence[str]) -> TokenSequences:
        """Learn the vocabulary and encode the documents it was learned from.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        TokenSequences
            The same as ``transform(texts)``, but each document is read only once.

        Raises
        ------
        ValueError
            No token occurs in `min_df` documents.
        """
        return self.shorten(self._learn(texts, further_min_df=None))

    def fit_whole(self, texts: Sequence[str], further_min_df: int = 2) -> TokenSequences:
        """Learn further tokens, too, and encode the documents whole.

        Parameters
        ----------
        texts : sequence of str
        further_min_df : int
            Documents that hold such a token, at least.

        Returns
        -------
        TokenSequences
            The same as ``read(texts)``.

        Raises
        ------
        ValueError
            As `fit`.
        """
        return self._learn(texts, further_min_df)

    def _learn(self, texts, further_min_df) -> TokenSequences:
        # A token that is met for the first time takes the next id.
        provisional: defaultdict[str, int] = defaultdict()
        provisional.default_factory = provisional.__len__
        whole = self._read(texts, lambda tokens: map(provisional.__getitem__, tokens))
        # Words that are only cut off are unknown to the network: nothing would train them.
        cut = truncate(whole, self.max_length, self.truncation)
        words = list(provisional)
        counts = np.bincount(cut.ids, minlength=len(words))
        # A token that occurs at all occurs in one document.
        needs_documents = self.min_df != 1 or not isinstance(self.min_df, Integral)
        kept = select_words(
            words,
            counts,
            document_counts(cut, len(words)) if needs_documents else counts,
            n_documents=len(texts),
            min_df=self.min_df,
            max_features=self.max_features,
        )
        self.n_known_ = len(SPECIAL_TOKENS) + len(kept)
        if further_min_df is not None:
            kept = np.concatenate([kept, _further(words, whole, kept, further_min_df)])
        self.vocabulary_ = Vocabulary([words[index] for index in kept])
        final = np.full(len(words), UNK_ID, dtype=np.int32)
        final[kept] = np.arange(len(SPECIAL_TOKENS), len(self.vocabulary_))
        return TokenSequences(final[whole.ids], whole.offsets)

    def transform(self, texts: Sequence[str]) -> TokenSequences:
        """Encode documents with the vocabulary that `fit` learned.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        TokenSequences
            Tokens that are not in the vocabulary have the id 1.

        Raises
        ------
        RuntimeError
            `fit` was not called.
        """
        return self.shorten(self.read(texts))

    def read(self, texts: Sequence[str]) -> TokenSequences:
        """Encode documents whole, with all ids.

        Raises
        ------
        RuntimeError
            `fit` was not called.
        """
        return self._read(texts, self._fitted_vocabulary().lookup)

    def shorten(self, whole: TokenSequences) -> TokenSequences:
        """Whole documents as the network reads them."""
        cut = truncate(whole, self.max_length, self.truncation)
        self.n_truncated_ = int(np.count_nonzero(cut.lengths < whole.lengths))
        self.tokens_lost_ = len(whole.ids) - len(cut.ids)
        if self.n_known_ < len(self.vocabulary_):
            cut = cut._replace(ids=np.where(cut.ids < self.n_known_, cut.ids, UNK_ID))
        return cut

    def places_read(self, whole: TokenSequences) -> np.ndarray:
        """Positions in ``whole.ids`` of the tokens that ``shorten`` keeps, int64, rising."""
        if self.max_length is None:
            return np.arange(len(whole.ids))
        return _places(whole, self.max_length, self.truncation)[0]

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a document, all of them."""
        return self._tokenize(text)

    def state(self) -> dict:
        """Parameters and vocabulary as a dict that JSON can hold.

        Raises
        ------
        ValueError
            The tokenizer is a callable.
        RuntimeError
            `fit` was not called.
        """
        if not isinstance(self.tokenizer, str):
            raise ValueError(
                "a callable tokenizer cannot be stored in a model file; use tokenizer='auto', "
                "'word', 'char' or 'jieba', or split the documents yourself and pass "
                "token ids to LSTMClassifier"
            )
        parameters = {name: getattr(self, name) for name in PARAMETERS}
        tokens = list(self._fitted_vocabulary().tokens)
        return {**parameters, "tokens": tokens, "n_known": self.n_known_}

    @classmethod
    def from_state(cls, state: dict) -> TextEncoder:
        """An encoder from what `state` returned.

        Raises
        ------
        ValueError, TypeError
            A key is missing or unknown, or a value is out of its range.
        ImportError
            The tokenizer is "jieba" and ``rjieba`` is not installed.
        """
        if set(state) != _STATE_KEYS:
            different = ", ".join(sorted(map(str, set(state) ^ _STATE_KEYS)))
            raise ValueError(f"the encoder's state has missing or unknown keys: {different}")
        if not isinstance(state["tokenizer"], str) or not isinstance(state["tokens"], list):
            raise ValueError("the encoder's state must name its tokenizer and list its tokens")
        encoder = cls(**{name: state[name] for name in PARAMETERS})
        encoder.vocabulary_ = Vocabulary.from_tokens(state["tokens"])
        n_known = state["n_known"]
        if type(n_known) is not int or not len(SPECIAL_TOKENS) <= n_known <= len(state["tokens"]):
            raise ValueError(
                f"the encoder's state has n_known={n_known!r}, which is no such number"
            )
        encoder.n_known_ = n_known
        return encoder

    def _fitted_vocabulary(self) -> Vocabulary:
        if not hasattr(self, "vocabulary_"):
            raise RuntimeError("this TextEncoder has no vocabulary yet; call fit first")
        return self.vocabulary_

    def _read(
        self, texts: Sequence[str], lookup: Callable[[list[str]], Iterable[int]]
    ) -> TokenSequences:
        # Tokens become ids at once; strings would take many times the memory.
        ids = array("i")
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        for row, text in enumerate(texts, 1):
            ids.extend(lookup(self._tokenize(text)))
            offsets[row] = len(ids)
        return TokenSequences(np.array(ids, dtype=np.int32), offsets)


def _further(words, whole, kept, min_df) -> np.ndarray:
    """Indices of the words in ``min_df`` documents that are not kept, as `select_words`."""
    in_documents = document_counts(whole, len(words))
    in_documents[kept] = 0
    if all(words[index] in SPECIAL_TOKENS for index in np.flatnonzero(in_documents >= min_df)):
        return kept[:0]
    return select_words(
        words, np.bincount(whole.ids, minlength=len(words)), in_documents,
        n_documents=whole.n_documents, min_df=min_df, max_features=None,
    )  # fmt: skip


def _check_count(name: str, value: int | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int or None, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1 or None for no limit, got {value!r}")
    return int(value)


def _check_min_df(value: int | float) -> int | float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"min_df must be an int or a float, got {value!r}")
    if isinstance(value, Integral):
        if value < 1:
            raise ValueError(f"min_df as an int must be at least 1, got {value!r}")
        return int(value)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"min_df as a float must lie between 0 and 1, got {value!r}")
    return float(value)

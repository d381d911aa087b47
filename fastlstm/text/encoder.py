"""Documents to token ids: the vocabulary is learned, then applied."""

from __future__ import annotations

import warnings
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastlstm.core.errors import VocabularyWarning
from fastlstm.core.lengths import USUAL, settled_length
from fastlstm.core.records import UNK_ID, Encoded, TokenSequences
from fastlstm.text.chinese import HAN_ALONE, WITH_NEIGHBOURS
from fastlstm.text.clean import check_steps
from fastlstm.text.plainer import may_be_stretched, squeezed
from fastlstm.text.tokenizers import get_tokenizer, name_of, steps_of
from fastlstm.text.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
    document_counts,
    select_words,
)

TRUNCATIONS = ("head", "tail", "head_tail")

# Occurrences from which on a stretched word is a word of its own.
_MIN_STRETCHED = 5


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
    # No document is longer than all of them together.
    if max_length is None or len(sequences.ids) <= max_length:
        return sequences
    if sequences.lengths.max(initial=0) <= max_length:
        return sequences
    places, offsets = _places(sequences, max_length, truncation)
    return TokenSequences(sequences.ids[places], offsets)


def head_length(max_length: int, truncation: str) -> int:
    """How many of the tokens that stay of a longer document are its first ones."""
    return {"head": max_length, "tail": 0, "head_tail": max_length // 4}[truncation]


def _places(
    sequences: TokenSequences, max_length: int, truncation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens stay, and where each document's begin among them."""
    lengths = sequences.lengths
    kept = np.minimum(lengths, max_length)
    offsets = np.zeros(len(kept) + 1, dtype=np.int64)
    np.cumsum(kept, out=offsets[1:])
    n_head = head_length(max_length, truncation)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept)
    # Behind the head the tokens that were cut out are skipped.
    places = within + np.repeat(sequences.offsets[:-1], kept)
    places += np.where(within >= n_head, np.repeat(lengths - kept, kept), 0)
    return places, offsets


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """How documents become token ids, under the estimators' names and with their defaults.

    Parameters
    ----------
    tokenizer : {"auto", "word", "char", "jieba"} or callable
        See `fastlstm.text.tokenizers.get_tokenizer`.
    lowercase : bool
    normalize : "all", iterable of str, or None
        What is done to a text and its words, see `fastlstm.text.clean.STEPS`. Kept as a
        tuple of names.
    max_features : int or None
        Greatest number of tokens in the vocabulary, the specials not counted; the
        most frequent are kept.
    min_df : int or float
        Least number of documents that hold a token of the vocabulary; a float
        between 0 and 1 is a share of the documents.
    max_length : int, "auto" or None
        Greatest number of tokens of a document; longer ones are cut. "auto" is settled by the
        documents that an encoder learns from, see `fastlstm.core.lengths`.
    truncation : {"head", "tail", "head_tail"}
        Which tokens of a long document stay, see `truncate`.
    zh_script : {"simplified"} or None
        "simplified" reads Traditional Chinese characters as their Simplified ones.
    jieba_rules : {1, 2}
        How the tokenizer "jieba" divides, see `fastlstm.text.chinese.split_chinese`. No
        parameter of estimators: a model keeps the rules that it was trained with.

    Raises
    ------
    ValueError, TypeError
        A parameter is out of its range or of a wrong type.
    """

    tokenizer: str | Callable[[str], list[str]] = "auto"
    lowercase: bool = True
    normalize: str | Iterable[str] | None = "all"
    max_features: int | None = 30_000
    min_df: int | float = 1
    max_length: int | str | None = USUAL
    truncation: str = "head_tail"
    zh_script: str | None = None
    jieba_rules: int = WITH_NEIGHBOURS

    def __post_init__(self) -> None:
        checked = {
            "lowercase": bool(self.lowercase),
            "normalize": check_steps(self.normalize),
            "max_features": _check_count("max_features", self.max_features),
            "min_df": _check_min_df(self.min_df),
        }
        if self.max_length != "auto":
            checked["max_length"] = _check_count("max_length", self.max_length)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.truncation not in TRUNCATIONS:
            names = ", ".join(map(repr, TRUNCATIONS))
            raise ValueError(f"truncation must be one of {names}, got {self.truncation!r}")
        if type(self.jieba_rules) is not int or self.jieba_rules not in _JIEBA_RULES:
            raise ValueError(f"jieba_rules must be 1 or 2, got {self.jieba_rules!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What an older version pickled was trained with the first rules.
        first = {"normalize": ("tags",), "zh_script": None, "jieba_rules": HAN_ALONE}
        vars(self).update({**first, **state})

    def tokenizer_function(self) -> Callable[[str], list[str]]:
        """The function from a document to its tokens."""
        return get_tokenizer(
            self.tokenizer, self.lowercase, self.normalize, self.zh_script, self.jieba_rules
        )

    @property
    def most_tokens(self) -> int | None:
        """``max_length`` of options that are settled: tokens that are read of a document."""
        assert not isinstance(self.max_length, str), "an encoder's options are settled"
        return self.max_length

    def settled(self, lengths: np.ndarray) -> TextOptions:
        """The same for whole documents of these lengths, with a number or None for "auto"."""
        return replace(self, max_length=settled_length(self.max_length, lengths))


_JIEBA_RULES = (HAN_ALONE, WITH_NEIGHBOURS)

_FIELDS = tuple(field.name for field in fields(TextOptions))

# Those that estimators have, too.
PARAMETERS = tuple(name for name in _FIELDS if name != "jieba_rules")

_STATE_KEYS = {*_FIELDS, "tokens", "n_known"}


class TextEncoder:
    """Turns documents into token ids. Nothing changes it, so threads may share it.

    Parameters
    ----------
    options : TextOptions
    vocabulary : Vocabulary
    n_known : int
        Ids below it are tokens that the network knows; the others are read by the linear
        part alone.

    Raises
    ------
    ValueError
        `n_known` is no number of tokens.
    ImportError
        A package that the tokenizer or `zh_script` needs is not installed.
    """

    def __init__(self, options: TextOptions, vocabulary: Vocabulary, n_known: int) -> None:
        if type(n_known) is not int or not len(SPECIAL_TOKENS) <= n_known <= len(vocabulary):
            raise ValueError(f"n_known={n_known!r} is no number of tokens of this vocabulary")
        self.options = options
        self.vocabulary = vocabulary
        self.n_known = n_known
        self._tokenize = options.tokenizer_function()
        self._squeeze = _squeezes(options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._tokenize = self.options.tokenizer_function()
        self._squeeze = _squeezes(self.options)

    @classmethod
    def learn(
        cls, texts: Sequence[str], options: TextOptions, further_min_df: int | None = None
    ) -> tuple[TextEncoder, Encoded]:
        """Learn a vocabulary and encode the documents it was learned from.

        Parameters
        ----------
        texts : sequence of str
        options : TextOptions
        further_min_df : int or None
            Documents that hold a further token, at least, which the linear part alone
            reads. None learns no such tokens.

        Returns
        -------
        encoder : TextEncoder
        encoded : Encoded
            The same as ``encoder.encode(texts)``, but each document is read only once.

        Raises
        ------
        ValueError
            No token occurs in `min_df` documents.
        """
        words, whole = every_token(texts, options)
        options = options.settled(whole.lengths)
        counted = whole
        stretched = may_be_stretched(words).tolist() if _squeezes(options) else []
        if stretched:
            counts = np.bincount(whole.ids, minlength=len(words))
            plain = _plain_words(words, stretched, counts)
            counted = whole._replace(ids=plain[whole.ids])
        # Words that are only cut off are unknown to the network: nothing would train them.
        cut = truncate(counted, options.most_tokens, options.truncation)
        counts = np.bincount(cut.ids, minlength=len(words))
        # A token that occurs at all occurs in one document.
        needs_documents = options.min_df != 1 or not isinstance(options.min_df, Integral)
        kept = select_words(
            words,
            counts,
            document_counts(cut, len(words)) if needs_documents else counts,
            n_documents=len(texts),
            min_df=options.min_df,
            max_features=options.max_features,
        )
        n_known = len(SPECIAL_TOKENS) + len(kept)
        if further_min_df is not None:
            kept = np.concatenate([kept, _further(words, counted, kept, further_min_df)])
        encoder = cls(options, Vocabulary([words[index] for index in kept]), n_known)
        return encoder, encoder.encoded(words, whole)

    @classmethod
    def of(cls, tokens: Sequence[str], options: TextOptions) -> TextEncoder:
        """An encoder of given tokens, and of no others.

        Warns
        -----
        VocabularyWarning
            The tokenizer never gives some of the tokens. Only asked of tokenizers that
            look at a token without its neighbours.
        """
        encoder = cls(options, Vocabulary(tokens), len(SPECIAL_TOKENS) + len(tokens))
        if options.tokenizer in ("auto", "word", "char"):
            never = [token for token in tokens if encoder.tokenize(token) != [token]]
            if never:
                warnings.warn(
                    f"{len(never)} of {len(tokens)} tokens of the vocabulary never occur, such as "
                    f"{never[0]!r}, which tokenizer={options.tokenizer!r} with "
                    f"lowercase={options.lowercase} reads as {encoder.tokenize(never[0])}. "
                    "Take them out, or change the tokenizer.",
                    VocabularyWarning,
                    stacklevel=5,
                )
        return encoder

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Documents as token ids; tokens that are not in the vocabulary have the id 1."""
        whole = self.read(texts)
        return Encoded(self.shorten(whole), whole)

    def encoded(self, words: list[str], whole: TokenSequences) -> Encoded:
        """What ``encode`` gives of documents from what ``every_token`` gave of them."""
        ids = np.fromiter(self._lookup(words), dtype=np.int32, count=len(words))
        whole = TokenSequences(ids[whole.ids], whole.offsets)
        return Encoded(self.shorten(whole), whole)

    def read(self, texts: Sequence[str]) -> TokenSequences:
        """Whole documents, with all ids."""
        return _read(texts, self._tokenize, self._lookup)

    def _lookup(self, tokens: Sequence[str]) -> Iterable[int]:
        """Ids of tokens; of stretched words that are unknown, those of the plain ones."""
        ids = self.vocabulary.lookup(tokens)
        if not self._squeeze:
            return ids
        found = list(ids)
        if UNK_ID in found:
            for place, token in enumerate(tokens):
                if found[place] == UNK_ID:
                    found[place] = self._squeezed_id(token)
        return found

    def _squeezed_id(self, token: str) -> int:
        """Of the most frequent known word that ``token`` is a stretched form of."""
        known = self.vocabulary.ids
        # Lower ids are those of more frequent words.
        return min((known[form] for form in squeezed(token) if form in known), default=UNK_ID)

    def shorten(self, whole: TokenSequences) -> TokenSequences:
        """Whole documents as the network reads them."""
        cut = truncate(whole, self.options.most_tokens, self.options.truncation)
        if self.n_known < len(self.vocabulary):
            cut = cut._replace(ids=np.where(cut.ids < self.n_known, cut.ids, UNK_ID))
        return cut

    def places_read(self, whole: TokenSequences) -> np.ndarray:
        """Positions in ``whole.ids`` of the tokens that ``shorten`` keeps, int64, rising."""
        most = self.options.most_tokens
        if most is None:
            return np.arange(len(whole.ids))
        return _places(whole, most, self.options.truncation)[0]

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a document, all of them."""
        return self._tokenize(text)

    def known(self) -> dict[str, int]:
        """Id of each token that the network knows."""
        ids = self.vocabulary.ids
        if self.n_known == len(self.vocabulary):
            return ids
        return {token: i for token, i in ids.items() if i < self.n_known}

    def state(self) -> dict[str, Any]:
        """Parameters and vocabulary as a dict that JSON can hold.

        Of a callable tokenizer it holds the name, ``{"callable": "module.function"}``.
        """
        parameters = {name: getattr(self.options, name) for name in _FIELDS}
        if callable(self.options.tokenizer):
            parameters["tokenizer"] = {"callable": name_of(self.options.tokenizer)}
        parameters["normalize"] = list(check_steps(self.options.normalize))
        return {**parameters, "tokens": list(self.vocabulary.tokens), "n_known": self.n_known}

    @classmethod
    def from_state(
        cls, state: dict[str, Any], tokenizer: Callable[[str], list[str]] | None = None
    ) -> TextEncoder:
        """An encoder from what `state` returned.

        Parameters
        ----------
        state : dict
        tokenizer : callable or None
            Takes the place of the one that `needed_tokenizer` names.

        Raises
        ------
        ValueError, TypeError
            A key is missing or unknown, or a value is out of its range.
        ImportError
            A package that the tokenizer or `zh_script` needs is not installed.
        """
        needed = needed_tokenizer(state)
        if not isinstance(state["tokens"], list):
            raise ValueError("the encoder's state must list its tokens")
        options = {name: state[name] for name in _FIELDS}
        if needed is not None:
            options["tokenizer"] = tokenizer
        if options["max_length"] == "auto":
            raise ValueError("the encoder's max_length must be a number or None")
        vocabulary = Vocabulary.from_tokens(state["tokens"])
        return cls(TextOptions(**options), vocabulary, state["n_known"])


def every_token(texts: Sequence[str], options: TextOptions) -> tuple[list[str], TokenSequences]:
    """All tokens of documents, as they are.

    Returns
    -------
    words : list of str
        The distinct tokens, in the order in which they are met.
    whole : TokenSequences
        Ids are places in ``words``.
    """
    # A token that is met for the first time takes the next id.
    provisional: defaultdict[str, int] = defaultdict()
    provisional.default_factory = provisional.__len__
    tokenize = options.tokenizer_function()
    whole = _read(texts, tokenize, lambda tokens: map(provisional.__getitem__, tokens))
    return list(provisional), whole


def needed_tokenizer(state: dict[str, Any]) -> str | None:
    """Name of the callable that an encoder's state needs, None if its tokenizer has a name.

    Raises
    ------
    ValueError
        The state says neither, or has other keys than it should.
    """
    if set(state) != _STATE_KEYS:
        different = ", ".join(sorted(map(str, set(state) ^ _STATE_KEYS)))
        raise ValueError(f"the encoder's state has missing or unknown keys: {different}")
    stored = state["tokenizer"]
    if isinstance(stored, str):
        return None
    if isinstance(stored, dict) and [*stored] == ["callable"]:
        name = stored["callable"]
        if isinstance(name, str):
            return name
    raise ValueError("the encoder's state must name its tokenizer")


def _read(
    texts: Sequence[str],
    tokenize: Callable[[str], list[str]],
    lookup: Callable[[list[str]], Iterable[int]],
) -> TokenSequences:
    # Tokens become ids at once; strings would take many times the memory.
    ids = array("i")
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    for row, text in enumerate(texts, 1):
        ids.extend(lookup(tokenize(text)))
        offsets[row] = len(ids)
    return TokenSequences(np.array(ids, dtype=np.int32), offsets)


def _squeezes(options: TextOptions) -> bool:
    return "squeeze" in steps_of(options.tokenizer, options.normalize)


def _plain_words(words: Sequence[str], stretched: Iterable[int], counts: np.ndarray) -> np.ndarray:
    """Index of the word that each counts as: of rare stretched ones, a more frequent plain one."""
    indices = {word: index for index, word in enumerate(words)}
    plain = np.arange(len(words))
    for index in stretched:
        if counts[index] < _MIN_STRETCHED:
            forms = [indices[form] for form in squeezed(words[index]) if form in indices]
            best = max(forms, key=counts.__getitem__, default=index)
            if counts[best] > counts[index]:
                plain[index] = best
    return plain


def _further(words: list[str], whole: TokenSequences, kept: np.ndarray, min_df: int) -> np.ndarray:
    """Indices of the words in ``min_df`` documents that are not kept, as `select_words`."""
    in_documents = document_counts(whole, len(words))
    in_documents[kept] = 0
    if all(words[index] in SPECIAL_TOKENS for index in np.flatnonzero(in_documents >= min_df)):
        return kept[:0]
    return select_words(
        words, np.bincount(whole.ids, minlength=len(words)), in_documents,
        n_documents=whole.n_documents, min_df=min_df, max_features=None,
    )  # fmt: skip


def _check_count(name: str, value: object) -> int | None:
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

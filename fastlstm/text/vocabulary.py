"""The tokens a model knows, and which of them to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from numbers import Integral
from typing import Any

import numpy as np

from fastlstm.core.records import PAD_ID, UNK_ID, TokenSequences

PAD_TOKEN = "<pad>"
UNK_TOKEN = "<unk>"
SPECIAL_TOKENS = (PAD_TOKEN, UNK_TOKEN)

# Pairs of (document, token) that are sorted at once to count documents.
_PAIRS_AT_ONCE = 1 << 21


class Vocabulary:
    """Tokens and their ids.

    Parameters
    ----------
    words : sequence of str
        The tokens apart from the specials, in the order of their ids, the first of
        which is 2.

    Attributes
    ----------
    tokens : tuple of str
        Token of each id; 0 is ``"<pad>"``, 1 is ``"<unk>"``.
    ids : dict of str to int
        Id of each token. The specials are left out, so a document that holds
        ``"<pad>"`` itself is not mistaken for padding.

    Raises
    ------
    ValueError
        A token occurs twice or is a special.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.tokens = (*SPECIAL_TOKENS, *words)
        self.ids = {word: index for index, word in enumerate(words, len(SPECIAL_TOKENS))}
        if len(self.ids) < len(words):
            row = next(i for i, token in enumerate(self.tokens) if self.ids.get(token, i) != i)
            raise ValueError(
                f"token {self.tokens[row]!r} (index {row}) occurs twice; drop one of the two"
            )
        for special in SPECIAL_TOKENS:
            if special in self.ids:
                raise ValueError(f"{special!r} is reserved; drop it from the words")

    @classmethod
    def from_tokens(cls, tokens: Iterable[str]) -> Vocabulary:
        """Build from a list as in the attribute `tokens`, specials first.

        Raises
        ------
        ValueError
            The specials are not the first two, a token is not a str, or one occurs
            twice.
        """
        tokens = list(tokens)
        for row, token in enumerate(tokens):
            if not isinstance(token, str):
                raise ValueError(f"token {row} is {type(token).__name__}; every token must be str")
        if tuple(tokens[:2]) != SPECIAL_TOKENS:
            raise ValueError(
                f"the first two tokens are {tokens[:2]}; put {list(SPECIAL_TOKENS)} before the rest"
            )
        return cls(tokens[2:])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.ids

    def __repr__(self) -> str:
        return f"Vocabulary of {len(self)} tokens, {PAD_ID} = {PAD_TOKEN}, {UNK_ID} = {UNK_TOKEN}"

    def lookup(self, tokens: Iterable[str]) -> Iterable[int]:
        """Ids of tokens, one after the other; 1 for a token that is not known."""
        return map(self.ids.get, tokens, repeat(UNK_ID))

    def encode(self, tokens: Sequence[str]) -> np.ndarray:
        """Ids of tokens.

        Parameters
        ----------
        tokens : sequence of str

        Returns
        -------
        ndarray of int32, shape (n_tokens,)
            1 for a token that is not known.
        """
        return np.fromiter(self.lookup(tokens), dtype=np.int32, count=len(tokens))


def given_tokens(vocabulary: Any) -> list[str]:
    """The tokens of a vocabulary that somebody gives, in the order of their ids.

    Parameters
    ----------
    vocabulary : dict of str to int, set of str, or sequence of str
        Numbers of a dict begin with 0, or with 2 as in ``Vocabulary.ids``. A set is sorted.

    Raises
    ------
    ValueError
        Names the token or number that is no part of a vocabulary.
    """
    if isinstance(vocabulary, (set, frozenset)):
        tokens = sorted(vocabulary, key=str)
    else:
        tokens = list(vocabulary)
    if not tokens:
        raise ValueError("vocabulary is empty; pass a token at least, or None to learn the tokens")
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ValueError(
                f"vocabulary holds {token!r} ({type(token).__name__}, number {place}); "
                "every token must be a string"
            )
    if isinstance(vocabulary, Mapping):
        tokens = _in_order(vocabulary)
    tokens = list(map(str, tokens))
    try:
        Vocabulary(tokens)
    except ValueError as error:
        raise ValueError(f"vocabulary: {error}") from None
    return tokens


def _in_order(numbers: Mapping[str, Any]) -> list[str]:
    """The tokens of a dict by their numbers."""
    for token, number in numbers.items():
        if isinstance(number, (bool, np.bool_)) or not isinstance(number, Integral):
            raise ValueError(f"vocabulary[{token!r}] is {number!r}; it must be a whole number")
    tokens = sorted(numbers, key=numbers.__getitem__)
    first = int(numbers[tokens[0]])
    for wanted, token in enumerate(tokens, first):
        if first not in (0, len(SPECIAL_TOKENS)) or numbers[token] != wanted:
            raise ValueError(
                f"vocabulary[{token!r}] is {numbers[token]!r}; numbers must go up from 0, or from "
                f"{len(SPECIAL_TOKENS)}, one by one. Pass a list, whose order is that of the ids"
            )
    return tokens


def document_counts(sequences: TokenSequences, n_ids: int) -> np.ndarray:
    """Number of documents that hold each id.

    Parameters
    ----------
    sequences : TokenSequences
    n_ids : int
        Every id is below it.

    Returns
    -------
    ndarray of int64, shape (n_ids,)
    """
    counts = np.zeros(n_ids, dtype=np.int64)
    for _, part in sequences.runs(_PAIRS_AT_ONCE):
        document = np.repeat(np.arange(part.n_documents), part.lengths)
        pairs = sorted_distinct(document << 32 | part.ids)
        counts += np.bincount(pairs & 0xFFFFFFFF, minlength=n_ids)
    return counts


def sorted_distinct(numbers: np.ndarray) -> np.ndarray:
    """The distinct numbers in rising order; ``numbers`` is sorted in place."""
    # np.unique may hash integers, which is much slower than this sort.
    numbers.sort()
    new = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    return numbers[new]


def select_words(
    words: Sequence[str],
    counts: np.ndarray,
    n_documents_with: np.ndarray,
    *,
    n_documents: int,
    min_df: int | float,
    max_features: int | None,
) -> np.ndarray:
    """Which words to keep, the most frequent first, equally frequent ones by text.

    The order does not depend on the order of the documents.

    Parameters
    ----------
    words : sequence of str, shape (n_words,)
    counts : ndarray of int, shape (n_words,)
        Occurrences of each word.
    n_documents_with : ndarray of int, shape (n_words,)
        Documents that hold each word.
    n_documents : int
    min_df : int or float
        Least number of documents, or as a float their least share, that hold a word.
    max_features : int or None
        Greatest number of words.

    Returns
    -------
    ndarray of int64, shape (n_kept,)
        Indices into `words`.

    Raises
    ------
    ValueError
        No word is left.
    """
    if not len(words):
        raise ValueError(
            "no document holds a token; check that the documents are not empty "
            "and that the tokenizer suits their language"
        )
    least = min_df if isinstance(min_df, int) else max(1, min_df * n_documents)
    kept = np.flatnonzero(n_documents_with >= least).tolist()
    kept = [index for index in kept if words[index] not in SPECIAL_TOKENS]
    if not kept:
        raise ValueError(
            f"no token occurs in min_df={min_df} of the {n_documents} documents; "
            f"lower min_df (the most widespread token occurs in {n_documents_with.max()})"
        )
    kept.sort(key=words.__getitem__)
    kept = np.array(kept, dtype=np.int64)
    order = np.argsort(-counts[kept], kind="stable")
    return kept[order[:max_features]]

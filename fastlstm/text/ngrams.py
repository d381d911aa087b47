"""Runs of tokens that have ids of their own.

An n-gram is known by its first token and its parent, which is the n-gram of all tokens
but the first. Whoever knows an n-gram knows its parent.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences

# Keys that NumPy sorts or looks up in one call: Ctrl-C waits until it returns.
_KEYS_AT_ONCE = 1 << 19

# From so many keys on it pays to look them up in their order: each is then found near the
# one before, where the memory is in the cache.
_FEW_KEYS = 4096


class NGrams:
    """Ids of n-grams, behind those of single tokens.

    Parameters
    ----------
    n_tokens : int
        Ids of single tokens are below it; n-gram ``i`` has the id ``n_tokens + i``.
    pairs : int32 array, shape (n_ngrams, 2)
        First token and parent of each n-gram: the shortest first, those of one
        length in rising order. Unknown tokens are part of no n-gram.

    Raises
    ------
    ValueError
        If the pairs are not in that order, or name an id that does not come before.
    """

    def __init__(self, n_tokens: int, pairs: np.ndarray) -> None:
        self.n_tokens = n_tokens
        self.pairs = np.ascontiguousarray(pairs, dtype=np.int32).reshape(-1, 2)
        left, parents = self.pairs.T
        self._keys = []  # of each length, rising
        begin, oldest, newest = 0, UNK_ID + 1, n_tokens
        while begin < len(self.pairs):
            # Parents of one length have ids in [oldest, newest).
            end = begin + _leading(parents[begin:] < newest)
            keys = _key(left[begin:end], parents[begin:end])
            if (
                end == begin
                or parents[begin:end].min() < oldest
                or not (UNK_ID < left[begin:end].min() <= left[begin:end].max() < n_tokens)
                or not (keys[:-1] < keys[1:]).all()
            ):
                raise ValueError(f"the n-grams from number {begin} on are not in their order")
            self._keys.append(keys)
            begin, oldest, newest = end, newest, n_tokens + end

    @classmethod
    def learn(
        cls,
        sequences: TokenSequences,
        n_tokens: int,
        longest: int = 2,
        min_count: int = 2,
        max_features: int | None = None,
    ) -> NGrams:
        """The most frequent n-grams of documents.

        Parameters
        ----------
        sequences : TokenSequences
        n_tokens : int
        longest : int
            Tokens of the longest n-grams.
        min_count : int
            Occurrences at least.
        max_features : int or None
            N-grams of each length at most.
        """
        pairs = [np.empty((0, 2), dtype=np.int32)]
        places, parents, n_ids = np.arange(len(sequences.ids)), sequences.ids, n_tokens
        for n in range(2, longest + 1):
            places, keys = _candidates(sequences.ids, _starts(sequences), places, parents, n)
            found, counts = _counted(keys)
            often = np.flatnonzero(counts >= min_count)
            if max_features is not None and len(often) > max_features:
                often = often[np.argsort(-counts[often], kind="stable")[:max_features]]
                often.sort()
            found = found[often]
            places, parents = _known(places, keys, found, n_ids)
            pairs.append(np.stack([found >> 32, found & 0xFFFFFFFF], axis=1).astype(np.int32))
            n_ids += len(found)
        return cls(n_tokens, np.concatenate(pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def longest_length(self) -> int:
        """Tokens of the longest n-grams; 1 where there are none."""
        return len(self._keys) + 1

    @property
    def keys(self) -> list[np.ndarray]:
        """Of the n-grams of each length from 2 on, in the order of their ids, rising: the first
        token times 2^32 and the parent, int64."""
        return list(self._keys)

    @property
    def parents(self) -> np.ndarray:
        """Id of each n-gram's parent, int32, shape (n_ngrams,)."""
        return np.ascontiguousarray(self.pairs[:, 1])

    def occurrences(self, sequences: TokenSequences) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each length from 2 on, where such n-grams end and their ids.

        Yields
        ------
        places : int64 array, shape (count,)
            Positions in ``sequences.ids``, rising.
        ids : int32 array, shape (count,)
        """
        places, parents, n_ids = np.arange(len(sequences.ids)), sequences.ids, self.n_tokens
        starts = _starts(sequences)
        for n, known in enumerate(self._keys, start=2):
            places, keys = _candidates(sequences.ids, starts, places, parents, n)
            places, parents = _known(places, keys, known, n_ids)
            yield places, parents
            n_ids += len(known)

    def longest(self, sequences: TokenSequences) -> TokenSequences:
        """Each position with the id of the longest n-gram that ends there."""
        if not len(self):
            return sequences
        ids = sequences.ids.copy()
        for places, found in self.occurrences(sequences):
            ids[places] = found
        return sequences._replace(ids=ids)


def _key(left: np.ndarray, parents: np.ndarray) -> np.ndarray:
    key: np.ndarray = left.astype(np.int64) << 32 | parents
    return key


def _leading(flags: np.ndarray) -> int:
    """How many flags are set before the first that is not."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def _starts(sequences: TokenSequences) -> np.ndarray:
    """Where the document of each position starts."""
    starts: np.ndarray = np.repeat(sequences.offsets[:-1], sequences.lengths)
    return starts


def _candidates(
    ids: np.ndarray, starts: np.ndarray, places: np.ndarray, parents: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the places where an n-gram's parent ends, those that have one token more before it."""
    before = places - (n - 1)
    left = ids[before]  # -1, before the first document, is the last and does not fit
    fit = (before >= starts[places]) & (left > UNK_ID) & (parents > UNK_ID)
    return places[fit], _key(left[fit], parents[fit])


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, rising, and how often each occurs; those of some left tokens at a time."""
    if len(keys) <= _KEYS_AT_ONCE:
        found, counts = np.unique(keys, return_counts=True)
        return found, counts
    left = keys >> 32
    group_of = np.cumsum(np.bincount(left)) // _KEYS_AT_ONCE
    groups = group_of[left]
    parts = [
        np.unique(keys[groups == group], return_counts=True) for group in range(group_of[-1] + 1)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _known(
    places: np.ndarray, keys: np.ndarray, known: np.ndarray, first_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """The places whose key is known, and the ids."""
    if not len(known):
        return places[:0], np.empty(0, dtype=np.int32)
    index = np.empty(len(keys), dtype=np.int64)
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some, found = (array[first : first + _KEYS_AT_ONCE] for array in (keys, index))
        if len(some) < _FEW_KEYS:
            found[:] = np.searchsorted(known, some)
        else:
            order = np.argsort(some)
            found[order] = np.searchsorted(known, some[order])
    np.minimum(index, len(known) - 1, out=index)
    hit = known[index] == keys
    return places[hit], (first_id + index[hit]).astype(np.int32)

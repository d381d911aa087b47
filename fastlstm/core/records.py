"""Plain records of arrays that travel between the parts of the package.

Axis order is part of each record's contract and is stated with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

PAD_ID = 0
UNK_ID = 1


class TokenSequences(NamedTuple):
    """Token ids of many documents, one after the other, without padding; and what is beside them.

    Attributes
    ----------
    ids : ndarray of int32, shape (n_tokens,)
        The ids of document ``d`` are ``ids[offsets[d]:offsets[d + 1]]``.
    offsets : ndarray of int64, shape (n_documents + 1,)
        Starts at 0, never falls, ends at ``n_tokens``. Equal neighbours mark an
        empty document.
    side : ndarray of float32, shape (n_documents, n_side), or None
        Numbers that each document has beside its tokens.
    features : ndarray of float32, shape (n_tokens, n_step_features), or None
        Numbers that each token, which is a step of the network, has beside it.
    """

    ids: np.ndarray
    offsets: np.ndarray
    side: np.ndarray | None = None
    features: np.ndarray | None = None

    @property
    def n_documents(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each document, int64, shape (n_documents,)."""
        lengths: np.ndarray = self.offsets[1:] - self.offsets[:-1]  # of one, faster than np.diff
        return lengths

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of tokens of the documents ``rows``, in time that depends on these alone."""
        lengths: np.ndarray = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def document(self, index: int) -> np.ndarray:
        """Token ids of one document, a view."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Positions of the tokens of the documents ``rows``, one after the other, int64."""
        lengths = self.lengths_of(rows)
        # Position of each token within its document, then within the source.
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places: np.ndarray = np.repeat(self.offsets[:-1][rows], lengths) + within
        return places

    def take(self, rows: np.ndarray) -> TokenSequences:
        """The documents ``rows``, in that order, as a new record."""
        rows = np.asarray(rows, dtype=np.int64)
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(self.lengths_of(rows), out=offsets[1:])
        places = self.places(rows)
        side = None if self.side is None else self.side[rows]
        features = None if self.features is None else self.features[places]
        return TokenSequences(self.ids[places], offsets, side, features)

    @classmethod
    def join(cls, parts: list[TokenSequences]) -> TokenSequences:
        """The documents of all parts, one part after the other."""
        ends = np.cumsum([0, *(len(part.ids) for part in parts)])
        offsets = [part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)]
        ids, offsets = np.concatenate([part.ids for part in parts]), [np.zeros(1, int), *offsets]

        def joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
            there = [array for array in arrays if array is not None]
            assert len(there) in (0, len(parts)), "all documents have it, or none"
            return np.concatenate(there) if there else None

        side = joined([part.side for part in parts])
        return cls(ids, np.concatenate(offsets), side, joined([part.features for part in parts]))

    def runs(self, n_tokens: int) -> Iterator[tuple[int, TokenSequences]]:
        """Whole documents in their order, about ``n_tokens`` tokens at a time, as views.

        Yields
        ------
        first : int
            Number of the first document.
        part : TokenSequences
            It and those that follow; at least one.
        """
        first = 0
        while first < self.n_documents:
            limit = self.offsets[first] + n_tokens
            last = max(first + 1, int(np.searchsorted(self.offsets, limit, side="right")) - 1)
            tokens = slice(self.offsets[first], self.offsets[last])
            side = None if self.side is None else self.side[first:last]
            features = None if self.features is None else self.features[tokens]
            offsets = self.offsets[first : last + 1] - self.offsets[first]
            yield first, TokenSequences(self.ids[tokens], offsets, side, features)
            first = last


def _not_empty(sequences: TokenSequences) -> TokenSequences:
    """The documents, of which empty ones are read as one unknown token."""
    lengths = sequences.lengths
    empty = np.flatnonzero(lengths == 0)
    if not len(empty):
        return sequences
    ids = np.insert(sequences.ids, sequences.offsets[empty], UNK_ID).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1))])
    return sequences._replace(ids=ids, offsets=offsets)


class Encoded(NamedTuple):
    """Documents as token ids, and what that cost.

    Attributes
    ----------
    sequences : TokenSequences
        As the network reads them.
    whole : TokenSequences or None
        Uncut and with further tokens, for the linear part. None for documents that came
        as ids, of which nothing is cut.
    """

    sequences: TokenSequences
    whole: TokenSequences | None = None

    @property
    def n_documents(self) -> int:
        return self.sequences.n_documents

    def beside(self, side: np.ndarray) -> Encoded:
        """The documents with numbers beside them, float32, shape (n_documents, n_side).

        An empty text is then no reason to answer nothing: it is one unknown token.
        """
        whole = None if self.whole is None else _not_empty(self.whole)
        return Encoded(_not_empty(self.sequences)._replace(side=side), whole)

    @property
    def side(self) -> np.ndarray | None:
        """Numbers beside the documents."""
        return self.sequences.side

    @property
    def n_truncated(self) -> int:
        """Documents that were cut."""
        if self.whole is None or not self.tokens_lost:
            return 0
        return int(np.count_nonzero(self.sequences.lengths < self.whole.lengths))

    @property
    def tokens_lost(self) -> int:
        """Tokens that were cut off."""
        return 0 if self.whole is None else len(self.whole.ids) - len(self.sequences.ids)

    @property
    def n_unknown(self) -> np.ndarray:
        """Tokens of each document that the network does not know, int64."""
        known = np.concatenate([[0], np.cumsum(self.sequences.ids != UNK_ID)])
        unknown: np.ndarray = self.sequences.lengths - np.diff(known[self.sequences.offsets])
        return unknown

    @property
    def coverage(self) -> np.ndarray:
        """Share of each document's tokens that the model knows, float64.

        All tokens count, those that were cut off too, and so do those that the linear part
        alone knows. It is 0 where there is no token: the answer then comes from nothing in
        the document.
        """
        sequences = self.sequences if self.whole is None else self.whole
        known = np.concatenate([[0], np.cumsum(sequences.ids != UNK_ID)])
        share: np.ndarray = np.diff(known[sequences.offsets]) / np.maximum(sequences.lengths, 1)
        return share

    def take(self, rows: np.ndarray) -> Encoded:
        """The documents ``rows``."""
        whole = None if self.whole is None else self.whole.take(rows)
        return Encoded(self.sequences.take(rows), whole)

    def split(self, n: int) -> tuple[Encoded, Encoded]:
        """The first ``n`` documents, and the others."""
        return self.take(np.arange(n)), self.take(np.arange(n, self.n_documents))


class Segments(NamedTuple):
    """Which packed sequences are the parts of which document.

    Attributes
    ----------
    order : ndarray of int64, shape (n_segments,)
        Packed sequences, document by document and within it from its beginning on.
    offsets : ndarray of int64, shape (n_documents + 1,)
        The parts of document ``d`` are ``order[offsets[d]:offsets[d + 1]]``.
    """

    order: np.ndarray
    offsets: np.ndarray


class TokenBatch(NamedTuple):
    """Token ids of some sequences, packed time-major, longest sequence first.

    A sequence is a document, or a part of it where documents are read in segments.
    Step ``t`` owns positions ``starts[t] .. starts[t] + n_live[t]``; row ``r`` of
    every step is the same sequence. No padding is stored.

    Attributes
    ----------
    ids : ndarray of int32, shape (n_tokens,)
    n_live : ndarray of int64, shape (n_steps,)
        Sequences longer than ``t``; never rises.
    starts : ndarray of int64, shape (n_steps,)
    lengths : ndarray of int64, shape (n_sequences,)
        Falling; every length is at least 1.
    rows : ndarray of int64, shape (n_documents,)
        Where each document stood in the data set, in the order of the sequences or,
        with segments, of ``segments``.
    segments : Segments or None
        None where every sequence is a whole document.
    side : ndarray of float32, shape (n_documents, n_side), or None
        In the order of ``rows``.
    places : ndarray of int64, shape (n_tokens,), or None
        Where each token stood in the data set, where that was asked for.
    features : ndarray of float32, shape (n_tokens, n_step_features), or None
    """

    ids: np.ndarray
    n_live: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray
    segments: Segments | None = None
    side: np.ndarray | None = None
    places: np.ndarray | None = None
    features: np.ndarray | None = None

    @property
    def n_tokens(self) -> int:
        return len(self.ids)

    @property
    def n_sequences(self) -> int:
        return len(self.lengths)

"""Rows of token ids in a graph: which are read, in which segments, and their n-grams."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID
from fastlstm.export.graph import Graph
from fastlstm.text.ngrams import NGrams


class Rows(NamedTuple):
    """Documents of different lengths, padded with 0.

    Attributes
    ----------
    ids : str
        int64, shape (n, width).
    lengths : str
        int64, shape (n, 1).
    """

    ids: str
    lengths: str

    @classmethod
    def of(cls, g: Graph, ids: str) -> Rows:
        """Rows whose padding may be at either end, of one column at least."""
        ids = g.op("Pad", ids, [0, 0, 0, 1], 0)  # so that no size is 0
        there = g.op("Greater", ids, 0)
        place = _range(g, _size(g, ids, 1))
        end = g.op("ReduceMax", g.op("Where", there, g.op("Add", place, 1), 0), [1], keepdims=1)
        begin = g.op("ReduceMin", g.op("Where", there, place, end), [1], keepdims=1)
        lengths = g.op("Sub", end, begin)
        return cls(_taken(g, ids, g.op("Add", place, begin), lengths), lengths)

    def shortened(self, g: Graph, most: int, n_head: int) -> Rows:
        """Of longer documents the first ``n_head`` tokens and the last ``most - n_head``."""
        kept = g.op("Min", self.lengths, most)
        place = _range(g, _most(g, kept))
        cut_out = g.op("Sub", self.lengths, kept)
        behind = g.op("Not", g.op("Less", place, n_head))
        place = g.op("Add", place, g.op("Where", behind, cut_out, 0))
        return Rows(_taken(g, self.ids, place, kept), kept)

    def segments(self, g: Graph, length: int) -> Segments:
        """Parts of about equal length, at most ``length`` tokens each; 0 leaves documents whole."""
        if not length:
            one = g.op("Unsqueeze", self.ids, [1])
            return Segments(one, self.lengths)
        count = g.op("Max", g.op("Div", g.op("Add", self.lengths, length - 1), length), 1)
        number = _range(g, _most(g, count))
        begin = g.op("Div", g.op("Mul", number, self.lengths), count)
        end = g.op("Div", g.op("Mul", g.op("Add", number, 1), self.lengths), count)
        lengths = g.op("Where", g.op("Less", number, count), g.op("Sub", end, begin), 0)
        width = _most(g, g.op("ReduceMax", lengths, [1], keepdims=1))
        place = g.op("Add", g.op("Unsqueeze", begin, [2]), g.op("Unsqueeze", _range(g, width), [0]))
        shape = g.op("Shape", place)
        flat = g.op("Reshape", place, [0, -1])
        return Segments(g.op("Reshape", _gathered(g, self.ids, flat), shape), lengths)


class Segments(NamedTuple):
    """Documents in parts.

    Attributes
    ----------
    ids : str
        int64, shape (n, n_segments, width); what stands behind the end of one is of no matter.
    lengths : str
        int64, shape (n, n_segments), 0 behind the last of a document.
    """

    ids: str
    lengths: str


def _size(g: Graph, name: str, axis: int) -> str:
    return g.op("Gather", g.op("Shape", name), axis)


def _most(g: Graph, lengths: str) -> str:
    """The largest, 1 at least; a number without axes."""
    return g.op("Max", g.op("ReduceMax", lengths, keepdims=0), 1)


def _range(g: Graph, stop: str) -> str:
    """0, 1 and so on, int64 of shape (1, stop)."""
    return g.op("Unsqueeze", g.op("Range", 0, stop, 1), [0])


def _gathered(g: Graph, ids: str, place: str) -> str:
    """The ids at places in each row; beyond its end the last one."""
    last = g.op("Sub", _size(g, ids, 1), 1)
    return g.op("GatherElements", ids, g.op("Min", place, last), axis=1)


def _taken(g: Graph, ids: str, place: str, lengths: str) -> str:
    """The first ``lengths`` ids at places in each row, then 0."""
    number = _range(g, _size(g, place, 1))
    return g.op("Where", g.op("Less", number, lengths), _gathered(g, ids, place), 0)


def ngrams_of_each_length(g: Graph, ngrams: NGrams, rows: Rows) -> list[str]:
    """Ids of the n-grams of 2 tokens, of 3 and so on that end at each place; 0 where none does."""
    found, parents, first = [], rows.ids, ngrams.n_tokens
    for n, keys in enumerate(ngrams.keys, start=2):
        padded = g.op("Pad", rows.ids, [0, n - 1, 0, 0], 0)
        left = g.op("Slice", padded, [0], [1 - n], [1])
        fits = g.op("And", g.op("Greater", left, UNK_ID), g.op("Greater", parents, UNK_ID))
        key = g.op("Add", g.op("Mul", left, 1 << 32), parents)
        parents = g.op(
            "LabelEncoder", g.op("Where", fits, key, -1), domain="ai.onnx.ml",
            keys_int64s=keys, values_int64s=np.arange(first, first + len(keys)), default_int64=0,
        )  # fmt: skip
        found.append(parents)
        first += len(keys)
    return found


def longest_ngrams(g: Graph, ngrams: NGrams, rows: Rows) -> Rows:
    """Each place with the id of the longest n-gram that ends there."""
    ids = rows.ids
    for found in ngrams_of_each_length(g, ngrams, rows):
        ids = g.op("Where", g.op("Greater", found, 0), found, ids)
    return rows._replace(ids=ids)

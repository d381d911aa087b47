"""Prediction for documents of any length, in memory that hardly grows with it.

A document is read in windows. Where its segments begin anew, windows are runs of segments. Else
the states between windows are handed on: a layer's second direction, and whatever stands above
one, needs the states of windows that come later, so those are found first and kept, one for each
window, and the outputs below are computed again (``recompute.py`` has the same idea for training).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple, Protocol

import numpy as np

from fastlstm.core.records import TokenBatch, TokenSequences
from fastlstm.data.batching import pack
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import first_input, head
from fastlstm.network.layers import attention, lstm, pooling
from fastlstm.network.parameters import PackedModel

# Tokens from which on a document is read so, and those of a window.
LONG, WINDOW = 1 << 16, 1 << 13


class Tokens(Protocol):
    """A document's tokens, a window at a time.

    Attributes
    ----------
    n_tokens : int
    """

    n_tokens: int

    def read(self, first: int, last: int) -> TokenSequences:
        """Tokens ``first`` to ``last`` as one document, with what stands beside them."""


class InMemory(NamedTuple):
    """Those of one document; see ``Tokens``."""

    document: TokenSequences

    @property
    def n_tokens(self) -> int:
        return len(self.document.ids)

    def read(self, first: int, last: int) -> TokenSequences:
        features = self.document.features
        own = None if features is None else features[first:last]
        return TokenSequences(self.document.ids[first:last], np.array([0, last - first]), None, own)


_NO_ATTENTION = np.zeros(0)


class Gathered(NamedTuple):
    """What pooling needs of the steps that were read.

    Attributes
    ----------
    n_tokens : int
    largest : float array, shape (width,)
    sums : float64 array, shape (width,)
    first, last : float arrays, shape (width,)
        Outputs of the first step and of the last.
    most, total : float
    weighted : float64 array, shape (width,)
        As the kernel ``attend_forward`` has them.
    """

    n_tokens: int
    largest: np.ndarray
    sums: np.ndarray
    first: np.ndarray
    last: np.ndarray
    most: float = -np.inf
    total: float = 0.0
    weighted: np.ndarray = _NO_ATTENTION

    def then(self, other: Gathered) -> Gathered:
        """These steps and those of ``other`` behind them."""
        both = Gathered(
            self.n_tokens + other.n_tokens, np.maximum(self.largest, other.largest),
            self.sums + other.sums, self.first, other.last,
        )  # fmt: skip
        if not len(self.weighted):
            return both
        most = max(self.most, other.most)
        mine, theirs = np.exp(self.most - most), np.exp(other.most - most)
        return both._replace(
            most=most, total=self.total * mine + other.total * theirs,
            weighted=self.weighted * mine + other.weighted * theirs,
        )  # fmt: skip

    def vector(self, config: ModelConfig) -> np.ndarray:
        """The document's vector, shape (1, pooled_width)."""
        hidden, dtype = config.hidden_size, self.largest.dtype
        mean = (self.sums / self.n_tokens).astype(dtype)
        found = {
            "max": lambda: self.largest,
            "mean": lambda: mean,
            "mean_max": lambda: np.concatenate([mean, self.largest]),
            "last": lambda: np.concatenate([self.last[:hidden], self.first[hidden:]]),
            "attention": lambda: (self.weighted / self.total).astype(dtype),
        }[config.pooling]()
        return np.ascontiguousarray(found[None])


class LongDocument:
    """One document on its way through a network.

    Parameters
    ----------
    k : Kernels
    config : ModelConfig
    packed : PackedModel
    source : embedding.Table, or list of float arrays
        As ``forward`` has it.
    tokens : Tokens
        At least one.
    """

    def __init__(self, k: Kernels, config: ModelConfig, packed: PackedModel, source, tokens):
        self.k, self.config, self.packed = k, config, packed
        self.source, self.tokens = source, tokens
        self._states: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}

    def logits(self, workspaces, run: Callable = map, beside=None, side=None) -> np.ndarray:
        """Logits, shape (1, n_outputs).

        Parameters
        ----------
        workspaces : WorkspacePool
        run : callable
            ``map``, or one that spreads calls over threads, for segments that begin anew.
        beside : callable or None
            As in ``forward``, for two directions that are handed on.
        side : float array, shape (1, n_side), or None
        """
        if self.config.cut_length:

            def gather(ends):
                with workspaces.borrow() as work:
                    return self._segments(work, *ends)

            parts = run(gather, self._runs())
        else:
            parts = self._windows(workspaces, beside)
        gathered = reduce(Gathered.then, parts)
        nothing = np.zeros(0, dtype=np.int64)
        batch = TokenBatch(nothing, nothing, nothing, nothing, nothing, side=side)
        with workspaces.borrow() as work:
            vector = gathered.vector(self.config)
            found, _ = head(self.k, work, self.config, vector, self.packed, batch)
            logits: np.ndarray = found.copy()
        return logits

    # -- segments that begin anew -------------------------------------------

    def _runs(self) -> list[tuple[int, int]]:
        """Numbers of segments of about a window, from the first up to but without the last."""
        n_segments = -(-self.tokens.n_tokens // self.config.cut_length)
        size = max(1, WINDOW // self.config.cut_length)
        return [(low, min(low + size, n_segments)) for low in range(0, n_segments, size)]

    def _segments(self, work, low: int, high: int) -> Gathered:
        n_tokens = self.tokens.n_tokens
        n_segments = -(-n_tokens // self.config.cut_length)
        borders = np.arange(low, high + 1) * n_tokens // n_segments  # as data/batching.py, _cut
        part = self.tokens.read(int(borders[0]), int(borders[-1]))
        part = part._replace(offsets=borders - borders[0])
        batch = pack(self.k, part, np.arange(high - low))
        caches: list[lstm.LSTMCache] = []
        for layer, directions in enumerate(self.packed.layers):
            rows = lstm.LayerInput(caches[-1].out) if layer else self._first_input(work, batch)
            cache = lstm.forward(self.k, work, f"long.{layer}", rows, batch, directions, False)
            caches.append(cache)
        return self._gathered(work, caches[-1].out, batch)

    # -- states that are handed on ------------------------------------------

    @property
    def _n_windows(self) -> int:
        return -(-self.tokens.n_tokens // WINDOW)

    def _windows(self, workspaces, beside):
        """What each window adds, in their order."""
        config, self._beside = self.config, beside
        with workspaces.borrow() as work:
            # The first direction's states are found on the way where nothing is above it.
            for layer in range(config.num_layers if config.bidirectional else 0):
                is_last = layer == config.num_layers - 1
                for d in range(1 if is_last else 0, 2):
                    order = range(self._n_windows)
                    for number in reversed(order) if d else order:
                        self._sweep(work, layer, number, self._batch(number), d)
            for number in range(self._n_windows):
                batch = self._batch(number)
                out = self._sweep(work, config.num_layers - 1, number, batch)
                yield self._gathered(work, out, batch)

    def _batch(self, number: int) -> TokenBatch:
        first = number * WINDOW
        last = min(first + WINDOW, self.tokens.n_tokens)
        return pack(self.k, self.tokens.read(first, last), np.zeros(1, dtype=np.int64))

    def _sweep(self, work, layer, number, batch, only=None) -> np.ndarray:
        """A layer's outputs in a window, or one direction alone; the states that it hands on."""
        if layer:
            rows = lstm.LayerInput(self._sweep(work, layer - 1, number, batch))
        else:
            rows = self._first_input(work, batch)
        directions, hidden = self.packed.layers[layer], self.config.hidden_size
        given = [self._before(layer, d, number) for d in range(len(directions))]
        initial = lstm.InitialState([h for h, _ in given], [c for _, c in given])
        sweeps, cache = lstm.sweeps(
            self.k, work, f"long.{layer}", rows, batch, directions, False, initial, only=only
        )
        calls = list(sweeps)
        if len(calls) < 2 or self._beside is None or not self._beside(calls, None):
            for call in calls:
                call()
        for place, d in enumerate(range(len(directions)) if only is None else [only]):
            own = slice(d * hidden, (d + 1) * hidden)
            last = cache.out[:1, own] if d else cache.out[-1:, own]
            following = number - 1 if d else number + 1
            self._states[layer, d, following] = last.copy(), cache.c[place].copy()
        return cache.out

    def _before(self, layer, d, number) -> tuple[np.ndarray, np.ndarray]:
        """The state with which a direction begins a window."""
        known = self._states.get((layer, d, number))
        if known is not None:
            return known
        dtype, config = self.packed.dense.b.dtype, self.config
        return np.zeros((1, config.hidden_size), dtype), np.zeros((1, config.cell_width), dtype)

    # -- both ---------------------------------------------------------------

    def _first_input(self, work, batch) -> lstm.LayerInput:
        inputs, _ = first_input(self.k, work, self.config, self.source, batch)
        return inputs

    def _gathered(self, work, out, batch) -> Gathered:
        """Of the last layer's outputs of some sequences, which follow one another in ``rows``."""
        hidden, k = self.config.hidden_size, self.k
        # Segments are sorted by length; equal ones are in their order.
        first, last = int(np.argmin(batch.rows)), int(np.argmax(batch.rows))
        end = int(batch.starts[batch.lengths[last] - 1]) + last
        both, _ = pooling.forward(k, work, out, batch, "mean_max", hidden)
        mean, largest = both[:, : out.shape[1]].astype(np.float64), both[:, out.shape[1] :]
        found = Gathered(
            batch.n_tokens, largest.max(axis=0), batch.lengths @ mean, out[first].copy(),
            out[end].copy(),
        )  # fmt: skip
        if self.packed.attention is None:
            return found
        attended = attention.begin_together(work, batch, out.shape[1])
        attention.read(k, attended, self.packed.attention, out, batch, attended.scores)
        return found._replace(
            most=float(attended.most[0]), total=float(attended.total[0]),
            weighted=attended.sums[0].astype(np.float64),
        )  # fmt: skip

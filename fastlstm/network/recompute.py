"""One shard through the network and back, with states kept at some steps alone.

What ``forward.py`` keeps of every token, gates and states and outputs, is computed again here when
the backward pass comes to it, a part of the steps at a time (Chen et al. 2016, "Training deep nets
with sublinear memory cost"). Memory then grows with the root of the number of steps, but for what
a layer hands to the one below it and for outputs of a network that classifies each token.

Gradients have the bits of the plain pass: a kernel's backward sweep does its sums in blocks of
tokens, and parts begin and end where such blocks do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.records import TokenBatch
from fastlstm.kernels.arguments import DirectionGradient, DirectionState, StateGradient, Steps
from fastlstm.kernels.contract import POOLING, Kernels
from fastlstm.kernels.layout import BLOCK_TOKENS
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import attention, dropout, embedding, lstm

_NO_INDEX = np.zeros(0, dtype=np.int32)


# Bytes of states of a shard up to which all of them are kept.
_AUTO_BYTES = 256 << 20


def is_worth_it(config: ModelConfig, n_tokens: int, itemsize: int, recompute: bool | str) -> bool:
    """Whether a shard of so many tokens keeps the states of few steps.

    Parameters
    ----------
    config : ModelConfig
    n_tokens : int
    itemsize : int
        Bytes of a number.
    recompute : bool or "auto"
        "auto" says yes where all states would take more than 256 MiB.
    """
    if isinstance(recompute, str):
        # Gates, cells, and outputs with their gradient.
        of_unit = config.hidden_size * (config.n_gates + 2) + config.cell_width
        numbers = config.num_layers * config.n_directions * of_unit
        return n_tokens * numbers * itemsize > _AUTO_BYTES
    return recompute


class Part(NamedTuple):
    """Steps ``low`` to ``high``, which are a batch of their own.

    Attributes
    ----------
    low, high : int
    n_live, starts : int64 arrays, shape (high - low,)
        As in ``TokenBatch``, from the part's first token on.
    first, last : int
        Its tokens in the batch.
    """

    low: int
    high: int
    n_live: np.ndarray
    starts: np.ndarray
    first: int
    last: int

    @property
    def tokens(self) -> slice:
        return slice(self.first, self.last)

    @property
    def n_tokens(self) -> int:
        return self.last - self.first


def block_borders(n_live: np.ndarray, ascending: bool) -> list[int]:
    """Steps between which a backward sweep does its sums, in its order, both ends included."""
    before, most = np.concatenate([[0], np.cumsum(n_live)]), BLOCK_TOKENS
    step = 0 if ascending else len(n_live)
    borders = [step]
    while ascending and step < len(n_live):
        step = max(step + 1, int(np.searchsorted(before, before[step] + most, "right")) - 1)
        borders.append(step)
    while not ascending and step > 0:
        step = min(step - 1, int(np.searchsorted(before, before[step] - most, "left")))
        borders.append(step)
    return borders


# A token of a part takes about so many times the memory of a kept state; and fewer blocks than
# these make a part slower than it need be.
_TOKEN, _FEWEST = 8, 4


def _some(borders: list[int]) -> list[int]:
    """Those between which parts take about as much memory as the states kept at them, rising."""
    every = max(_FEWEST, round((BLOCK_TOKENS * len(borders) / _TOKEN) ** 0.5 / BLOCK_TOKENS))
    return sorted({*borders[::every], borders[-1]})


class Walk:
    """The parts of a batch, in every layer and direction.

    Parameters
    ----------
    k : Kernels
    work : Workspace
    config : ModelConfig
    packed : PackedModel
    batch : TokenBatch
    looked_up : embedding.EmbeddingOutput
    keys : sequence of int, or None
        As in ``forward``.
    """

    def __init__(
        self, k: Kernels, work, config: ModelConfig, packed, batch: TokenBatch,
        looked_up: embedding.EmbeddingOutput, keys,
    ):  # fmt: skip
        self.k, self.work, self.config, self.packed = k, work, config, packed
        self.batch, self.looked_up, self.keys = batch, looked_up, keys
        # Where the backward sweep of each direction may begin and end.
        self.borders = [
            _some(block_borders(batch.n_live, d == 1)) for d in range(config.n_directions)
        ]
        every = sorted({step for borders in self.borders for step in borders})
        self.parts = [self._part(*ends) for ends in zip(every[:-1], every[1:], strict=True)]
        # (layer, direction, step) -> states before that step, of the rows that have some.
        self._states: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._projected: dict[int, tuple[int, np.ndarray]] = {}
        inputs = lstm.LayerInput(looked_up.vectors, looked_up.inverse)
        self.distinct = not config.n_step_features and lstm.projects_distinct(
            inputs, batch.n_tokens, lstm.TERMS_TRAINING
        )

    def _part(self, low: int, high: int) -> Part:
        batch = self.batch
        first = int(batch.starts[low])
        last = int(batch.starts[high - 1] + batch.n_live[high - 1])
        return Part(
            low, high, batch.n_live[low:high], batch.starts[low:high] - first, first, last
        )  # fmt: skip

    def in_order(self, d: int) -> list[Part]:
        """All parts as a sweep in this direction meets them."""
        return self.parts[::-1] if d == 1 else self.parts

    def for_backward(self, d: int) -> list[Part]:
        """What the backward sweep of a direction does at once, in its order."""
        borders = self.borders[d]
        parts = [self._part(*ends) for ends in zip(borders[:-1], borders[1:], strict=True)]
        return parts if d == 1 else parts[::-1]

    # -- forward ------------------------------------------------------------

    def project(self, d: int) -> np.ndarray | None:
        """What the first layer makes of the distinct vectors, where that is worth it."""
        if not self.distinct:
            return None
        # Below another layer, and below attention, parts ask for both directions in turn.
        in_turn = self.config.num_layers > 1 or self.config.has_attention
        place = d if in_turn else 0
        if self._projected.get(place, (None, None))[0] != d:
            found = lstm.project(
                self.k, self.work, f"again.projected.{place}", self.looked_up.vectors,
                self.packed.layers[0][d],
            )  # fmt: skip
            self._projected[place] = d, found
        return self._projected[place][1]

    def inputs(self, layer: int, part: Part, projected=None) -> tuple[np.ndarray, np.ndarray]:
        """Rows that a layer reads in a part, and an index of each token into them."""
        if layer == 0 and projected is not None:
            return projected, self.looked_up.inverse[part.tokens]
        if layer == 0:
            features = self.batch.features
            return embedding.for_each_token(
                self.k, self.work, self.looked_up.vectors, self.looked_up.inverse[part.tokens],
                None if features is None else features[part.tokens],
            ), _NO_INDEX  # fmt: skip
        outputs = self.outputs(layer - 1, part)
        key = None if self.keys is None else int(self.keys[layer])
        rows = dropout.apply(
            self.k, self.work, f"again.{layer}.drop", outputs, self.config.dropout, key, part.first
        )
        return rows, _NO_INDEX

    def outputs(self, layer: int, part: Part) -> np.ndarray:
        """What a layer puts out in a part, of which all states are known."""
        config = self.config
        out = self.work.array(f"again.{layer}.out", part.n_tokens, config.output_width)
        shared = None if layer == 0 and self.distinct else self.inputs(layer, part)
        for d in range(config.n_directions):
            rows = self.inputs(0, part, self.project(d)) if shared is None else shared
            self.sweep(layer, d, part, rows, out, d * config.hidden_size)
        return out

    def before(self, layer: int, d: int, part: Part) -> DirectionState:
        """States that a direction brings into a part."""
        n, hidden = int(part.n_live[0]), self.config.hidden_size
        h = self.work.zeros("again.h0", n, hidden)
        c = self.work.zeros("again.c0", n, self.config.cell_width)
        known = self._states.get((layer, d, part.high if d else part.low))
        if known is not None:
            h[: len(known[0])], c[: len(known[1])] = known
        return DirectionState(h, c, known is not None)

    def sweep(self, layer: int, d: int, part: Part, rows, out: np.ndarray, column: int):
        """One direction of a layer over a part: gates and cells, and outputs into ``out``."""
        k, work, config = self.k, self.work, self.config
        packed = self.packed.layers[layer][d]
        gates = work.array("again.gates", part.n_tokens, len(packed.b))
        c = work.array("again.c", part.n_tokens, config.cell_width)
        done = work.array("again.done", 1, dtype=np.int64)
        memory = lstm.scratch(k, work, packed, int(part.n_live[0]), "again")
        source, index = rows
        k.lstm_forward(
            source, index, packed, Steps(part.n_live, part.starts, d == 1, column),
            self.before(layer, d, part), True, memory, lstm.READY, done, gates, out, c,
        )  # fmt: skip
        return gates, c

    def keep_states(self, layer: int, d: int, part: Part, out: np.ndarray, c: np.ndarray) -> None:
        """Keep what this part hands to the next one; ``out`` has this direction alone."""
        if d == 1 and part.low > 0:
            n = int(part.n_live[0])
            self._states[layer, d, part.low] = out[:n].copy(), c[:n].copy()
        elif d == 0 and part.high < len(self.batch.n_live):
            n, at = int(self.batch.n_live[part.high]), int(part.starts[-1])
            self._states[layer, d, part.high] = out[at : at + n].copy(), c[at : at + n].copy()

    # -- backward -----------------------------------------------------------

    def backward(self, layer: int, d_out, gradients) -> np.ndarray:
        """The gradient of a layer's input rows; ``d_out(part)`` is that of its outputs."""
        k, work, config = self.k, self.work, self.config
        packed_layer = self.packed.layers[layer]
        n_inputs, hidden = packed_layer[0].n_inputs, config.hidden_size
        n, dtype = self.batch.n_sequences, work.dtype
        padded, padded_inputs = k.padded_width(hidden, dtype), k.padded_width(n_inputs, dtype)
        zeros = work.zeros("again.zeros", max(padded, padded_inputs))
        distinct = layer == 0 and self.distinct
        rows_of = len(self.looked_up.vectors) if distinct else self.batch.n_tokens
        d_tokens = work.array(f"again.{layer}.d_tokens", rows_of, padded_inputs)
        previous = work.array("again.previous", k.block_rows(n), hidden)
        nothing = work.array("again.nothing", 0, 0)
        for d, packed in enumerate(packed_layer):
            d_state = StateGradient(
                work.zeros("again.d_h", n, padded), work.zeros("again.d_c", n, config.cell_width)
            )
            summed = None
            if distinct:
                summed = work.zeros("again.summed", rows_of, len(packed.b))
            projected = self.project(d) if distinct else None
            of_weights = DirectionGradient(nothing, nothing, work.array("again.no_bias", 0))
            if gradients is not None:
                of_weights = gradients.layers[layer][d]
            for part in self.for_backward(d):
                rows, index = self.inputs(layer, part, projected)
                out = work.array("again.own", part.n_tokens, hidden)
                gates, c = self.sweep(layer, d, part, (rows, index), out, 0)
                live = int(part.n_live[0])
                k.lstm_backward(
                    nothing if distinct else rows, index, packed,
                    Steps(part.n_live, part.starts, d == 1, 0, config.border, part.low),
                    self.before(layer, d, part), gates, out, c, d_out(part, d), d == 1,
                    lstm.scratch(k, work, packed, live, "again"), previous, zeros,
                    StateGradient(d_state.h[:live], d_state.c[:live]),
                    d_tokens[part.tokens] if summed is None else summed, of_weights,
                )  # fmt: skip
            if summed is not None:
                lstm.backward_of_distinct(
                    k, work, packed, d, self.looked_up.vectors, summed, d_tokens, zeros,
                    None if gradients is None else of_weights,
                )  # fmt: skip
        return lstm.narrow(d_tokens, n_inputs)


class Pooled:
    """Pooled vectors that grow part by part, and their gradient in each part.

    Parameters
    ----------
    walk : Walk
    """

    def __init__(self, walk: Walk):
        self.walk = walk
        n, width = walk.batch.n_sequences, walk.config.output_width
        dtype = walk.work.dtype
        self.mean = "mean" in walk.config.pooling
        self.max = "max" in walk.config.pooling
        self.sum = np.zeros((n, width), dtype)
        self.best = np.zeros((n, width), dtype)
        self.winner = np.zeros((n, width), dtype=np.int32)

    def take(self, d: int, part: Part, out: np.ndarray) -> None:
        """The outputs of a direction in a part, in the order of its sweep."""
        own = slice(d * out.shape[1], (d + 1) * out.shape[1])
        if self.max:
            self._take_largest(d, part, out, own)
        elif not self.mean:
            self._take_last(d, part, out, own)
        if self.mean and d == 0:
            self._add(d, part, out)

    def complete(self) -> None:
        """All states are known: the mean of the second direction, from its first step on."""
        walk = self.walk
        if not self.mean or walk.config.n_directions == 1:
            return
        layer = walk.config.num_layers - 1
        projected = walk.project(1) if layer == 0 else None
        for part in walk.parts:
            rows = walk.inputs(layer, part, projected)
            out = walk.work.array("again.own", part.n_tokens, walk.config.hidden_size)
            walk.sweep(layer, 1, part, rows, out, 0)
            self._add(1, part, out)

    def _add(self, d: int, part: Part, out: np.ndarray) -> None:
        """The sum of a mean is one from the first step to the last."""
        own = slice(d * out.shape[1], (d + 1) * out.shape[1])
        for n, start in zip(part.n_live.tolist(), part.starts.tolist(), strict=True):
            self.sum[:n, own] += out[start : start + n]

    def _take_last(self, d, part, out, own):
        if d == 1:
            if part.low == 0:
                self.best[:, own] = out[: part.n_live[0]]
            return
        lengths = self.walk.batch.lengths
        rows = np.flatnonzero((lengths > part.low) & (lengths <= part.high))
        self.best[rows, own] = out[part.starts[lengths[rows] - 1 - part.low] + rows]

    def _take_largest(self, d, part, out, own):
        k, work = self.walk.k, self.walk.work
        n, width = int(part.n_live[0]), out.shape[1]
        found = work.array("again.pooled", n, width)
        places = work.array("again.winner", n, width, dtype=np.int32)
        lengths = np.minimum(self.walk.batch.lengths[:n], part.high) - part.low
        k.pool_forward(out, part.n_live, part.starts, lengths, POOLING["max"], width, found, places)
        places += np.int32(part.first)
        best, winner = self.best[:n, own], self.winner[:n, own]
        # Rows that an earlier part has shown; in reverse a document joins at its last token.
        known = n if part.low else 0
        if d == 1:
            live = self.walk.batch.n_live
            known = int(live[part.high]) if part.high < len(live) else 0
        later = (found[:known], best[:known]) if d else (best[:known], found[:known])
        with np.errstate(invalid="ignore"):  # of the earlier, as the kernel compares them
            better = ~(later[1] <= later[0]) & (later[0] == later[0])
        takes = ~better if d else better
        best[:known][takes], winner[:known][takes] = found[:known][takes], places[:known][takes]
        best[known:], winner[known:] = found[known:], places[known:]

    def vectors(self) -> np.ndarray:
        """Pooled vectors, shape (n_sequences, pooled width)."""
        if not self.mean:
            return self.best
        mean = self.sum / self.walk.batch.lengths[:, None].astype(self.sum.dtype)
        return np.concatenate([mean, self.best], axis=1) if self.max else mean

    def gradient(self, d_pooled: np.ndarray, part: Part, d: int) -> np.ndarray:
        """Gradient of a direction's outputs in a part."""
        hidden, width = self.walk.config.hidden_size, self.walk.config.output_width
        own = slice(d * hidden, (d + 1) * hidden)
        lengths = self.walk.batch.lengths
        out = self.walk.work.zeros("again.d_own", part.n_tokens, hidden)
        n = int(part.n_live[0])
        if self.mean:
            step = np.repeat(part.starts, part.n_live)
            row = np.arange(part.n_tokens) - step
            out[:] = (d_pooled[:n, own] / lengths[:n, None].astype(out.dtype))[row]
        if self.max:
            winner = self.winner[:n, own]
            row, unit = np.nonzero((winner >= part.first) & (winner < part.last))
            of_max = d_pooled[:n, d_pooled.shape[1] - width :][:, own]
            out[winner[row, unit] - part.first, unit] += of_max[row, unit]
        elif not self.mean and d == 1:
            if part.low == 0:
                out[:n] += d_pooled[:n, own]
        elif not self.mean:
            rows = np.flatnonzero((lengths > part.low) & (lengths <= part.high))
            out[part.starts[lengths[rows] - 1 - part.low] + rows] += d_pooled[rows, own]
        return out


class Weighted:
    """As ``Pooled``, for attention, which sees both directions of a step.

    Parameters
    ----------
    walk : Walk
    """

    def __init__(self, walk: Walk):
        self.walk = walk
        self.attended = attention.begin(walk.work, walk.batch, walk.config.output_width)
        self.d_scores: np.ndarray | None = None

    def take(self, d: int, part: Part, out: np.ndarray) -> None:
        """The outputs of a direction in a part; of two they are read when both are known."""
        if self.walk.config.n_directions == 1:
            self._read(part, out)

    def complete(self) -> None:
        """All states are known."""
        if self.walk.config.n_directions == 2:
            for part in self.walk.parts:
                self._read(part, self.walk.outputs(self.walk.config.num_layers - 1, part))

    def _read(self, part: Part, out: np.ndarray) -> None:
        scores = self.attended.scores[part.tokens]
        attention.read(self.walk.k, self.attended, self.walk.packed.attention, out, part, scores)

    def vectors(self) -> np.ndarray:
        """Pooled vectors of the documents."""
        return self.attended.pooled()

    def go_back(self, d_pooled: np.ndarray, gradients) -> None:
        """What ``gradient`` needs: weights of all tokens, and gradients of their scores."""
        walk = self.walk
        self.d_scores = walk.work.array("again.d_scores", walk.batch.n_tokens)
        nothing = walk.work.array("attention.nothing", 0)
        d_w = nothing if gradients is None else gradients.attention.w
        for part in walk.parts:
            out = walk.outputs(walk.config.num_layers - 1, part)
            attention.score_back(
                walk.k, self.attended, out, part, d_pooled, self.attended.scores[part.tokens],
                self.d_scores[part.tokens], d_w,
            )  # fmt: skip

    def gradient(self, d_pooled: np.ndarray, part: Part, d: int) -> np.ndarray:
        """Gradient of a direction's outputs in a part."""
        walk, hidden = self.walk, self.walk.config.hidden_size
        assert self.d_scores is not None, "the way back begins with ``go_back``"
        own = slice(d * hidden, (d + 1) * hidden)
        out = walk.work.array("again.d_own", part.n_tokens, hidden)
        walk.k.attend_spread(
            part.n_live, part.starts, self.attended.owner,
            np.ascontiguousarray(walk.packed.attention.w[own]),
            np.ascontiguousarray(d_pooled[:, own]), self.attended.scores[part.tokens],
            self.d_scores[part.tokens], out,
        )  # fmt: skip
        return out


class Kept(NamedTuple):
    """What the forward pass leaves: the walk, and the outputs of the last layer in a short form.

    ``pooled`` is None where each token is classified; ``out`` then holds the outputs.
    """

    walk: Walk
    pooled: Pooled | Weighted | None
    out: np.ndarray | None


def forward(k: Kernels, work, config, packed, batch, looked_up, keys) -> tuple[np.ndarray, Kept]:
    """The pooled vectors of a packed shard, or the last layer's outputs.

    Parameters
    ----------
    k, work, config, packed, batch, looked_up, keys
        As ``Walk`` has them.

    Returns
    -------
    pooled : float array, shape (n_sequences, pooled_width) or (n_tokens, output_width)
    kept : Kept
    """
    walk = Walk(k, work, config, packed, batch, looked_up, keys)
    pooled: Pooled | Weighted | None = None
    if not config.by_step:
        pooled = Weighted(walk) if config.has_attention else Pooled(walk)
    whole, hidden = None, config.hidden_size
    if config.by_step:
        whole = work.array("again.whole", batch.n_tokens, config.output_width)
    for layer in range(config.num_layers):
        is_last = layer == config.num_layers - 1
        for d in range(config.n_directions):
            projected = walk.project(d) if layer == 0 else None
            for part in walk.in_order(d):
                rows = walk.inputs(layer, part, projected)
                out = work.array("again.own", part.n_tokens, hidden)
                _, c = walk.sweep(layer, d, part, rows, out, 0)
                walk.keep_states(layer, d, part, out, c)
                if is_last and pooled is not None:
                    pooled.take(d, part, out)
                elif is_last and whole is not None:
                    whole[part.tokens, d * hidden : (d + 1) * hidden] = out
    if pooled is not None:
        pooled.complete()
    found: Any = whole if pooled is None else pooled.vectors()
    return found, Kept(walk, pooled, whole)


def backward(kept: Kept, d_found: np.ndarray, gradients) -> np.ndarray:
    """Gradient of what the first layer reads: of distinct vectors, or of each token's row.

    Parameters
    ----------
    kept : Kept
    d_found : float array
        Gradient of what ``forward`` gave.
    gradients : DenseGradients or None
        Those of the LSTM's weights are added to it.
    """
    walk, config = kept.walk, kept.walk.config
    hidden = config.hidden_size

    def of_pooled(part, d):
        return kept.pooled.gradient(d_found, part, d)

    def of_tokens(whole):
        def own(part, d):
            return np.ascontiguousarray(whole[part.tokens, d * hidden : (d + 1) * hidden])

        return own

    if isinstance(kept.pooled, Weighted):
        kept.pooled.go_back(d_found, gradients)
    d_out = of_tokens(d_found) if kept.pooled is None else of_pooled
    for layer in reversed(range(config.num_layers)):
        found = walk.backward(layer, d_out, gradients)
        if layer:
            if walk.keys is not None and config.dropout:
                walk.k.dropout(found, config.dropout, int(walk.keys[layer]), 0, found)
            d_out = of_tokens(found)
    return found

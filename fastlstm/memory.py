"""What a network remembers: gradients of its output by states and inputs of earlier steps.

A gradient that fades with the distance says that what stood there hardly counts, and that little
can be learned of it (Hochreiter 1991; Bengio, Simard and Frasconi 1994); one that grows makes
training unstable (Pascanu, Mikolov and Bengio 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.classifier.fitted import FittedModel, Scorer
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenBatch, TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import CELL_NAMES, ModelConfig
from fastlstm.network.forward import ForwardState, backward_head, forward
from fastlstm.network.layers import lstm
from fastlstm.network.parameters import Parameters, init_parameters, pack_model

# Documents that are walked together.
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class GradientNorms:
    """Norms of gradients by lag, the mean over documents and networks.

    The lag of a step is how many steps the direction that reads it still has to go: 0 is the step
    that it reads last, which in reverse is the first of the document. Of documents in segments
    with fresh states it counts to the end of a segment.

    Attributes
    ----------
    states : float64 array, shape (n_layers, n_directions, n_lags)
        Of a logit by the outputs ``h`` of a step, through all that comes of them.
    cells : float64 array, shape (n_layers, n_directions, n_lags)
        By the cells ``c``; empty in the last axis for a plain RNN, which has none.
    inputs : float64 array, shape (n_directions, n_lags)
        By a token's vector, with its features, as one direction of the first layer reads it.
    n_documents : int64 array, shape (n_lags,)
        Documents, or segments, that are long enough.
    cell : {"lstm", "rnn"}
    title : str
        What was measured.
    """

    states: np.ndarray
    cells: np.ndarray
    inputs: np.ndarray
    n_documents: np.ndarray
    cell: str
    title: str

    @property
    def lags(self) -> np.ndarray:
        """0, 1, 2, ..., shape (n_lags,)."""
        return np.arange(len(self.n_documents))

    def half_life(self, layer: int = 0, direction: int = 0) -> float:
        """Steps in which the gradient by states halves, from a line through the logarithms.

        Lags count by the documents that have them. Infinity where the gradient grows or stays,
        NaN where it is 0 everywhere but at one lag at most.
        """
        norms = self.states[layer, direction]
        used = norms > 0
        if np.count_nonzero(used) < 2:
            return float("nan")
        weights = np.sqrt(self.n_documents[used])
        slope = np.polyfit(self.lags[used], np.log2(norms[used]), 1, w=weights)[0]
        return float(-1 / slope) if slope < 0 else float("inf")

    def __repr__(self) -> str:
        lives = ", ".join(f"{self.half_life(layer):.3g}" for layer in range(len(self.states)))
        return f"<GradientNorms of {self.title}: half-life by layer {lives} steps>"


def gradient_norms(
    clf: Any, X: Any, *, target: int | None = None, cell: str | None = None,
    forget_bias: float | None = None, random_state: int | None = None,
) -> GradientNorms:  # fmt: skip
    """How much a network's output depends on each earlier state and input.

    Parameters
    ----------
    clf : LSTMClassifier, LSTMSentimentClassifier or Predictor
        Fitted. Its linear part does not count.
    X : documents
        As ``clf`` takes them. Those without a token are left out.
    target : int or None
        The logit that counts, the number of a class; None is that of the class which a network
        finds most likely. With two classes there is one logit, of either.
    cell : {"lstm", "rnn"} or None
        With this or one of the next two not None, a fresh network of the model's shape takes the
        place of those that were trained. None is then the model's cell.
    forget_bias : float or None
        What biases of its forget gates are; None is then 1. An RNN has none.
    random_state : int or None
        Seed of its weights; None is then 0.

    Returns
    -------
    GradientNorms

    Raises
    ------
    TypeError
        If ``clf`` is something else.
    ValueError
        If there is no such cell or logit, ``forget_bias`` is not finite, no document has a
        token, or each step is classified.
    """
    scorer, encoded = _read(clf, X)
    model = scorer.model
    if cell is not None and cell not in CELL_NAMES:
        kinds = ", ".join(map(repr, CELL_NAMES))
        raise ValueError(f"cell={cell!r} is not known; use one of {kinds}.")
    if model.config.by_step:
        raise ValueError(
            'clf classifies each step; pass one that was fitted with targets="documents".'
        )
    n_outputs = model.config.n_outputs
    if target is not None and not (isinstance(target, int) and 0 <= target < n_outputs):
        which = "0 or None" if n_outputs == 1 else f"None or a number from 0 to {n_outputs - 1}"
        raise ValueError(f"target={target!r} is no logit of this model; use {which}.")
    if forget_bias is not None and not (
        isinstance(forget_bias, (int, float)) and np.isfinite(forget_bias)
    ):
        raise ValueError(f"forget_bias={forget_bias!r} is no finite number; 1 is usual.")
    if random_state is not None and not (isinstance(random_state, int) and random_state >= 0):
        raise ValueError(
            f"random_state={random_state!r} is no seed; pass a whole number from 0 on."
        )
    config = model.config if cell is None else model.config._replace(cell=cell)
    networks: list[Parameters] = list(model.networks)
    title = f"a trained {config.cell}"
    if any(value is not None for value in (cell, forget_bias, random_state)):
        bias = 1.0 if forget_bias is None else float(forget_bias)
        title = f"a fresh {config.cell}" + ("" if config.cell == "rnn" else f", bias {bias:g}")
        networks = [_fresh(model, config, bias, random_state or 0)]
    return norms_of(config, networks, model.ngrams.longest(encoded), target, title)


def norms_of(
    config: ModelConfig, networks: list[Parameters], sequences: TokenSequences,
    target: int | None = None, title: str = "networks",
) -> GradientNorms:  # fmt: skip
    """As ``gradient_norms``, for networks of a shape, and ids as they read them.

    Raises
    ------
    ValueError
        If no document has a token.
    """
    rows = np.flatnonzero(sequences.lengths)
    if not len(rows):
        raise ValueError("X has no token in any document: pass documents that the model reads.")
    sums = _Sums(config)
    for parameters in networks:
        for first in range(0, len(rows), _AT_ONCE):
            sums.add(parameters, sequences, rows[first : first + _AT_ONCE], target)
    return sums.means(len(networks), title)


def _read(clf: Any, X: Any) -> tuple[Scorer, TokenSequences]:
    """A fitted model, and documents as its networks read them."""
    encode = getattr(clf, "encode", None)
    if not hasattr(clf, "decision_function"):
        raise TypeError(
            f"clf is {type(clf).__name__}; pass a fitted classifier of fastlstm or a Predictor."
        )
    if encode is None:
        scorer, encoded, _ = clf._read(X, None)
        return scorer, encoded.sequences
    return clf.scorer_, encode(X).sequences


def _fresh(model: FittedModel, config: ModelConfig, forget_bias: float, seed: int) -> Parameters:
    """Weights as before training."""
    parents = model.ngrams.parents
    return init_parameters(config, make_streams(seed), parents=parents, forget_bias=forget_bias)


class _Sums:
    """Norms of many steps, added up by lag."""

    def __init__(self, config: ModelConfig) -> None:
        self.config, self.k = config, load_backend("reference")
        shape = (config.num_layers, config.n_directions, 0)
        self.states, self.cells = np.zeros(shape), np.zeros(shape)
        self.inputs, self.counts = np.zeros((config.n_directions, 0)), np.zeros(0, dtype=np.int64)

    def add(self, parameters: Parameters, sequences, rows, target) -> None:
        """Some documents in one network, in float64."""
        k, config, work = self.k, self.config, Workspace(np.float64)
        exact = Parameters.from_arrays(
            {name: w.astype(np.float64) for name, w in parameters.arrays().items()},
            parameters.parents,
        )
        packed = pack_model(k, config, exact)
        batch = pack(k, sequences, rows, config.cut_length, config.by_step)
        logits, state = forward(k, work, config, exact.table, packed, batch)
        d_logits = np.zeros_like(logits)
        chosen = logits.argmax(axis=1) if target is None else np.full(len(logits), target)
        d_logits[np.arange(len(logits)), chosen] = 1
        d_out = backward_head(k, work, config, packed, state, d_logits)
        self._grow(batch)
        for layer in reversed(range(config.num_layers)):
            d_out = self._through_layer(exact, batch, state, layer, d_out)

    def _grow(self, batch: TokenBatch) -> None:
        """Room for the lags of a batch, and how many sequences have each."""
        more = max(0, len(batch.n_live) - len(self.counts))

        def wider(array):
            return np.pad(array, [*[(0, 0)] * (array.ndim - 1), (0, more)])

        self.states, self.inputs, self.counts = map(wider, (self.states, self.inputs, self.counts))
        if self.config.cell_width:
            self.cells = wider(self.cells)
        self.counts[: len(batch.n_live)] += batch.n_live

    def _through_layer(
        self, parameters: Parameters, batch: TokenBatch, state: ForwardState, layer, d_out
    ) -> np.ndarray:
        """The gradient of the layer's input rows; norms on the way."""
        hidden, below = self.config.hidden_size, None
        cache = state.caches[layer]
        for d, direction in enumerate(lstm.DIRECTIONS[: self.config.n_directions]):
            weights = parameters.block(f"lstm.{layer}.{direction}")
            own = slice(d * hidden, (d + 1) * hidden)
            steps = _Steps(cache.gates[d], cache.c[d], weights, d_out[:, own], batch, d == 1)
            lags = steps.lags()
            np.add.at(self.states[layer, d], lags, _norms(steps.d_h))
            if self.config.cell_width:
                np.add.at(self.cells[layer, d], lags, _norms(steps.d_c))
            d_rows = steps.d_a @ weights["w_x"].T
            if layer == 0:
                np.add.at(self.inputs[d], lags, _norms(d_rows))
            below = d_rows if below is None else below + d_rows
        assert below is not None, "there is a direction"
        return below

    def means(self, n_networks: int, title: str) -> GradientNorms:
        """All networks have read the same documents."""
        of_all = np.maximum(1, self.counts)
        return GradientNorms(
            self.states / of_all, self.cells / of_all if self.config.cell_width else self.cells,
            self.inputs / of_all, self.counts // n_networks, self.config.cell, title,
        )  # fmt: skip


class _Steps:
    """One direction backward through time, with all that is found on the way.

    docs/explanation/maths.md, eqs. (15) to (23) and (125), with ``d_h`` and ``d_c`` the gradients
    by ``h_t`` and ``c_t`` through all that comes of them.
    """

    def __init__(self, gates, c, weights, d_out, batch: TokenBatch, reverse: bool) -> None:
        self.batch, self.reverse = batch, reverse
        n, hidden = batch.n_sequences, d_out.shape[1]
        w_h = weights["w_h"]
        self.d_a = np.empty((batch.n_tokens, w_h.shape[1]))
        self.d_h, self.d_c = np.empty_like(d_out), np.empty_like(c)
        later_h, later_c = np.zeros((n, hidden)), np.zeros((n, c.shape[1]))
        steps = range(len(batch.n_live))
        for t in steps if reverse else reversed(steps):
            live, at = int(batch.n_live[t]), int(batch.starts[t])
            now = slice(at, at + live)
            self.d_h[now] = d_out[now] + later_h[:live]
            if not c.shape[1]:
                self.d_a[now] = self.d_h[now] * (1 - gates[now] ** 2)
            else:
                i, f, g, o = np.split(gates[now, : 4 * hidden], 4, axis=1)
                squashed = np.tanh(c[now])
                self.d_c[now] = later_c[:live] + self.d_h[now] * o * (1 - squashed**2)
                before = self._before(c, t, live)
                self.d_a[now] = np.concatenate([
                    self.d_c[now] * g * i * (1 - i), self.d_c[now] * before * f * (1 - f),
                    self.d_c[now] * i * (1 - g**2), self.d_h[now] * squashed * o * (1 - o),
                ], axis=1)  # fmt: skip
                later_c[:live] = self.d_c[now] * f
            later_h[:live] = self.d_a[now] @ w_h.T

    def _before(self, c, t: int, live: int) -> np.ndarray:
        """The cells that step ``t`` received."""
        earlier, out = t + 1 if self.reverse else t - 1, np.zeros((live, c.shape[1]))
        if 0 <= earlier < len(self.batch.n_live):
            n, first = min(live, int(self.batch.n_live[earlier])), int(self.batch.starts[earlier])
            out[:n] = c[first : first + n]
        return out

    def lags(self) -> np.ndarray:
        """Of each token, in packed order."""
        step = np.repeat(np.arange(len(self.batch.n_live)), self.batch.n_live)
        if self.reverse:
            return step
        row = np.arange(self.batch.n_tokens) - np.repeat(self.batch.starts, self.batch.n_live)
        lags: np.ndarray = self.batch.lengths[row] - 1 - step
        return lags


def _norms(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("tj,tj->t", rows, rows))

"""Prediction with a network: nothing is kept for a backward pass.

Documents are cut into chunks that threads share out. The projection of the whole
vocabulary is kept between calls where it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import COMPANION, ShardPool
from fastlstm.core.workspace import Workspace, WorkspacePool, aligned_empty
from fastlstm.data.batching import inference_chunks, pack
from fastlstm.kernels.contract import Kernels
from fastlstm.network import long
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import forward
from fastlstm.network.layers import embedding, lstm
from fastlstm.network.parameters import PackedModel, Parameters, pack_model

# Bounds of one inference chunk: enough rows to fill the multipliers, and tokens
# times gates that stay a few megabytes.
CHUNK_DOCUMENTS = 48
_CHUNK_TOKENS = 8192

# Tokens of a document, times the square of the hidden size, from which a second thread
# pays even where it sleeps deeply: waking it then takes some milliseconds.
_SIDE_BY_SIDE = 16_000_000

# Working memory, in bytes, that is kept for the next call; more is given back.
_SPARE_BYTES = 64 << 20

# Tokens of a single document up to which its calls of kernels are kept: preparing them takes
# as long as five tokens.
_PLANNED_TOKENS = 128

# Memory, in bytes, up to which a model keeps the projection of its whole vocabulary.
PROJECTED_BUDGET = 64 << 20


def project_vocabulary(k: Kernels, table, packed: PackedModel):
    """The first layer's input projection of every id, one array a direction."""
    vectors = embedding.all_vectors(table)
    work = Workspace(vectors.dtype)
    return [
        lstm.project_into(
            k, work, vectors, direction,
            aligned_empty((len(vectors), len(direction.b)), vectors.dtype),
        )
        for direction in packed.layers[0]
    ]  # fmt: skip


def predict_logits(
    k: Kernels, config: ModelConfig, parameters: Parameters, packed: PackedModel,
    sequences: TokenSequences, run: Callable = map, projected=None, workspaces=None, beside=None,
) -> np.ndarray:  # fmt: skip
    """Logits of many documents; empty ones get NaN for the caller to fill.

    Parameters
    ----------
    sequences : TokenSequences
    run : callable
        ``map``, or one that spreads the calls over threads.
    projected : list of float arrays, or None
        What ``project_vocabulary`` gave.
    workspaces : WorkspacePool or None
        Working memory that is kept between calls.
    beside : callable or None
        As in ``forward``, for documents that are one chunk.

    Returns
    -------
    logits : float array, shape (n_documents, n_outputs)
        A document's row does not depend on the other documents. Where each token is
        classified, of shape (n_tokens, n_outputs).
    """
    dtype = parameters.flat.dtype
    n = len(sequences.ids) if config.by_step else sequences.n_documents
    logits = np.empty((n, config.n_outputs), dtype=dtype)
    logits.fill(np.nan)
    workspaces = WorkspacePool(dtype) if workspaces is None else workspaces
    source = parameters.table if projected is None else projected

    def work_on(rows):
        batch = pack(k, sequences, rows, config.cut_length, config.by_step)
        where = batch.places if config.by_step else batch.rows
        with workspaces.borrow() as work:
            logits[where], _ = forward(
                k, work, config, source, packed, batch, keep=False, beside=beside
            )

    lengths, very_long = sequences.lengths, []
    if len(sequences.ids) > long.LONG and not config.by_step:
        very_long = np.flatnonzero(lengths > long.LONG).tolist()
        lengths[very_long] = 0
    for _ in run(work_on, inference_chunks(lengths, CHUNK_DOCUMENTS, _CHUNK_TOKENS)):
        pass
    for row in very_long:
        document = sequences.take(np.array([row]))
        found = long.LongDocument(k, config, packed, source, long.InMemory(document))
        logits[row] = found.logits(workspaces, run, beside, document.side)[0]
    return logits


class _Plan(NamedTuple):
    """The calls of kernels by which ``forward`` reads one document of a length.

    They are the same for all such documents, on the same memory.

    Attributes
    ----------
    inputs : int32 array, shape (n_tokens,), or float array, shape (n_tokens, embedding_dim)
        To be filled with the document's ids where the vocabulary is projected, else with
        their vectors.
    states : list of float arrays
        To be filled with 0.
    calls : list of callables
    logits : float array, shape (1, n_outputs)
        What the calls leave.
    """

    inputs: np.ndarray
    states: list[np.ndarray]
    calls: list[Callable]
    logits: np.ndarray

    def run(self) -> np.ndarray:
        """Logits of the document whose ``inputs`` were filled in, shape (1, n_outputs)."""
        for state in self.states:
            state.fill(0)
        for call in self.calls:
            call()
        return self.logits.copy()


class _Recorder:
    """A backend that notes down which kernels are called, and how."""

    def __init__(self, k: Kernels):
        self._k = k
        self.calls: list[Callable] = []

    def __getattr__(self, name: str) -> Callable:
        function = getattr(self._k, name)

        def call(*arguments) -> Any:
            result = function(*arguments)
            if result is None:  # all others tell a size
                self.calls.append(partial(function, *arguments))
            return result

        return call


def _make_plan(k: Kernels, work, config, projected, packed, n_tokens: int) -> _Plan:
    """A plan whose arrays are the workspace's, found out by going through ``forward`` once."""
    recorder: Any = _Recorder(k)
    one = TokenSequences(np.zeros(n_tokens, dtype=np.int32), np.array([0, n_tokens]))
    batch = pack(k, one, np.zeros(1, dtype=np.int64))
    inputs, source = batch.ids, projected
    if projected is None:
        inputs = source = work.zeros("plan.vectors", n_tokens, config.embedding_dim)
    logits, state = forward(recorder, work, config, source, packed, batch, keep=False)
    states = [c for cache in state.caches for c in cache.c]
    return _Plan(inputs, states, recorder.calls, logits)


class Network:
    """A model ready to predict: configuration, weights, and their packed form.

    Parameters
    ----------
    k : Kernels
    config : ModelConfig
    parameters : Parameters
    precision : {"float32", "bfloat16", "int8"}
        Of the LSTM's matrix products. "int8" only predicts: no gradients, of explanations
        either.
    """

    def __init__(
        self, k: Kernels, config: ModelConfig, parameters: Parameters, precision="float32"
    ):
        self.k = k
        self.config = config
        self.parameters = parameters
        self.packed = pack_model(k, config, parameters, precision)
        self._projected = None
        self._tokens_read = 0
        self._workspaces = WorkspacePool(parameters.flat.dtype, _SPARE_BYTES)

    def _projected_vocabulary(self, n_tokens: int):
        """The projection of all tokens, once it has paid to compute it, or None.

        It is kept where it fits ``PROJECTED_BUDGET``, from the call on before which the
        model had read as many tokens as it knows: a single call, however large, does not
        pay for it.
        """
        rows = self.config.vocabulary_size
        if self.config.n_step_features:  # the first layer reads more than what an id stands for
            return None
        if self._projected is None and self._tokens_read >= rows:
            widths = sum(len(direction.b) for direction in self.packed.layers[0])
            if rows * widths * self.parameters.flat.itemsize <= PROJECTED_BUDGET:
                self._projected = project_vocabulary(self.k, self.parameters.table, self.packed)
        self._tokens_read += n_tokens
        return self._projected

    def logits(self, sequences: TokenSequences, prior: np.ndarray, n_threads=1) -> np.ndarray:
        """Logits of documents; empty ones get those of the class prior.

        Parameters
        ----------
        sequences : TokenSequences
        prior : float array, shape (n_classes,)
            Probabilities for documents without a token.
        n_threads : int
            Threads at most; more of them than one where that is faster.

        Returns
        -------
        logits : float array, shape (n_documents, n_outputs)
            Where each token is classified, of shape (n_tokens, n_outputs).
        """
        largest = int(sequences.ids.max(initial=0))
        if largest >= self.config.vocabulary_size:  # a kernel would read beyond the table
            raise ValueError(
                f"token id {largest} is not below vocabulary_size={self.config.vocabulary_size}."
            )
        projected = self._projected_vocabulary(len(sequences.ids))
        beside = None
        # Segments of a very long document are shared out among threads.
        in_segments = self.config.cut_length and len(sequences.ids) > long.LONG
        if n_threads > 1 and self._side_by_side(sequences) and not in_segments:
            beside = partial(COMPANION.run, self.k)
        elif self._is_short(sequences):
            return self._logits_by_plan(sequences.ids, projected)

        def with_(run):
            return predict_logits(
                self.k, self.config, self.parameters, self.packed, sequences, run,
                projected, self._workspaces, beside,
            )  # fmt: skip

        if n_threads > 1 and _several_chunks(sequences):
            with ShardPool(n_threads, self.k) as pool:
                logits = with_(pool.map)
        else:  # starting a thread for a single chunk of work would not pay
            logits = with_(map)
        if not self.config.by_step:
            fill_empty(logits, sequences, prior)
        return logits

    def logits_of_long(self, tokens: long.Tokens, n_threads=1) -> np.ndarray:
        """Logits of one document of more than ``long.LONG`` tokens, shape (1, n_outputs).

        They have the bits of ``logits``.
        """
        document = long.LongDocument(
            self.k, self.config, self.packed, self.parameters.table, tokens
        )
        if n_threads > 1 and self.config.cut_length:
            with ShardPool(n_threads, self.k) as pool:
                return document.logits(self._workspaces, pool.map)
        beside = partial(COMPANION.run, self.k) if n_threads > 1 else None
        return document.logits(self._workspaces, map, beside)

    def _is_short(self, sequences: TokenSequences) -> bool:
        """Whether it is one document that is short and in one piece, and has nothing beside it."""
        config = self.config
        most = min(_PLANNED_TOKENS, config.cut_length or _PLANNED_TOKENS)
        # Attention works on its own between the kernels.
        beside = config.n_side or config.n_step_features or config.by_step or config.has_attention
        alone = sequences.n_documents == 1 and not beside
        return alone and 0 < len(sequences.ids) <= most

    def _logits_by_plan(self, ids: np.ndarray, projected) -> np.ndarray:
        with self._workspaces.borrow() as work:
            plan = work.kept(
                f"plan.{len(ids)}", id(projected),
                lambda: _make_plan(self.k, work, self.config, projected, self.packed, len(ids)),
            )  # fmt: skip
            if projected is None:
                embedding.vectors_into(self.k, self.parameters.table, ids, plan.inputs)
            else:
                plan.inputs[:] = ids
            return plan.run()

    def uses_threads(self, sequences: TokenSequences) -> bool:
        """Whether ``logits`` has work for a second thread."""
        return _several_chunks(sequences) or self._side_by_side(sequences)

    def _side_by_side(self, sequences: TokenSequences) -> bool:
        """Whether two sweeps of one document at the same time are worth a thread."""
        work = len(sequences.ids) * self.config.hidden_size**2
        return sequences.n_documents == 1 and work >= _SIDE_BY_SIDE


def _several_chunks(sequences: TokenSequences) -> bool:
    return sequences.n_documents > CHUNK_DOCUMENTS or len(sequences.ids) > _CHUNK_TOKENS


def fill_empty(logits: np.ndarray, sequences: TokenSequences, prior) -> None:
    """Give documents without a token the logits of the class prior."""
    lengths = sequences.lengths
    if np.count_nonzero(lengths) < len(lengths):
        logits[lengths == 0] = prior_logits(prior)


def prior_logits(prior) -> np.ndarray:
    """Logits whose probabilities are ``prior``: one log-odds, or one log a class."""
    logs = np.log(np.maximum(prior, 1e-12))
    return logs[1:] - logs[:1] if len(logs) == 2 else logs

"""Prediction with a network: nothing is kept for a backward pass.

Documents are cut into chunks that threads share out. The projection of the whole
vocabulary is kept between calls where it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import COMPANION, ShardPool
from fastlstm.core.workspace import Workspace, WorkspacePool, aligned_empty
from fastlstm.data.batching import inference_chunks, pack
from fastlstm.kernels.contract import Kernels
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
        A document's row does not depend on the other documents.
    """
    dtype = parameters.flat.dtype
    logits = np.full((sequences.n_documents, config.n_outputs), np.nan, dtype=dtype)
    workspaces = WorkspacePool(dtype) if workspaces is None else workspaces
    source = parameters.table if projected is None else projected

    def work_on(rows):
        batch = pack(k, sequences, rows, config.segment_length)
        with workspaces.borrow() as work:
            logits[batch.rows], _ = forward(
                k, work, config, source, packed, batch, keep=False, beside=beside
            )

    chunks = inference_chunks(sequences.lengths, CHUNK_DOCUMENTS, _CHUNK_TOKENS)
    for _ in run(work_on, chunks):
        pass
    return logits


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
        """
        largest = int(sequences.ids.max(initial=0))
        if largest >= self.config.vocabulary_size:  # a kernel would read beyond the table
            raise ValueError(
                f"token id {largest} is not below vocabulary_size={self.config.vocabulary_size}."
            )
        projected = self._projected_vocabulary(len(sequences.ids))
        beside = self._beside(sequences) if n_threads > 1 else None
        # Starting a thread for a single chunk of work would not pay.
        several = sequences.n_documents > CHUNK_DOCUMENTS or len(sequences.ids) > _CHUNK_TOKENS
        with ShardPool(n_threads if several else 1, self.k) as pool:
            logits = predict_logits(
                self.k, self.config, self.parameters, self.packed, sequences, pool.map,
                projected, self._workspaces, beside,
            )  # fmt: skip
        logits[sequences.lengths == 0] = prior_logits(prior)
        return logits

    def _beside(self, sequences: TokenSequences):
        """How to run two sweeps of one document at the same time, if that pays, or None."""
        work = len(sequences.ids) * self.config.hidden_size**2
        pays = sequences.n_documents == 1 and work >= _SIDE_BY_SIDE
        return partial(COMPANION.run, self.k) if pays else None


def prior_logits(prior) -> np.ndarray:
    """Logits whose probabilities are ``prior``: one log-odds, or one log a class."""
    logs = np.log(np.maximum(prior, 1e-12))
    return logs[1:] - logs[:1] if len(logs) == 2 else logs

"""One shard through the network and back: embedding -> LSTM stack -> pooling -> dense.

Everything here works on plain records. A shard's pass is a function of weights
and shard alone; summing over shards and updating weights happen in ``training``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import TokenBatch
from fastlstm.core.workspace import Workspace
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import dense, dropout, embedding, lstm, pooling, segments
from fastlstm.network.layers.embedding import EmbeddingGradient
from fastlstm.network.parameters import PackedModel


class ForwardState(NamedTuple):
    """What one shard's forward pass leaves for its backward pass."""

    batch: TokenBatch
    looked_up: embedding.EmbeddingOutput | None
    caches: list[lstm.LSTMCache]
    winner: np.ndarray
    share: np.ndarray | None
    head_input: np.ndarray
    keys: np.ndarray | None


def n_dropout_keys(config: ModelConfig) -> int:
    """Keys that ``forward`` reads: the embedding, between layers, the pooled vector."""
    return config.num_layers + 1


def forward(k: Kernels, work: Workspace, config, table, packed: PackedModel, batch, keys=None):
    """Logits of one packed shard.

    Parameters
    ----------
    k : Kernels
    work : Workspace
    config : ModelConfig
    table : embedding.Table
    packed : PackedModel
    batch : TokenBatch
    keys : sequence of int, or None
        Dropout keys, ``n_dropout_keys(config)`` of them; None for inference.

    Returns
    -------
    logits : float array, shape (len(batch.rows), n_outputs)
        In the order of ``batch.rows``.
    state : ForwardState
    """
    looked_up = embedding.forward(
        k, work, table, batch.ids, config.embedding_dropout, _key(keys, 0)
    )
    inputs = lstm.LayerInput(looked_up.vectors, looked_up.inverse)
    logits, state = forward_from(k, work, config, packed, batch, inputs, keys)
    return logits, state._replace(looked_up=looked_up)


def forward_from(
    k: Kernels,
    work: Workspace,
    config,
    packed: PackedModel,
    batch,
    inputs,
    keys=None,
    projected=None,
):
    """As ``forward``, from the vectors of tokens on.

    Parameters
    ----------
    inputs : LayerInput
    projected : list of float arrays, or None
        What the first layer's directions make of ``inputs.rows``, as in ``lstm.forward``.
    """
    caches = []
    for layer, directions in enumerate(packed.layers):
        if layer:
            rows = dropout.apply(k, work, f"lstm.{layer}.drop", caches[-1].out, config.dropout,
                                 _key(keys, layer))  # fmt: skip
            inputs = lstm.LayerInput(rows)
        caches.append(
            lstm.forward(k, work, f"lstm.{layer}", inputs, batch, directions, projected=projected)
        )
        projected = None
    pooled, winner = pooling.forward(
        k, work, caches[-1].out, batch, config.pooling, config.hidden_size
    )
    pooled, share = segments.forward(pooled, batch, config.pooling, config.hidden_size)
    head_input = dropout.apply(
        k, work, "head.drop", pooled, config.dropout, _key(keys, config.num_layers)
    )
    logits = dense.forward(k, work, head_input, packed.dense)
    return logits, ForwardState(batch, None, caches, winner, share, head_input, keys)


def _key(keys, position):
    return None if keys is None else int(keys[position])


def backward(
    k: Kernels, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
) -> EmbeddingGradient:  # fmt: skip
    """Walk back through one shard.

    Parameters
    ----------
    d_logits : float array, shape (n_documents, n_outputs)
    gradients : DenseGradients
        Those of the dense weights are added to it.

    Returns
    -------
    EmbeddingGradient
    """
    d_vectors = backward_to(k, work, config, packed, state, d_logits, gradients)
    key = _key(state.keys, 0)
    return embedding.backward(k, work, state.looked_up, d_vectors, config.embedding_dropout, key)


def backward_to(
    k: Kernels, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
):  # fmt: skip
    """As ``backward``, down to the rows of the first layer's input, whose gradient it returns.

    It is None if the rows were projected by the caller, see ``lstm.backward``.
    """
    keys, batch = state.keys, state.batch
    d_out = backward_head(k, work, config, packed, state, d_logits, gradients)
    for layer in reversed(range(config.num_layers)):
        d_out, _ = lstm.backward(
            k, work, f"lstm.{layer}", state.caches[layer], d_out, batch, packed.layers[layer],
            gradients.layers[layer],
        )  # fmt: skip
        if layer:
            d_out = dropout.apply(
                k, work, f"lstm.{layer}.d_drop", d_out, config.dropout, _key(keys, layer)
            )
    return d_out


def backward_head(
    k: Kernels, work: Workspace, config, packed: PackedModel, state: ForwardState, d_logits, gradients
):  # fmt: skip
    """As ``backward``, down to the outputs of the last LSTM layer, whose gradient it returns."""
    batch = state.batch
    d_pooled = dense.backward(k, work, state.head_input, d_logits, packed.dense, gradients.dense)
    d_pooled = dropout.apply(
        k, work, "head.d_drop", d_pooled, config.dropout, _key(state.keys, config.num_layers)
    )
    d_pooled = segments.backward(d_pooled, state.share, batch)
    return pooling.backward(
        k, work, d_pooled, state.winner, batch, config.pooling, config.hidden_size
    )

"""One shard through the network and back: embedding -> LSTM stack -> pooling -> dense.

Everything here works on plain records. A shard's pass is a function of weights
and shard alone; summing over shards and updating weights happen in ``training``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlstm.core.records import TokenBatch
from fastlstm.kernels.contract import Kernels
from fastlstm.network import recompute
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import (
    attention,
    dense,
    dropout,
    embedding,
    lstm,
    pooling,
    segments,
)

# Turns the dropout key of the pooled vector into that of the numbers beside it.
_OF_SIDE = 0x5BD1E995


class ForwardState(NamedTuple):
    """What one shard's forward pass leaves for its backward pass."""

    batch: TokenBatch
    looked_up: embedding.EmbeddingOutput | None
    caches: list[lstm.LSTMCache]
    winner: np.ndarray | None
    share: np.ndarray | None
    head_input: np.ndarray
    keys: np.ndarray | None
    again: recompute.Kept | None = None
    attended: attention.Attended | None = None


class ShardGradient(NamedTuple):
    """What the backward pass finds beside the gradients of the dense weights.

    Attributes
    ----------
    embedding : EmbeddingGradient or None
        None where the first layer got projected rows.
    pre_activations : list of float arrays, each of shape (n_tokens, padded_width(4 * hidden))
        Of the first layer, for each direction.
    """

    embedding: embedding.EmbeddingGradient | None
    pre_activations: list[np.ndarray]


def n_dropout_keys(config: ModelConfig) -> int:
    """Keys that ``forward`` reads: the embedding, between layers, the pooled vector."""
    return config.num_layers + 1


def forward(
    k: Kernels, work, config, source, packed, batch, keys=None, keep=True, beside=None, again=False
):
    """Logits of one packed shard: for training, prediction and explanation.

    Parameters
    ----------
    k : Kernels
    work : Workspace
    config : ModelConfig
    source : embedding.Table, list of float arrays, or float array
        Where the vectors of ids are; or, for each direction of the first layer, what it
        makes of all vectors that ids stand for (``lstm.project``); or what the first layer
        reads at the batch's positions, shape (n_tokens, n_inputs).
    packed : PackedModel
    batch : TokenBatch
    keys : sequence of int, or None
        Dropout keys, ``n_dropout_keys(config)`` of them; None drops nothing.
    keep : bool
        Keep what the backward pass needs. The logits do not depend on it.
    beside : callable or None
        ``beside(calls, cancel)`` makes calls on two threads, or returns False; see
        ``Companion.run``. It serves documents too few to be shared out, without ``keep``:
        directions run side by side, or each layer runs behind the one below it.
    again : bool
        Keep little, and compute the rest again in the backward pass (``recompute.py``); for
        a table as ``source``. No bit depends on it.

    Returns
    -------
    logits : float array, shape (len(batch.rows), n_outputs)
        In the order of ``batch.rows``; where each token is classified in that of
        ``batch.places``, shape (n_tokens, n_outputs).
    state : ForwardState
        Of use with ``keep`` alone.
    """
    inputs, looked_up = first_input(k, work, config, source, batch, keys, again)
    if again:
        return _forward_again(k, work, config, looked_up, packed, batch, keys)
    caches = _through_layers(k, work, config, inputs, packed, batch, keys, keep, beside)
    pooled, winner, share, attended = caches[-1].out, None, None, None
    if config.has_attention:
        attended = attention.begin(work, batch, config.output_width)
        attention.read(k, attended, packed.attention, pooled, batch, attended.scores)
        pooled = attended.pooled()
    elif not config.by_step:
        pooled, winner = pooling.forward(k, work, pooled, batch, config.pooling, config.hidden_size)
        pooled, share = segments.forward(pooled, batch, config.pooling, config.hidden_size, keep)
    logits, head_input = head(k, work, config, pooled, packed, batch, keys)
    return logits, ForwardState(
        batch, looked_up, caches, winner, share, head_input, keys, attended=attended
    )


def first_input(
    k: Kernels, work, config, source, batch, keys=None, distinct=False
) -> tuple[lstm.LayerInput, embedding.EmbeddingOutput | None]:
    """What the first layer reads, and where that is looked up in a table, what was found.

    ``source`` is as in ``forward``; with ``distinct`` features of steps are left out.
    """
    if isinstance(source, list):
        return lstm.LayerInput(None, batch.ids, source), None
    if not isinstance(source, embedding.Table):
        return lstm.LayerInput(source), None
    looked_up = embedding.forward(
        k, work, source, batch.ids, config.embedding_dropout, _key(keys, 0)
    )
    vectors, inverse = looked_up.vectors, looked_up.inverse
    if distinct or not config.n_step_features:
        return lstm.LayerInput(vectors, inverse), looked_up
    assert batch.features is not None, "the network reads what stands beside a token, too"
    rows = embedding.for_each_token(k, work, vectors, inverse, batch.features)
    return lstm.LayerInput(rows), looked_up


def _forward_again(k: Kernels, work, config, looked_up, packed, batch, keys):
    """As ``forward``, with what ``recompute.py`` keeps."""
    pooled, kept = recompute.forward(k, work, config, packed, batch, looked_up, keys)
    share = None
    if not config.by_step and not config.has_attention:
        pooled, share = segments.forward(pooled, batch, config.pooling, config.hidden_size)
    logits, head_input = head(k, work, config, pooled, packed, batch, keys)
    return logits, ForwardState(batch, looked_up, [], None, share, head_input, keys, kept)


def head(k: Kernels, work, config, pooled, packed, batch, keys=None):
    """Logits, and what the dense layer read."""
    head_input = dropout.apply(
        k, work, "head.drop", pooled, config.dropout, _key(keys, config.num_layers)
    )
    if config.n_side:
        head_input = _beside(k, work, config, head_input, batch, keys)
    return dense.forward(k, work, head_input, packed.dense), head_input


def _beside(k: Kernels, work, config, pooled, batch, keys):
    """The pooled vectors, and behind each what stands beside its document."""
    assert batch.side is not None, "the network reads what stands beside a document, too"
    side = np.ascontiguousarray(batch.side, dtype=pooled.dtype)
    # A key of its own would change the masks of all else. So columns that are 0 change nothing
    # in a network with dropout.
    key = None if keys is None else _key(keys, config.num_layers) ^ _OF_SIDE
    side = dropout.apply(k, work, "side.drop", side, config.side_dropout, key)
    both = work.array("head.both", len(pooled), config.head_width)
    both[:, : config.pooled_width] = pooled
    both[:, config.pooled_width :] = side
    return both


def _through_layers(k: Kernels, work, config, inputs, packed, batch, keys, keep, beside):
    """What each LSTM layer leaves."""
    # Layers of one direction run behind one another, and are begun together.
    behind = beside is not None and not config.bidirectional
    done = [np.zeros(1, dtype=np.int64) if behind else None for _ in packed.layers]
    caches: list[lstm.LSTMCache] = []
    waiting: list[Callable] = []
    for layer, directions in enumerate(packed.layers):
        ready = done[layer - 1] if behind and layer else lstm.READY
        if layer:
            rows = dropout.apply(
                k, work, f"lstm.{layer}.drop", caches[-1].out, config.dropout, _key(keys, layer)
            )
            inputs = lstm.LayerInput(rows)
        sweeps, cache = lstm.sweeps(
            k, work, f"lstm.{layer}", inputs, batch, directions, keep, None, ready, done[layer]
        )
        caches.append(cache)
        if behind:
            waiting += sweeps
        else:
            _run(sweeps, beside)

    def wait_no_longer():
        for counter in done:
            if counter is not None:
                counter.fill(lstm.READY[0])

    _run(waiting, beside, wait_no_longer)
    return caches


def _run(sweeps, beside, cancel=None):
    if beside is not None:
        sweeps = list(sweeps)
        if len(sweeps) > 1 and beside(sweeps, cancel):
            return
    for sweep in sweeps:
        sweep()


def _key(keys, position):
    return None if keys is None else int(keys[position])


def backward(
    k: Kernels, work, config, packed, state: ForwardState, d_logits, gradients=None
) -> ShardGradient:
    """Walk back through one shard; the gates of ``state`` are used up.

    Parameters
    ----------
    d_logits : float array, shape of the logits
    gradients : DenseGradients or None
        Those of the dense weights are added to it; None where they are not wanted.

    Returns
    -------
    ShardGradient
    """
    keys, batch = state.keys, state.batch
    d_out = backward_head(k, work, config, packed, state, d_logits, gradients)
    if state.again is not None:
        d_rows = recompute.backward(state.again, d_out, gradients)
        distinct = state.again.walk.distinct
        return ShardGradient(_of_embedding(k, work, config, state, d_rows, distinct), [])
    for layer in reversed(range(config.num_layers)):
        found = lstm.backward(
            k, work, f"lstm.{layer}", state.caches[layer], d_out, batch, packed.layers[layer],
            None if gradients is None else gradients.layers[layer], border=config.border,
        )  # fmt: skip
        if layer:
            d_out = dropout.apply(
                k, work, f"lstm.{layer}.d_drop", found.rows, config.dropout, _key(keys, layer)
            )
    of_embedding = None
    if state.looked_up is not None:
        assert found.rows is not None, "nothing was projected"
        of_vectors = not config.n_step_features
        of_embedding = _of_embedding(k, work, config, state, found.rows, of_vectors)
    return ShardGradient(of_embedding, found.pre_activations)


def _of_embedding(k: Kernels, work, config, state, d_rows, of_vectors: bool):
    """Gradient of the table, from that of the distinct vectors or of each token's row."""
    d_vectors = d_rows
    if not of_vectors:
        d_vectors = work.zeros("embedding.d_vectors", *state.looked_up.vectors.shape)
        k.scatter_add_rows(d_rows, state.looked_up.inverse, d_vectors)
    return embedding.backward(
        k, work, state.looked_up, d_vectors, config.embedding_dropout, _key(state.keys, 0)
    )


def backward_head(k: Kernels, work, config, packed, state: ForwardState, d_logits, gradients=None):
    """As ``backward``, down to the outputs of the last LSTM layer, whose gradient it returns."""
    batch = state.batch
    d_pooled = dense.backward(
        k, work, state.head_input, d_logits, packed.dense,
        None if gradients is None else gradients.dense,
    )  # fmt: skip
    if config.n_side:
        d_pooled = np.ascontiguousarray(d_pooled[:, : config.pooled_width])
    d_pooled = dropout.apply(
        k, work, "head.d_drop", d_pooled, config.dropout, _key(state.keys, config.num_layers)
    )
    if config.by_step or (config.has_attention and state.again is not None):
        return d_pooled
    if config.has_attention:
        assert state.attended is not None, "the forward pass had attention"
        own = None if gradients is None else gradients.attention
        out = state.caches[-1].out
        return attention.backward(
            k, work, state.attended, packed.attention, out, batch, d_pooled, own
        )
    d_pooled = segments.backward(d_pooled, state.share, batch)
    if state.again is not None:
        return d_pooled
    return pooling.backward(
        k, work, d_pooled, state.winner, batch, config.pooling, config.hidden_size
    )

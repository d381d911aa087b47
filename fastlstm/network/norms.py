"""The norm of each document's own gradient, without that gradient.

A matrix of weights has in a document the gradient ``left.T @ right``, a sum over its tokens: of
what comes back to a product (``left``) with what went in (``right``). Its squared norm is the sum
of ``(left @ left.T) * (right @ right.T)``, two matrices of tokens by tokens (Goodfellow 2015,
"Efficient per-example gradient computations"; over time: Li et al. 2022, "Large language models can
be strong differentially private learners"). Where a document has so many tokens that these are the
larger work, its gradient is computed as it is. Memory depends on a shard, not on the minibatch.
docs/explanation/maths.md, section 25.
"""

from __future__ import annotations

import numpy as np

from fastlstm.core.records import TokenBatch
from fastlstm.kernels.contract import Kernels
from fastlstm.network import forward as network
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import attention, embedding, lstm
from fastlstm.network.losses import loss_for

# What a multiplication for a pair of tokens costs beside one of the gradient itself.
_WORK_OF_PAIRS = 1.0

# Numbers of the matrices of tokens by tokens that are computed at once.
_AT_ONCE = 1 << 22


def squared_norms(
    k: Kernels, work, config: ModelConfig, table: embedding.Table, packed, batch: TokenBatch,
    y: np.ndarray, weight: np.ndarray, of_table: bool = True,
) -> np.ndarray:  # fmt: skip
    """Of the gradient by all weights, of the weighted loss of each document alone.

    Nothing is dropped: where documents share masks, there is no gradient of one alone.

    Parameters
    ----------
    k : Kernels
    work : Workspace
    config : ModelConfig
    table : embedding.Table
    packed : PackedModel
        To train with.
    batch : TokenBatch
        With places, where each step has a label.
    y, weight : arrays, shape (n_labels,)
        In the order of the logits: of ``batch.rows``, or of ``batch.places``.
    of_table : bool
        Whether the table's weights are among them.

    Returns
    -------
    norms : float64 array, shape (n_documents,)
        In the order of ``batch.rows``.
    """
    owner = attention.owners_of_tokens(batch)
    n = len(batch.rows)
    looked_up = embedding.forward(k, work, table, batch.ids)
    rows = embedding.for_each_token(
        k, work, looked_up.vectors, looked_up.inverse, batch.features
    )  # fmt: skip
    logits, state = network.forward(k, work, config, rows, packed, batch)
    d_logits = loss_for(config.n_outputs)(logits, y, weight)[1]
    d_out = network.backward_head(k, work, config, packed, state, d_logits)
    of_logits = owner if config.by_step else np.arange(n)
    found = _of_products(d_logits, [state.head_input], of_logits, n)
    if state.attended is not None:
        found += _of_sums(state.attended.d_scores[:, None] * state.caches[-1].out, owner, n)
    for layer in reversed(range(config.num_layers)):
        cache = state.caches[layer]
        below = lstm.backward(
            k, work, f"lstm.{layer}", cache, d_out, batch, packed.layers[layer],
            border=config.border,
        )  # fmt: skip
        for d, left in enumerate(below.pre_activations):
            columns = slice(d * config.hidden_size, (d + 1) * config.hidden_size)
            before = _row_before(batch, reverse=d == 1)
            h = np.where(before[:, None] >= 0, cache.out[before, columns], 0)
            left = left[:, : config.n_gates * config.hidden_size]
            found += _of_products(left, [cache.inputs.rows, h], owner, n)
        assert below.rows is not None, "nothing was projected"
        d_out = below.rows
    if not of_table:
        return found
    d_vectors = d_out[:, : config.embedding_dim]
    return found + _of_table(k, work, looked_up, d_vectors, owner, n)


def _row_before(batch: TokenBatch, reverse: bool) -> np.ndarray:
    """The packed token whose state a token's step received; -1 at the first step."""
    step = np.repeat(np.arange(len(batch.n_live)), batch.n_live)
    row = np.arange(batch.n_tokens) - batch.starts[step]
    if not reverse:
        return np.where(step > 0, batch.starts[np.maximum(step, 1) - 1] + row, -1)
    later = np.minimum(step + 1, len(batch.n_live) - 1)
    return np.where(step + 1 < batch.lengths[row], batch.starts[later] + row, -1)


def _of_products(left, rights, owner, n) -> np.ndarray:
    """Squared norm of ``left.T @ [rights, 1]`` over the rows of each owner, (n,).

    The column of ones is for the biases.
    """
    p, q = left.shape[1], 1 + sum(right.shape[1] for right in rights)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    norms = np.zeros(n)
    # T * T * (p + q) against T * p * q multiplications; a single row has a product of two norms.
    direct = (counts > 1) & (_WORK_OF_PAIRS * counts * (p + q) > p * q)
    for number in np.flatnonzero(direct):
        own = order[offsets[number] : offsets[number + 1]]
        turned = left[own].T
        sums = [turned @ right[own] for right in rights] + [turned.sum(axis=1)]
        norms[number] = sum(float(np.vdot(part, part)) for part in sums)
    others = np.flatnonzero(~direct)
    others = others[np.argsort(-counts[others], kind="stable")]
    while len(others):
        longest = max(1, int(counts[others[0]]))
        some, others = np.split(others, [max(1, _AT_ONCE // (longest * longest))])
        within = np.arange(longest)
        there = within < counts[some][:, None]
        places = order[np.where(there, offsets[some][:, None] + within, 0)]
        # Rows that are not there are 0 in ``left``, so what stands in ``rights`` is of no matter.
        padded = left[places] * there[:, :, None].astype(left.dtype)
        of_left = padded @ padded.swapaxes(1, 2)
        of_right = np.ones((), left.dtype)
        for right in rights:
            rows = right[places]
            of_right = of_right + rows @ rows.swapaxes(1, 2)
        norms[some] = np.einsum("dij,dij->d", of_left, of_right, dtype=np.float64)
    return np.maximum(norms, 0)


def _of_sums(rows, owner, n) -> np.ndarray:
    """Squared norm of the sum of each owner's rows."""
    sums = np.zeros((n, rows.shape[1]), rows.dtype)
    np.add.at(sums, owner, rows)
    return np.einsum("dj,dj->d", sums, sums, dtype=np.float64)


def _of_table(k: Kernels, work, looked_up, d_vectors, owner, n) -> np.ndarray:
    """Squared norm of each document's gradient by the rows of the table."""
    n_rows = len(looked_up.ids)
    token, row = np.arange(len(owner)), looked_up.inverse
    if looked_up.members is not None:
        token, row = _terms(looked_up.members, looked_up.inverse)
    pairs, target = np.unique(owner[token] * np.int64(n_rows) + row, return_inverse=True)
    width = d_vectors.shape[1]
    terms = work.array("norms.terms", len(token), width)
    rows = np.ascontiguousarray(d_vectors)
    k.gather_rows(rows, token.astype(np.int32), terms)
    sums = work.zeros("norms.sums", len(pairs), width)
    k.scatter_add_rows(terms, target.astype(np.int32), sums)
    of_pairs = np.einsum("rj,rj->r", sums, sums, dtype=np.float64)
    return np.bincount(pairs // n_rows, weights=of_pairs, minlength=n)


def _terms(members, inverse):
    """Each term of each token's vector: (token, row)."""
    order = np.argsort(members.vector, kind="stable")
    counts = np.bincount(members.vector)
    first = np.cumsum(counts) - counts
    of_token = counts[inverse]
    token = np.repeat(np.arange(len(inverse)), of_token)
    within = np.arange(len(token)) - np.repeat(np.cumsum(of_token) - of_token, of_token)
    return token, members.row[order[np.repeat(first[inverse], of_token) + within]]

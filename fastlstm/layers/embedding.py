"""Token ids to vectors, once per distinct token of a shard."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import PAD_ID


class EmbeddingOutput(NamedTuple):
    """``vectors[inverse[p]]`` is the vector of the token at position ``p``.

    Attributes
    ----------
    tokens : int32 array, shape (n_distinct,)
    vectors : float array, shape (n_distinct, embedding_dim)
    inverse : int32 array, shape (n_tokens,)
    """

    tokens: np.ndarray
    vectors: np.ndarray
    inverse: np.ndarray


def init(rng, vocabulary_size, embedding_dim, dtype):
    """Uniform in [-0.05, 0.05], as Keras does; the padding row is 0."""
    table = rng.uniform(-0.05, 0.05, size=(vocabulary_size, embedding_dim)).astype(dtype)
    table[PAD_ID] = 0
    return table


def forward(k, work, table, ids) -> EmbeddingOutput:
    """Look up the distinct tokens of a shard (docs/maths.md, eqs. (45) and (46))."""
    slots = work.constant("embedding.slots", len(table), -1)
    tokens = work.array("embedding.tokens", len(ids), dtype=np.int32)
    inverse = work.array("embedding.inverse", len(ids), dtype=np.int32)
    count = k.distinct_tokens(ids, slots, tokens, inverse)
    vectors = work.array("embedding.vectors", count, table.shape[1])
    k.gather_rows(table, tokens[:count], vectors)
    return EmbeddingOutput(tokens[:count], vectors, inverse)


class EmbeddingGradient(NamedTuple):
    """Gradient of the rows ``tokens`` of the table, eq. (49); all others have none.

    Attributes
    ----------
    tokens : int32 array, shape (count,)
    values : float array, shape (count, embedding_dim)
    """

    tokens: np.ndarray
    values: np.ndarray


def merge(k, work, parts, vocabulary_size) -> EmbeddingGradient:
    """Sum the gradients of several shards, in their order: eq. (56) over the shards."""
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([part.tokens for part in parts])
    width = parts[0].values.shape[1]
    slots = work.constant("merge.slots", vocabulary_size, -1)
    tokens = work.array("merge.tokens", len(ids), dtype=np.int32)
    inverse = work.array("merge.inverse", len(ids), dtype=np.int32)
    count = k.distinct_tokens(ids, slots, tokens, inverse)
    values = work.zeros("merge.values", count, width)
    first = 0
    for part in parts:
        last = first + len(part.tokens)
        k.scatter_add_rows(part.values, inverse[first:last], values)
        first = last
    return EmbeddingGradient(tokens[:count], values)

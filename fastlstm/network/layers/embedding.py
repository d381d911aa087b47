"""Token ids to vectors, once per distinct token of a shard.

An id may stand for an n-gram that ends at its position. Its vector is the sum of its
own row of the table and the vector of its parent: the n-gram without its first token,
down to the single token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import PAD_ID
from fastlstm.kernels.contract import Kernels
from fastlstm.network.layers import dropout


class Table(NamedTuple):
    """Vectors of tokens and, behind them, of n-grams.

    Attributes
    ----------
    rows : float array, shape (n_ids, embedding_dim)
    parents : int32 array, shape (n_ngrams,)
        Parent of id ``n_ids - n_ngrams + i``, a smaller id.
    """

    rows: np.ndarray
    parents: np.ndarray

    @property
    def n_tokens(self) -> int:
        """Ids below this are single tokens."""
        return len(self.rows) - len(self.parents)


class _Members(NamedTuple):
    """Row ``row[m]`` of the shard's rows is a term of the vector ``vector[m]``."""

    vector: np.ndarray
    row: np.ndarray


class EmbeddingOutput(NamedTuple):
    """``vectors[inverse[p]]`` is the vector of the token at position ``p``.

    Attributes
    ----------
    ids : int32 array, shape (n_rows,)
        Rows of the table that are terms of a vector.
    vectors : float array, shape (n_distinct, embedding_dim)
    inverse : int32 array, shape (n_tokens,)
    members : _Members or None
        None where each vector is the row of the same number.
    """

    ids: np.ndarray
    vectors: np.ndarray
    inverse: np.ndarray
    members: _Members | None


def init(rng, vocabulary_size, embedding_dim, dtype):
    """Uniform in [-0.05, 0.05], as Keras does; the padding row is 0."""
    table = rng.uniform(-0.05, 0.05, size=(vocabulary_size, embedding_dim)).astype(dtype)
    table[PAD_ID] = 0
    return table


def forward(k: Kernels, work, table: Table, ids, rate=0.0, key=None) -> EmbeddingOutput:
    """Look up the distinct ids of a shard (docs/explanation/maths.md, eqs. (45) and (46)).

    Parameters
    ----------
    rate, key
        Dropout of rows, as in ``dropout.apply``: in a shard an id has one mask.
    """
    distinct, inverse = _distinct(k, work, "embedding", ids, len(table.rows))
    members = None
    if len(table.parents) and distinct.max(initial=0) >= table.n_tokens:
        vector, member_ids = _with_parents(table, distinct)
        n_vectors = len(distinct)
        distinct, row = _distinct(k, work, "embedding.member", member_ids, len(table.rows))
        members = _Members(vector, row)
    rows = work.array("embedding.rows", len(distinct), table.rows.shape[1])
    k.gather_rows(table.rows, distinct, rows)
    rows = dropout.apply(k, work, "embedding.drop", rows, rate, key)
    if members is not None:
        rows = _summed(k, work, "embedding.vectors", rows, members.row, members.vector, n_vectors)
    return EmbeddingOutput(distinct, rows, inverse, members)


def for_each_token(k: Kernels, work, vectors, inverse, features=None):
    """A row for each token: its vector, and behind it what stands beside the token.

    Parameters
    ----------
    vectors : float array, shape (n_distinct, embedding_dim)
    inverse : int32 array, shape (n_tokens,)
    features : float32 array, shape (n_tokens, n_step_features), or None
    """
    width = vectors.shape[1]
    of_tokens = work.array("embedding.of_tokens", len(inverse), width)
    k.gather_rows(vectors, inverse, of_tokens)
    if features is None:
        return of_tokens
    rows = work.array("embedding.joined", len(inverse), width + features.shape[1])
    rows[:, :width] = of_tokens
    rows[:, width:] = features
    return rows


class EmbeddingGradient(NamedTuple):
    """Gradient of the rows ``ids`` of the table, eq. (49); all others have none.

    Attributes
    ----------
    ids : int32 array, shape (count,)
    values : float array, shape (count, embedding_dim)
    """

    ids: np.ndarray
    values: np.ndarray


def backward(k: Kernels, work, looked_up: EmbeddingOutput, d_vectors, rate=0.0, key=None):
    """Gradient of the table, from that of ``looked_up.vectors``."""
    members, d_rows = looked_up.members, d_vectors
    if members is not None:
        d_rows = _summed(
            k, work, "embedding.d_rows", d_vectors, members.vector, members.row,
            len(looked_up.ids),
        )  # fmt: skip
    d_rows = dropout.apply(k, work, "embedding.d_drop", d_rows, rate, key)
    return EmbeddingGradient(looked_up.ids, d_rows)


def all_vectors(table: Table):
    """The vector of every id, float array, shape (n_ids, embedding_dim)."""
    if not len(table.parents):
        return table.rows
    vectors = table.rows.copy()
    _add_ancestors(table, vectors, np.arange(table.n_tokens, len(vectors)), table.parents)
    return vectors


def vectors_into(k: Kernels, table: Table, ids, out):
    """The vector of each position's id, for few positions: repeated ones are read again."""
    k.gather_rows(table.rows, ids, out)
    if len(table.parents):
        places = np.flatnonzero(ids >= table.n_tokens)
        _add_ancestors(table, out, places, table.parents[ids[places] - table.n_tokens])


def _add_ancestors(table, vectors, places, ancestors):
    """Add the rows of ``ancestors``, of their parents and so on to ``vectors[places]``."""
    while len(places):
        vectors[places] += table.rows[ancestors]
        older = ancestors >= table.n_tokens
        places, ancestors = places[older], table.parents[ancestors[older] - table.n_tokens]


def _with_parents(table, distinct):
    """The vector and the id of every term: each id, its parent, the parent's parent."""
    vectors, ids = [np.arange(len(distinct), dtype=np.int32)], [distinct]
    while True:
        is_ngram = ids[-1] >= table.n_tokens
        if not is_ngram.any():
            return np.concatenate(vectors), np.concatenate(ids)
        vectors.append(vectors[-1][is_ngram])
        ids.append(table.parents[ids[-1][is_ngram] - table.n_tokens])


def _distinct(k: Kernels, work, name, ids, n_ids):
    """The distinct ids in the order of their first place, and which of them each is."""
    slots = work.constant("embedding.slots", n_ids, -1)
    distinct = work.array(f"{name}.ids", len(ids), dtype=np.int32)
    inverse = work.array(f"{name}.inverse", len(ids), dtype=np.int32)
    count = k.distinct_tokens(ids, slots, distinct, inverse)
    return distinct[:count], inverse


def _summed(k: Kernels, work, name, x, source, target, n):
    """``out[target[m]] += x[source[m]]`` for each m, in order."""
    terms = work.array("embedding.terms", len(source), x.shape[1])
    k.gather_rows(x, source, terms)
    out = work.zeros(name, n, x.shape[1])
    k.scatter_add_rows(terms, target, out)
    return out


def merge(k: Kernels, work, parts, n_ids) -> EmbeddingGradient:
    """Sum the gradients of several shards, in their order: eq. (56) over the shards."""
    if len(parts) == 1:
        return parts[0]
    ids, inverse = _distinct(k, work, "merge", np.concatenate([p.ids for p in parts]), n_ids)
    values = work.zeros("merge.values", len(ids), parts[0].values.shape[1])
    first = 0
    for part in parts:
        last = first + len(part.ids)
        k.scatter_add_rows(part.values, inverse[first:last], values)
        first = last
    return EmbeddingGradient(ids, values)

"""The embedding: distinct rows once, gradients by central differences, shards summed."""

import numpy as np

from fastlstm.core.records import PAD_ID
from fastlstm.core.workspace import Workspace
from fastlstm.layers import embedding
from tests.helpers import PoisonedWorkspace, assert_close, check_gradients, each_backend

VOCABULARY, WIDTH = 9, 4
IDS = np.array([5, 2, 5, 5, 7, 2, 1, 8, 7], np.int32)


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def dense_gradient(gradient):
    """The whole table's gradient; ``tokens`` must be distinct."""
    assert len(set(gradient.tokens.tolist())) == len(gradient.tokens)
    table = np.zeros((VOCABULARY, WIDTH), gradient.values.dtype)
    table[gradient.tokens] = gradient.values
    return table


def shard_gradient(k, work, table, ids, d_tokens):
    """Gradient of a shard's rows when each token's vector receives ``d_tokens``."""
    out = embedding.forward(k, work, table, ids)
    values = np.zeros_like(out.vectors)
    k.scatter_add_rows(d_tokens, out.inverse, values)
    return embedding.EmbeddingGradient(out.tokens.copy(), values)


@each_backend
def test_forward_looks_up_distinct_tokens(k):
    table = draw(1, VOCABULARY, WIDTH)
    work = PoisonedWorkspace(np.float64)
    for ids in (IDS, IDS[:1], IDS[::-1].copy()):  # the slots must serve again and again
        out = embedding.forward(k, work, table, ids)
        assert len(out.tokens) == len(out.vectors) == len(set(ids.tolist()))
        assert np.array_equal(out.tokens[out.inverse], ids)
        assert np.array_equal(out.vectors[out.inverse], table[ids])


@each_backend
def test_gradients(k):
    """Through lookup and the sum over two shards that share tokens; unseen rows get 0."""
    table, d_tokens = draw(2, VOCABULARY, WIDTH), draw(3, len(IDS), WIDTH)
    work = Workspace(np.float64)

    def loss():
        out = embedding.forward(k, work, table, IDS)
        return np.sum(d_tokens * out.vectors[out.inverse])

    parts = [
        shard_gradient(k, Workspace(np.float64), table, IDS[part].copy(), d_tokens[part].copy())
        for part in (slice(0, 5), slice(5, 9))
    ]
    merged = dense_gradient(embedding.merge(k, work, parts, VOCABULARY))
    check_gradients(loss, {"table": table}, {"table": merged})


@each_backend
def test_merge_sums_any_number_of_shards(k):
    table = draw(4, VOCABULARY, WIDTH)
    work = PoisonedWorkspace(np.float64)
    for n_shards in (1, 2, 5):
        parts, expected = [], np.zeros((VOCABULARY, WIDTH))
        for shard in range(n_shards):
            d_tokens = draw(10 + shard, len(IDS), WIDTH)
            ids = ((IDS + shard) % VOCABULARY).astype(np.int32)
            np.add.at(expected, ids, d_tokens)
            parts.append(shard_gradient(k, Workspace(np.float64), table, ids, d_tokens))
        merged = embedding.merge(k, work, parts, VOCABULARY)
        assert_close(dense_gradient(merged), expected, 1e-14)


def test_initial_weights():
    table = embedding.init(np.random.default_rng(0), 500, 20, np.float32)
    assert table.shape == (500, 20)
    assert table.dtype == np.float32
    assert (table[PAD_ID] == 0).all()
    assert 0.049 < np.abs(table).max() <= np.float32(0.05)
    assert abs(table.mean()) < 0.002

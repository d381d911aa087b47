"""The embedding: distinct rows once, n-grams, gradients by central differences, shards."""

import numpy as np
import pytest

from fastlstm.core.records import PAD_ID
from fastlstm.core.workspace import Workspace
from fastlstm.network.layers import embedding
from fastlstm.network.layers.embedding import Table
from tests.helpers import PoisonedWorkspace, assert_close, check_gradients, each_backend

VOCABULARY, WIDTH = 9, 4
IDS = np.array([5, 2, 5, 5, 7, 2, 1, 8, 7], np.int32)

# Without n-grams; and with pairs (5 = . 2, 6 = . 3, 8 = . 4) around a triple (7 = . . 2).
PARENTS = {"tokens": [], "ngrams": [2, 3, 5, 4]}
WHOLE = {"tokens": {}, "ngrams": {5: [2], 6: [3], 7: [5, 2], 8: [4]}}
both_kinds = pytest.mark.parametrize("kind", PARENTS)


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def table_of(kind, seed=1):
    return Table(draw(seed, VOCABULARY, WIDTH), np.array(PARENTS[kind], np.int32))


def expected_vectors(table, kind):
    """The vector of every id, from the sums written out above."""
    vectors = table.rows.copy()
    for number, others in WHOLE[kind].items():
        vectors[number] += table.rows[others].sum(axis=0)
    return vectors


def dense_gradient(gradient):
    """The whole table's gradient; ``ids`` must be distinct."""
    assert len(set(gradient.ids.tolist())) == len(gradient.ids)
    table = np.zeros((VOCABULARY, WIDTH), gradient.values.dtype)
    table[gradient.ids] = gradient.values
    return table


def shard_gradient(k, work, table, ids, d_tokens, rate=0.0, key=None):
    """Gradient of a shard's rows when each token's vector receives ``d_tokens``."""
    out = embedding.forward(k, work, table, ids, rate, key)
    d_vectors = np.zeros_like(out.vectors)
    k.scatter_add_rows(d_tokens, out.inverse, d_vectors)
    gradient = embedding.backward(k, work, out, d_vectors, rate, key)
    return embedding.EmbeddingGradient(gradient.ids.copy(), gradient.values.copy())


@each_backend
@both_kinds
def test_forward_looks_up_distinct_ids(k, kind):
    table = table_of(kind)
    work = PoisonedWorkspace(np.float64)
    for ids in (IDS, IDS[:1], IDS[::-1].copy()):  # the slots must serve again and again
        out = embedding.forward(k, work, table, ids)
        assert len(out.vectors) == len(set(ids.tolist()))
        assert_close(out.vectors[out.inverse], expected_vectors(table, kind)[ids], 1e-15)
    assert_close(embedding.all_vectors(table), expected_vectors(table, kind), 1e-15)


@each_backend
@both_kinds
@pytest.mark.parametrize(("rate", "key"), [(0.0, None), (0.4, 12)])
def test_gradients(k, kind, rate, key):
    """Through lookup, dropout and the sum over two shards that share ids; others get 0."""
    table, d_tokens = table_of(kind, 2), draw(3, len(IDS), WIDTH)
    work = Workspace(np.float64)
    shards = [slice(0, 5), slice(5, 9)]

    def loss():
        total = 0.0
        for part in shards:
            out = embedding.forward(k, work, table, IDS[part].copy(), rate, key)
            total += np.sum(d_tokens[part] * out.vectors[out.inverse])
        return total

    parts = [
        shard_gradient(
            k, Workspace(np.float64), table, IDS[part].copy(), d_tokens[part].copy(), rate, key
        )
        for part in shards
    ]
    merged = dense_gradient(embedding.merge(k, work, parts, VOCABULARY))
    assert merged[3 if kind == "tokens" else 6].tolist() == [0] * WIDTH
    check_gradients(loss, {"table": table.rows}, {"table": merged})


@each_backend
def test_an_id_and_its_ngrams_share_one_mask(k):
    table = Table(np.ones((VOCABULARY, 64)), np.array(PARENTS["ngrams"], np.int32))
    table.rows[5:] = 0  # so that a vector is its token's, masked
    out = embedding.forward(k, Workspace(np.float64), table, IDS, 0.5, 7)
    vector = dict(zip(IDS.tolist(), out.vectors[out.inverse], strict=True))
    assert set(np.unique(out.vectors)) == {0, 2}
    for ngram, token in ((5, 2), (7, 2)):
        assert np.array_equal(vector[ngram], vector[token])
    assert not np.array_equal(vector[5], vector[8])


@each_backend
def test_merge_sums_any_number_of_shards(k):
    table = table_of("tokens", 4)
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

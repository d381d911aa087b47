"""Gradients of a minibatch from its shards: the same numbers for any count of threads."""

import numpy as np
import pytest

from fastlstm.core.random import make_streams
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack, split_shards
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import backward, forward
from fastlstm.network.losses import predicted_class
from fastlstm.network.parameters import (
    DenseGradients,
    init_parameters,
    pack_model,
)
from fastlstm.training import engine as shards
from fastlstm.training.engine import GradientEngine, LabelledSequences
from tests.helpers import (
    assert_close,
    each_backend,
    each_compiled_backend,
    each_precision,
    token_sequences,
    unpadded,
)

# Rows of the weights are padded; 45 documents are 4 shards, 160 more than there are accumulators.
CONFIG = ModelConfig(
    40, embedding_dim=6, hidden_size=70, num_layers=2, n_outputs=3, dropout=0.2,
    embedding_dropout=0.1,
)  # fmt: skip


def labelled(config=CONFIG, n=45, seed=0):
    rng = np.random.default_rng(seed)
    sequences = token_sequences(rng.integers(1, 40, n).tolist(), config.vocabulary_size)
    y = rng.integers(0, max(2, config.n_outputs), n)
    return LabelledSequences(sequences, y, rng.uniform(0.5, 2, n))


def run_engine(k, n_threads, dtype=np.float32, rng=None, n=45, precision="float32", before=()):
    """Everything that one call on an engine gave, copied; after those on other minibatches."""
    parameters = init_parameters(CONFIG, make_streams(1), dtype)
    packed = pack_model(k, CONFIG, parameters, precision, training=True)
    data = labelled(n=n)
    with ShardPool(n_threads) as pool:
        engine = GradientEngine(k, CONFIG, pool, dtype)
        for rows in (*before, np.arange(n)):
            result = engine(parameters, packed, data, rows, rng)
    return {
        "loss": np.array(result.loss),
        "squared_norm": np.array(result.squared_norm),
        "dense": result.dense.flat.copy(),
        "tokens": result.embedding.ids.copy(),
        "values": result.embedding.values.copy(),
        "counts": np.array([result.correct, result.n_tokens]),
    }


@each_precision
@pytest.mark.parametrize(("n", "n_shards"), [(45, 4), (160, 10), (300, 20)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(k, precision, n, n_shards):
    """With fewer shards than accumulators, with more, and with more than two for each."""
    data = labelled(n=n)
    assert len(split_shards(data.sequences.lengths, np.arange(n))) == n_shards
    assert (n_shards > shards.ACCUMULATORS) == (n > 45)
    settings = {"n": n, "precision": precision}
    expected = run_engine(k, 1, rng=np.random.default_rng(2), **settings)
    assert expected["dense"].any()
    for n_threads in (2, 3, 4, 8):
        result = run_engine(k, n_threads, rng=np.random.default_rng(2), **settings)
        for name in expected:
            assert np.array_equal(result[name], expected[name]), (n_threads, name)


@each_compiled_backend
def test_accumulators_take_their_shards_in_turn(k, monkeypatch):
    """Number i those of i, i + 8, ..., and no memory for more than there are."""
    seen, made, lanes_of = [], [], shards.lanes_of

    def watched(lane):
        number = len(made)
        made.append(lane)

        def call(batch, rows, keys):
            seen.extend((number, shard.tolist()) for shard in rows)
            return lane(batch, rows, keys)

        call.gradients = lane.gradients
        return call

    def watching(*arguments):
        make = lanes_of(*arguments)
        return lambda: watched(make())

    monkeypatch.setattr(shards, "lanes_of", watching)
    data = labelled(n=300)
    run_engine(k, 1, n=300)
    assert len(made) == 8
    cut = split_shards(data.sequences.lengths, np.arange(300))
    assert len(cut) == len(seen) == 20
    order = [shard for number in range(8) for shard in range(number, 20, 8)]
    assert seen == [(shard % 8, cut[shard].tolist()) for shard in order]


@each_precision
def test_used_memory_does_not_matter(k, precision):
    """After the same minibatch, and after larger and smaller ones with other accumulators."""
    expected = run_engine(k, 1, n=160, precision=precision)
    every = np.arange(160)
    for before in ([every, every], [every[:40]], [every[::2], every[7:8]]):
        result = run_engine(k, 2, n=160, precision=precision, before=before)
        for name in expected:
            assert np.array_equal(result[name], expected[name]), name


@each_backend
def test_squared_norm_is_that_of_all_gradients(k):
    for n in (1, 45, 160):  # also of a minibatch below SMALL_STEP tokens
        result = run_engine(k, 3, n=n)
        norm = sum(np.sum(result[name].astype(np.float64) ** 2) for name in ("dense", "values"))
        assert norm > 0
        assert result["squared_norm"] == pytest.approx(norm, rel=1e-12)


@each_backend
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)], ids=["f32", "f64"]
)
@pytest.mark.parametrize("n", [45, 160])
def test_shards_sum_to_one_unsharded_pass(k, n, dtype, tolerance):
    result = run_engine(k, 3, dtype, n=n)
    parameters = init_parameters(CONFIG, make_streams(1), dtype)
    packed = pack_model(k, CONFIG, parameters, training=True)
    data, work = labelled(n=n), Workspace(dtype)
    batch = pack(k, data.sequences, np.arange(n))
    logits, state = forward(k, work, CONFIG, parameters.table, packed, batch)
    y, weight = data.y[batch.rows], data.weight[batch.rows] / data.weight.sum()
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(3)[y]
    d_logits = (weight[:, None] * (p - one_hot)).astype(dtype)
    gradients = DenseGradients(k, CONFIG, dtype)
    of_embedding = backward(k, work, CONFIG, packed, state, d_logits, gradients).embedding
    whole = unpadded(k, CONFIG, [gradients], dtype)
    assert_close(result["dense"], whole.flat, tolerance)
    tables = np.zeros((2, CONFIG.vocabulary_size, CONFIG.embedding_dim))
    tables[0][result["tokens"]] = result["values"]
    tables[1][of_embedding.ids] = of_embedding.values
    assert_close(*tables, tolerance)
    loss = -np.sum(weight * np.log((p * one_hot).sum(axis=1)))
    assert result["loss"] == pytest.approx(loss, rel=max(tolerance, 1e-12))
    correct = np.sum(weight * (logits.argmax(axis=1) == y))
    assert result["counts"] == pytest.approx([correct, data.sequences.lengths.sum()], rel=1e-12)


@each_compiled_backend
def test_a_weight_counts_in_a_minibatch_of_one(k):
    parameters = init_parameters(CONFIG, make_streams(1))
    packed = pack_model(k, CONFIG, parameters, training=True)
    norms = []
    with ShardPool(1) as pool:
        engine = GradientEngine(k, CONFIG, pool)
        for weight in (1.0, 3.0):
            data = labelled()
            # Two rows share what is added, so that the mean weight is the same.
            weights = np.ones(45)
            weights[:3] = [weight, (3 - weight) / 2, (3 - weight) / 2]
            result = engine(parameters, packed, data._replace(weight=weights), np.array([0]), None)
            norms.append(np.linalg.norm(result.dense.flat))
    assert norms[1] == pytest.approx(3 * norms[0], rel=1e-5)


@each_compiled_backend
def test_dropout_follows_the_random_stream(k):
    same = [run_engine(k, 1, rng=np.random.default_rng(seed))["dense"] for seed in (3, 3, 4)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
    assert not np.array_equal(same[0], run_engine(k, 1, rng=None)["dense"])


def test_predicted_class():
    assert predicted_class(np.array([[-1.0], [0.0], [2.0]])).tolist() == [0, 0, 1]
    assert predicted_class(np.array([[0.0, 3.0, 1.0], [2.0, 1.0, 0.0]])).tolist() == [1, 0]

"""Threads: the same numbers for any count of them, errors that arrive, who gets how many."""

import threading

import numpy as np
import pytest
from joblib import Parallel, delayed

from fastlstm import model as network
from fastlstm.core.random import make_streams
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack, split_shards
from fastlstm.model import ModelConfig, Parameters
from fastlstm.training import shards
from fastlstm.training.shards import (
    GradientEngine,
    LabelledSequences,
    ShardPool,
    effective_n_jobs,
    predicted_class,
)
from tests.helpers import assert_close, each_backend, each_compiled_backend, token_sequences

# Wide enough for more than one task a weight, narrow at its end.
CONFIG = ModelConfig(
    40, embedding_dim=6, hidden_size=70, num_layers=2, n_outputs=3, dropout=0.2,
    embedding_dropout=0.1,
)  # fmt: skip


def labelled(config=CONFIG, n=45, seed=0):
    rng = np.random.default_rng(seed)
    sequences = token_sequences(rng.integers(1, 40, n).tolist(), config.vocabulary_size)
    y = rng.integers(0, max(2, config.n_outputs), n)
    return LabelledSequences(sequences, y, rng.uniform(0.5, 2, n))


def run_engine(k, n_threads, dtype=np.float32, rng=None, calls=1):
    """Everything that the last of some calls on one engine gave, copied."""
    parameters = network.init_parameters(CONFIG, make_streams(1), dtype)
    packed = network.pack_model(k, CONFIG, parameters)
    data = labelled()
    with ShardPool(n_threads) as pool:
        engine = GradientEngine(k, CONFIG, pool, dtype)
        for _ in range(calls):
            result = engine(parameters, packed, data, np.arange(45), rng)
    return {
        "loss": np.array(result.loss),
        "dense": result.dense.flat.copy(),
        "tokens": result.embedding.tokens.copy(),
        "values": result.embedding.values.copy(),
        "counts": np.array([result.correct, result.n_tokens]),
    }


@each_compiled_backend
def test_any_number_of_threads_gives_the_same_bits(k):
    data = labelled()
    assert len(split_shards(data.sequences.lengths, np.arange(45))) == 4
    assert len(network.gradient_tasks(CONFIG)) == 9
    expected = run_engine(k, 1, rng=np.random.default_rng(2))
    assert expected["dense"].any()
    for n_threads in (2, 3, 4, 8):
        result = run_engine(k, n_threads, rng=np.random.default_rng(2))
        for name in expected:
            assert np.array_equal(result[name], expected[name]), (n_threads, name)


@each_compiled_backend
def test_used_memory_does_not_matter(k):
    expected = run_engine(k, 1)
    result = run_engine(k, 2, calls=3)
    for name in expected:
        assert np.array_equal(result[name], expected[name]), name


@each_backend
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)], ids=["f32", "f64"]
)
def test_shards_sum_to_one_unsharded_pass(k, dtype, tolerance):
    result = run_engine(k, 3, dtype)
    parameters = network.init_parameters(CONFIG, make_streams(1), dtype)
    packed = network.pack_model(k, CONFIG, parameters)
    data, work = labelled(), Workspace(dtype)
    batch = pack(data.sequences, np.arange(45))
    logits, state = network.forward(k, work, CONFIG, parameters.embedding, packed, batch)
    y, weight = data.y[batch.rows], data.weight[batch.rows] / data.weight.sum()
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(3)[y]
    d_logits = (weight[:, None] * (p - one_hot)).astype(dtype)
    shard = network.backward(k, work, CONFIG, packed, state, d_logits)
    whole = Parameters.zeros(CONFIG, dtype)
    for task in network.gradient_tasks(CONFIG):
        network.weight_gradient(k, CONFIG, [shard], task, whole)
    assert_close(result["dense"], whole.flat, tolerance)
    tables = np.zeros((2, CONFIG.vocabulary_size, CONFIG.embedding_dim))
    tables[0][result["tokens"]] = result["values"]
    tables[1][shard.embedding.tokens] = shard.embedding.values
    assert_close(*tables, tolerance)
    loss = -np.sum(weight * np.log((p * one_hot).sum(axis=1)))
    assert result["loss"] == pytest.approx(loss, rel=max(tolerance, 1e-12))
    correct = np.sum(weight * (logits.argmax(axis=1) == y))
    assert result["counts"] == pytest.approx([correct, data.sequences.lengths.sum()], rel=1e-12)


@each_compiled_backend
def test_a_weight_counts_in_a_minibatch_of_one(k):
    parameters = network.init_parameters(CONFIG, make_streams(1))
    packed = network.pack_model(k, CONFIG, parameters)
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


# The pool


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n_items", [0, 1, 2, 50])
def test_map_keeps_the_order(n_threads, n_items):
    with ShardPool(n_threads) as pool:
        for _ in range(3):
            assert pool.map(lambda x: x * x, range(n_items)) == [x * x for x in range(n_items)]


def test_map_runs_on_all_threads_and_the_caller_takes_part():
    together = threading.Barrier(3, timeout=30)

    def meet(_):
        together.wait()  # only passed if three threads are inside at once
        return threading.get_ident()

    with ShardPool(3) as pool:
        threads = pool.map(meet, range(3))
    assert len(set(threads)) == 3
    assert threading.get_ident() in threads


@pytest.mark.parametrize("in_caller", [True, False], ids=["in_caller", "in_helper"])
def test_an_error_reaches_the_caller_and_the_pool_still_works(in_caller):
    together = threading.Barrier(2, timeout=30)
    caller = threading.get_ident()

    def fail_in_one(item):
        together.wait()
        if (threading.get_ident() == caller) == in_caller:
            raise KeyError("lost")
        return item

    with ShardPool(2) as pool:
        with pytest.raises(KeyError, match="lost"):
            pool.map(fail_in_one, range(2))
        assert pool.map(lambda x: -x, range(20)) == [-x for x in range(20)]


def test_nothing_new_starts_after_an_error_in_the_caller():
    seen = []

    def fail(item):
        seen.append(item)
        raise ValueError("stop")

    with ShardPool(1) as pool, pytest.raises(ValueError, match="stop"):
        pool.map(fail, range(100))
    assert seen == [0]


def test_no_thread_outlives_the_pool():
    before = threading.active_count()
    with ShardPool(4) as pool:
        pool.map(lambda x: x, range(100))
    assert threading.active_count() == before


# Numbers of threads


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, 4), (1, 1), (3, 3), (9, 9), (-1, 4), (-2, 3), (-4, 1), (-5, 1), (-100, 1)],
)
def test_effective_n_jobs(n_jobs, expected, monkeypatch):
    monkeypatch.setattr(shards, "usable_cores", lambda: 4)
    assert effective_n_jobs(n_jobs) == expected


def test_zero_jobs_is_an_error():
    with pytest.raises(ValueError, match="n_jobs=0 has no meaning; use a positive number"):
        effective_n_jobs(0)


def test_usable_cores_is_a_positive_number():
    assert shards.usable_cores() >= 1


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_one_thread_inside_joblib_workers(backend):
    """But as many as are asked for where n_jobs is given."""
    calls = [delayed(effective_n_jobs)(n_jobs) for n_jobs in (None, 3, None)]
    assert Parallel(n_jobs=2, backend=backend)(calls) == [1, 3, 1]


def test_all_cores_where_joblib_runs_one_job(monkeypatch):
    monkeypatch.setattr(shards, "usable_cores", lambda: 4)
    assert Parallel(n_jobs=1)([delayed(effective_n_jobs)(None)]) == [4]

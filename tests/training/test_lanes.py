"""A lane in one call of the backend makes what the same lane makes by single kernels."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import WorkspacePool
from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import n_dropout_keys
from fastlstm.network.parameters import (
    init_parameters,
    pack_model,
)
from fastlstm.training.lanes import (
    CompiledLane,
    LabelledSequences,
    Minibatch,
    WalkedLane,
    lanes_of,
)
from tests.helpers import assert_close, each_precision, unpadded

K = load_backend("auto")
compiled = pytest.mark.skipif(not hasattr(K, "Lane"), reason="this backend has no whole lanes")
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}
PLAIN = {"vocabulary_size": 50, "embedding_dim": 6, "hidden_size": 9}
CASES = {
    "one direction": {"bidirectional": False},
    "two layers": {"num_layers": 2, "dropout": 0.3},
    "three layers, one direction": {"num_layers": 3, "bidirectional": False, "dropout": 0.2},
    "no dropout": {"num_layers": 2},
    "rows that need no padding": {"num_layers": 2, "hidden_size": 32, "embedding_dim": 64},
    "classes": {"n_outputs": 4, "dropout": 0.1},
    "n-grams": {"n_ngrams": 30, "embedding_dropout": 0.4},
    "n-grams in a large vocabulary": {
        "vocabulary_size": 5000, "n_ngrams": 3000, "embedding_dim": 64, "embedding_dropout": 0.4,
    },
    "many repeated tokens": {"vocabulary_size": 5, "embedding_dim": 70},
    "segments": {"segment_length": 7, "pooling": "max", "dropout": 0.3},
    "segments, mean": {"segment_length": 7, "pooling": "mean"},
    "segments, last": {"segment_length": 4, "pooling": "last"},
    "segments, mean and max": {"segment_length": 5, "pooling": "mean_max", "n_outputs": 3},
    "mean": {"pooling": "mean"},
    "max": {"pooling": "max"},
    "mean and max": {"pooling": "mean_max", "hidden_size": 33},
    "last": {"pooling": "last", "num_layers": 2},
    "beside": {"n_side": 5, "pooling": "max"},
    "beside, dropped": {
        "n_side": 2, "side_dropout": 0.4, "dropout": 0.2, "segment_length": 7, "n_outputs": 3,
    },
    "beside, rows that need no padding": {"n_side": 14, "hidden_size": 25, "side_dropout": 0.4},
    "features": {"n_step_features": 5},
    "features in segments, n-grams": {
        "n_step_features": 3, "segment_length": 7, "n_ngrams": 30, "embedding_dropout": 0.4,
        "dropout": 0.2, "num_layers": 2,
    },
    "features, rows that need no padding": {"n_step_features": 26, "n_side": 3},
    "attention": {"pooling": "attention", "dropout": 0.3, "n_side": 2},
    "attention, one direction": {"pooling": "attention", "bidirectional": False, "num_layers": 2},
    "attention, segments": {"pooling": "attention", "segment_length": 7, "n_outputs": 3},
    "plain RNN": {"cell": "rnn", "num_layers": 2, "dropout": 0.3},
    "plain RNN, one direction": {"cell": "rnn", "bidirectional": False, "segment_length": 7},
    "plain RNN, attention": {"cell": "rnn", "pooling": "attention", "hidden_size": 33},
    "truncated": {"segment_length": 5, "segment_state": "truncated", "num_layers": 2},
    "truncated, last, plain RNN": {
        "segment_length": 7, "segment_state": "truncated", "pooling": "last", "cell": "rnn",
    },
    "carried": {"segment_length": 7, "segment_state": "carried", "pooling": "mean_max"},
    "labels of steps": {"by_step": True},
    "labels of steps, classes": {
        "by_step": True, "n_outputs": 4, "dropout": 0.2, "num_layers": 2, "segment_length": 7,
        "bidirectional": False, "pooling": "mean_max",
    },
    "labels of steps, features": {
        "by_step": True, "n_step_features": 9, "hidden_size": 32, "dropout": 0.2,
    },
}  # fmt: skip


def make(k, settings, dtype=np.float32, precision="float32", n=21, soft=False, longest=30):
    """A configuration, and a minibatch of documents of 1 to ``longest`` tokens."""
    config = ModelConfig(**{**PLAIN, **settings})
    rng = np.random.default_rng(0)
    n_tokens = config.vocabulary_size - config.n_ngrams
    # Parents are smaller: tokens, and n-grams whose parents are tokens or n-grams.
    parents = np.array(
        [rng.integers(0, n_tokens + number) for number in range(config.n_ngrams)], np.int32
    )
    parameters = init_parameters(config, make_streams(1), dtype, parents)
    parameters.embedding[n_tokens:] = rng.normal(size=parameters.embedding[n_tokens:].shape) / 9
    parameters.embedding *= 10
    if config.has_attention:
        parameters.named["attention.w"][:] = rng.normal(size=config.output_width)
    lengths = rng.integers(1, longest + 1, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(0, config.vocabulary_size, offsets[-1]).astype(np.int32)
    classes = max(2, config.n_outputs)
    n_labels = len(ids) if config.by_step else n
    y = rng.integers(0, classes, n_labels)
    if soft:
        shape = np.ones(classes)
        y = rng.random(n_labels) if config.n_outputs == 1 else rng.dirichlet(shape, n_labels)
    side = rng.standard_normal((n, config.n_side)).astype(np.float32) if config.n_side else None
    features = None
    if config.n_step_features:
        features = rng.standard_normal((len(ids), config.n_step_features)).astype(np.float32)
    sequences = TokenSequences(ids, offsets, side, features)
    data = LabelledSequences(sequences, y, rng.uniform(0.5, 2, n_labels), config.by_step)
    packed = pack_model(k, config, parameters, precision, training=True)
    return config, Minibatch(parameters, packed, data, 17.0)


def shards_and_keys(config, n=21):
    rows = np.random.default_rng(3).permutation(n)
    shards = [rows[:8], rows[8:9], rows[9:14], rows[14:17], rows[17:19], rows[19:]]
    keys = None
    if config.dropout or config.embedding_dropout or config.side_dropout:
        keys = np.random.default_rng(4).integers(0, 2**32, (len(shards), n_dropout_keys(config)))
    return shards, keys


def both(k, config, batch, shards, keys, dtype):
    memories = WorkspacePool(dtype, None, lambda: k.LaneMemory(config))
    lanes = (
        WalkedLane(k, config, dtype, WorkspacePool(dtype)),
        CompiledLane(k, config, dtype, memories),
    )
    for lane in lanes:  # what was there before does not matter
        lane(batch, shards[:1], None if keys is None else keys[:1])
    results = [lane(batch, shards, keys) for lane in lanes]
    return results, [unpadded(k, config, [lane.gradients], dtype).named for lane in lanes]


def assert_same(results, sums, tolerance):
    expected, found = results
    assert found.loss == pytest.approx(expected.loss, rel=tolerance)
    assert found.correct == pytest.approx(expected.correct, rel=1e-12)
    assert found.n_tokens == expected.n_tokens
    for one, other in zip(expected.found(), found.found(), strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert_close(other.values, one.values, tolerance)
    for name, wanted in sums[0].items():
        assert wanted.any(), name
        assert_close(sums[1][name], wanted, tolerance, name)


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_one_call_makes_what_single_kernels_make(settings, dtype):
    config, batch = make(K, settings, dtype)
    shards, keys = shards_and_keys(config)
    assert_same(*both(K, config, batch, shards, keys, dtype), TOLERANCE[dtype])


@compiled
@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_soft_labels(n_outputs, by_step):
    settings = {"n_outputs": n_outputs, "by_step": by_step}
    config, batch = make(K, settings, np.float64, soft=True)
    shards, keys = shards_and_keys(config)
    assert_same(*both(K, config, batch, shards, keys, np.float64), 1e-14)


@compiled
@each_precision
def test_every_precision(k, precision):
    """A step of more rows than a block, too, which needs more scratch memory."""
    if not hasattr(k, "Lane"):
        pytest.skip("this backend has no whole lanes")
    for settings in ({"num_layers": 2}, {"segment_length": 2, "hidden_size": 40}):
        config, batch = make(k, settings, precision=precision, n=60)
        shards = [np.arange(0, 50), np.arange(50, 60)]
        assert_same(*both(k, config, batch, shards, None, np.float32), 1e-6)


@compiled
def test_nan_is_seen_in_the_loss():
    for n_outputs in (1, 3):
        config, batch = make(K, {"segment_length": 7, "n_outputs": n_outputs})
        batch.parameters.embedding[:] = np.nan
        shards, keys = shards_and_keys(config)
        results, _ = both(K, config, batch, shards, keys, np.float32)
        assert np.isnan([result.loss for result in results]).all()


def test_the_backend_decides():
    config, _ = make(K, {})
    lane = lanes_of(K, config, np.float32, None)()
    assert isinstance(lane, CompiledLane if hasattr(K, "Lane") else WalkedLane)
    reference = load_backend("reference")
    lane = lanes_of(reference, config, np.float32, None)()
    assert isinstance(lane, WalkedLane)


@compiled
def test_arrays_of_another_type_are_refused():
    config, batch = make(K, {}, np.float64)
    shards, keys = shards_and_keys(config)
    memories = WorkspacePool(np.float32, 1000, lambda: K.LaneMemory(config))
    lane = CompiledLane(K, config, np.float32, memories)
    with pytest.raises(TypeError, match="different types"):
        lane(batch, shards, keys)
    config, batch = make(K, {})
    data = batch.data._replace(y=batch.data.y.astype(np.int32))
    with pytest.raises(TypeError, match="int64"):
        CompiledLane(K, config, np.float32, memories)(batch._replace(data=data), shards, keys)


@compiled
def test_memory_is_shared_and_given_back():
    config, batch = make(K, {"hidden_size": 40})
    shards, keys = shards_and_keys(config)
    grown = []

    def memory():
        grown.append(K.LaneMemory(config))
        return grown[-1]

    memories = WorkspacePool(np.float32, None, memory)
    lanes = [CompiledLane(K, config, np.float32, memories) for _ in range(3)]
    for lane in lanes:
        lane(batch, shards, keys)
    assert len(grown) == 1 and grown[0].n_bytes > 10_000
    memories.most_bytes = 1000
    for lane in lanes:
        lane(batch, shards[:2], keys)
    assert len(grown) == 3

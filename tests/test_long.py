"""Documents that are read in windows, beside the same ones read at once."""

import tracemalloc

import numpy as np
import pytest

from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import WorkspacePool
from fastlstm.kernels.registry import load_backend
from fastlstm.network import long
from fastlstm.network import predict as inference
from fastlstm.network.config import POOLINGS, ModelConfig
from fastlstm.network.parameters import init_parameters, pack_model
from tests.helpers import assert_close, each_backend, each_predicting_precision

K = load_backend("auto")
SHAPES = {
    "one direction": {"bidirectional": False},
    "two directions": {},
    "two layers": {"num_layers": 2},
    "three layers, one direction": {"num_layers": 3, "bidirectional": False},
    "plain RNN": {"cell": "rnn", "num_layers": 2},
    "segments": {"segment_length": 7},
    "segments, two layers": {"segment_length": 5, "num_layers": 2, "cell": "rnn"},
    "truncated": {"segment_length": 7, "segment_state": "truncated"},
    "features": {"n_step_features": 3, "num_layers": 2},
    "features in segments": {"n_step_features": 3, "segment_length": 7, "n_side": 2},
}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
LENGTHS = [3, 170, 0, 47, 48, 64, 65, 129, 90]


def draw(config, lengths=LENGTHS, dtype=np.float64):
    rng = np.random.default_rng(0)
    parents = np.array([1, 4, config.vocabulary_size - 2], dtype=np.int32)[: config.n_ngrams]
    parameters = init_parameters(config, make_streams(1), dtype, parents)
    parameters.flat[:] = rng.normal(size=parameters.flat.size) / 2
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(1, config.vocabulary_size, offsets[-1]).astype(np.int32)
    side = features = None
    if config.n_side:
        side = rng.normal(size=(len(lengths), config.n_side)).astype(np.float32)
    if config.n_step_features:
        features = rng.normal(size=(len(ids), config.n_step_features)).astype(np.float32)
    return parameters, TokenSequences(ids, offsets, side, features)


def logits(k, config, parameters, sequences, precision="float32", run=map, **options):
    packed = pack_model(k, config, parameters, precision)
    return inference.predict_logits(k, config, parameters, packed, sequences, run, **options)


@pytest.fixture
def short_windows(monkeypatch):
    monkeypatch.setattr(long, "LONG", 47)
    monkeypatch.setattr(long, "WINDOW", 16)


@each_backend
@each_shape
@pytest.mark.parametrize("pooling", POOLINGS)
def test_as_read_at_once(k, shape, pooling, monkeypatch):
    config = ModelConfig(20, 5, 6, pooling=pooling, n_ngrams=3, n_outputs=2, **shape)
    parameters, sequences = draw(config)
    expected = logits(k, config, parameters, sequences)
    monkeypatch.setattr(long, "LONG", 47)
    monkeypatch.setattr(long, "WINDOW", 16)
    read, in_windows = [], long.LongDocument.logits

    def logits_in_windows(self, *arguments):
        read.append(self.tokens.n_tokens)
        return in_windows(self, *arguments)

    monkeypatch.setattr(long.LongDocument, "logits", logits_in_windows)
    found = logits(k, config, parameters, sequences)
    assert_close(found, expected, 1e-12)
    assert read == [170, 48, 64, 65, 129, 90]


@each_predicting_precision
def test_every_precision(k, precision, short_windows):
    config = ModelConfig(20, 5, 16, num_layers=2, pooling="mean_max", segment_length=9)
    for other in (config, config._replace(segment_length=0)):
        parameters, sequences = draw(other, dtype=np.float32)
        found = logits(k, other, parameters, sequences, precision)
        exact = logits(k, other, parameters, sequences.take(np.array([1])), precision)
        assert np.array_equal(found[1], exact[0])  # whatever else is asked for
        if precision == "float32":
            long.LONG = 10**6  # the fixture sets it back
            assert_close(found, logits(k, other, parameters, sequences), 1e-5)
            long.LONG = 47


@each_shape
def test_bits_do_not_depend_on_threads_or_projections(shape, short_windows):
    config = ModelConfig(20, 5, 6, pooling="attention", **shape)
    parameters, sequences = draw(config, dtype=np.float32)
    expected = logits(K, config, parameters, sequences)
    with ShardPool(2, K) as pool:
        found = logits(K, config, parameters, sequences, run=pool.map)
    assert np.array_equal(found, expected, equal_nan=True)
    network = inference.Network(K, config, parameters)
    prior = np.array([0.5, 0.5])
    for n_threads in (1, 2):
        for _ in range(3):  # with the vocabulary's projection, too
            again = network.logits(sequences, prior, n_threads)
            assert np.array_equal(again[[0, 1, 3]], expected[[0, 1, 3]])
            alone = network.logits(sequences.take(np.array([1])), prior, n_threads)
            assert np.array_equal(alone[0], expected[1])


@each_shape
def test_memory_hardly_grows_with_the_document(shape):
    config = ModelConfig(20, 5, 16, pooling="attention", **shape)
    peaks = []
    for n_tokens in (100_000, 400_000):
        parameters, sequences = draw(config, [n_tokens], np.float32)
        packed = pack_model(K, config, parameters)
        tokens = long.InMemory(sequences)
        tracemalloc.start()
        document = long.LongDocument(K, config, packed, parameters.table, tokens)
        document.logits(WorkspacePool(np.float32), side=sequences.side)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**20

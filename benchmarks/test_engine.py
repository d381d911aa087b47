"""Speed of the parts of the engine, with pytest-benchmark.

    pytest benchmarks/test_engine.py

Sizes are those of the tutorial model: 16 documents of 100 tokens in a shard, 128
units. Compilation happens in the warm-up. Nothing is asserted about speed.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.core.records import TokenSequences
from fastlstm.data.batching import pack
from fastlstm.kernels.registry import load_backend
from fastlstm.text.tokenize import get_tokenizer

ROWS, STEPS, HIDDEN, INPUTS = 16, 100, 128, 64
N = ROWS * STEPS
K = load_backend("numba")


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def packed(w, transpose=False):
    shape = w.shape[::-1] if transpose else w.shape
    out = np.empty(K.packed_shape(*shape, w.dtype), w.dtype)
    K.pack(w, transpose, out)
    return out


@pytest.fixture
def run(benchmark):
    def go(function, *arguments):
        return benchmark.pedantic(function, arguments, rounds=30, warmup_rounds=2)

    return go


@pytest.fixture
def run_in_place(benchmark):
    """For kernels that change their first argument: each round gets a copy of it."""

    def go(function, first, *others):
        def setup():
            return (first.copy(), *others), {}

        return benchmark.pedantic(function, setup=setup, rounds=30, warmup_rounds=2)

    return go


def test_matmul(run):
    w = draw(HIDDEN, 4 * HIDDEN)
    width = K.padded_width(4 * HIDDEN, np.float32)
    out = np.empty((N, width), np.float32)
    run(K.matmul, draw(N, HIDDEN), packed(w), 4 * HIDDEN, np.zeros(width, np.float32), out)


def test_weight_gradient(run):
    d = draw(N, K.padded_width(4 * HIDDEN, np.float32))
    out = np.empty((HIDDEN, 4 * HIDDEN), np.float32)
    run(K.weight_gradient, draw(N, HIDDEN), d, 0, 4 * HIDDEN, False, out)


def sweep_arrays():
    state = np.zeros((ROWS, HIDDEN), np.float32)
    n_live = np.full(STEPS, ROWS, np.int64)
    starts = np.arange(STEPS, dtype=np.int64) * ROWS
    return state, n_live, starts


def test_forward_sweep(run_in_place):
    state, n_live, starts = sweep_arrays()
    w = packed(draw(HIDDEN, 4 * HIDDEN) / 11)
    h, c = np.empty((N, HIDDEN), np.float32), np.empty((N, HIDDEN), np.float32)
    gates = draw(N, K.padded_width(4 * HIDDEN, np.float32))
    run_in_place(K.lstm_forward, gates, w, state, state, False, n_live, starts, False, 0, h, c)


def test_backward_sweep(run_in_place):
    state, n_live, starts = sweep_arrays()
    w = packed(draw(HIDDEN, 4 * HIDDEN) / 11, transpose=True)
    width = K.padded_width(HIDDEN, np.float32)
    gates = np.full((N, K.padded_width(4 * HIDDEN, np.float32)), 0.5, np.float32)
    run_in_place(
        K.lstm_backward, gates, w, state, draw(N, HIDDEN), draw(N, HIDDEN), n_live, starts,
        False, 0, np.zeros(width, np.float32), np.zeros((ROWS, width), np.float32), state.copy(),
    )  # fmt: skip


def test_embedding(run):
    ids = np.random.default_rng(0).integers(1, 20_000, N).astype(np.int32)
    out = np.empty((N, INPUTS), np.float32)
    run(K.gather_rows, draw(20_000, INPUTS), ids, out)


def test_packing(run):
    lengths = np.random.default_rng(0).integers(20, STEPS, ROWS)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sequences = TokenSequences(np.ones(offsets[-1], np.int32), offsets)
    run(pack, sequences, np.arange(ROWS))


def test_tokenizer(run):
    text = " ".join(datasets.load_reviews("en").texts)
    run(get_tokenizer("auto"), text)


@pytest.fixture(scope="module")
def classifier():
    reviews = datasets.load_reviews()
    settings = {"max_epochs": 1, "early_stopping": False, "random_state": 0}
    return LSTMSentimentClassifier(**settings).fit(reviews.texts, reviews.labels)


def test_one_epoch(run, classifier):
    reviews = datasets.load_reviews()
    run(classifier.fit, reviews.texts, reviews.labels)


def test_predict_batch(run, classifier):
    run(classifier.predict_proba, datasets.load_reviews().texts)


def test_predict_one(run, classifier):
    run(classifier.predict_proba, ["It works, but not for long."])

"""Speed of the parts of the engine, with pytest-benchmark.

    pytest benchmarks/test_engine.py

Sizes are those of the tutorial model: 16 documents of 100 tokens in a shard, 128
units, 64 numbers an embedding. Compilation happens in the warm-up. Nothing is
asserted about speed; ``extra_info`` holds the work of one call, in multiply-adds or
tokens.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, datasets
from fastlstm.core.errors import BackendError
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace, aligned_empty, aligned_zeros
from fastlstm.data.batching import pack
from fastlstm.kernels.arguments import DirectionState, StateGradient, Steps
from fastlstm.kernels.registry import load_backend
from fastlstm.network import predict
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers import lstm
from fastlstm.network.parameters import init_parameters
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.text.tokenizers import get_tokenizer
from fastlstm.vectors.learned import SkipGramOptions, skip_gram

ROWS, STEPS, HIDDEN, INPUTS, VOCABULARY = 16, 100, 128, 64, 20_000
N, GATES = ROWS * STEPS, 4 * HIDDEN
K = load_backend("auto")
EACH_ITS_OWN = np.zeros(0, np.int32)


def element_types():
    """Element types of packed weights that this CPU can multiply, by what they stand for."""
    found = {"floats": np.dtype(np.float32)}
    for precision in ("float32", "bfloat16"):
        try:
            found[precision] = K.packed_dtype(np.float32, precision, True)
        except BackendError:
            continue
    return found


TYPES = element_types()
each_type = pytest.mark.parametrize("dtype", TYPES.values(), ids=TYPES)
each_forward_type = pytest.mark.parametrize(
    "dtype", [*TYPES.values(), np.dtype(np.int8)], ids=[*TYPES, "int8"]
)
each_precision = pytest.mark.parametrize("precision", [name for name in TYPES if name != "floats"])


def draw(*shape):
    out = aligned_empty(shape, np.float32)
    out[:] = np.random.default_rng(0).standard_normal(shape)
    return out


def packed(w, dtype, transpose=False):
    shape = w.shape[::-1] if transpose else w.shape
    out = aligned_empty(K.packed_shape(*shape, dtype), dtype)
    K.pack(w, transpose, out)
    return out


def scratch(dtype):
    return aligned_empty(K.scratch_size(HIDDEN, HIDDEN, ROWS, dtype), dtype)


@pytest.fixture
def run(benchmark):
    def go(function, *arguments, **work):
        benchmark.extra_info.update(work)
        return benchmark.pedantic(function, arguments, rounds=30, warmup_rounds=2)

    return go


@each_forward_type
@pytest.mark.parametrize("rows", [1, ROWS, 96])
def test_matmul(run, dtype, rows):
    """The micro-kernel: one step's recurrent product, and a block's input product."""
    width = K.padded_width(GATES, np.float32)
    run(
        K.matmul, draw(rows, HIDDEN), HIDDEN, packed(draw(HIDDEN, GATES), dtype), GATES,
        aligned_zeros(width, np.float32), scratch(dtype), aligned_empty((rows, width), np.float32),
        multiply_adds=rows * HIDDEN * GATES,
    )  # fmt: skip


@each_type
def test_weight_gradient(run, dtype):
    width = K.padded_width(GATES, np.float32)
    run(
        K.weight_gradient, draw(N, HIDDEN), draw(N, width), GATES, scratch(dtype),
        aligned_zeros((HIDDEN, width), np.float32), aligned_zeros(width, np.float32),
        multiply_adds=N * HIDDEN * GATES,
    )  # fmt: skip


@each_type
@pytest.mark.parametrize("transpose", [False, True], ids=["plain", "transposed"])
def test_pack_weights(run, dtype, transpose):
    shape = (GATES, HIDDEN) if transpose else (HIDDEN, GATES)
    out = aligned_empty(K.packed_shape(HIDDEN, GATES, dtype), dtype)
    run(K.pack, draw(*shape), transpose, out)


class Layer:
    """One direction over one shard, ready to sweep."""

    def __init__(self, precision, n_inputs=HIDDEN, training=True):
        weights = lstm.init(np.random.default_rng(0), n_inputs, HIDDEN, np.float32)
        self.weights = lstm.pack(K, weights, precision=precision, training=training)
        self.inputs = draw(N, n_inputs)
        starts = np.arange(STEPS, dtype=np.int64) * ROWS
        self.steps = Steps(np.full(STEPS, ROWS, np.int64), starts, False, 0)
        zero = aligned_zeros((ROWS, HIDDEN), np.float32)
        self.initial = DirectionState(zero, zero, False)
        self.scratch = scratch(self.weights.w_x.dtype)
        width = K.padded_width(GATES, np.float32)
        self.gates = aligned_empty((N, width), np.float32)
        self.h, self.c = draw(N, HIDDEN), draw(N, HIDDEN)
        self.block = aligned_empty((K.block_rows(ROWS), width), np.float32)
        self.running = zero.copy()
        self.done = np.zeros(1, np.int64)
        self.previous = aligned_empty((K.block_rows(ROWS), HIDDEN), np.float32)
        self.zeros = aligned_zeros(max(HIDDEN, n_inputs), np.float32)
        self.d_state = StateGradient(zero.copy(), zero.copy())
        self.d_inputs = aligned_empty((N, K.padded_width(n_inputs, np.float32)), np.float32)
        self.gradient = lstm.zero_gradient(K, n_inputs, HIDDEN, np.float32)
        self.d_out = draw(N, HIDDEN) / 100

    def forward(self, keep):
        gates, c = (self.gates, self.c) if keep else (self.block, self.running)
        K.lstm_forward(
            self.inputs, EACH_ITS_OWN, self.weights, self.steps, self.initial, keep,
            self.scratch, lstm.READY, self.done, gates, self.h, c,
        )  # fmt: skip

    def backward(self):
        K.lstm_backward(
            self.inputs, EACH_ITS_OWN, self.weights, self.steps, self.initial, self.gates,
            self.h, self.c, self.d_out, False, self.scratch, self.previous, self.zeros,
            self.d_state, self.d_inputs, self.gradient,
        )  # fmt: skip


@each_precision
@pytest.mark.parametrize("keep", [True, False], ids=["training", "inference"])
def test_forward_sweep(run, precision, keep):
    run(Layer(precision).forward, keep, multiply_adds=2 * N * HIDDEN * GATES)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_forward_sweep_packed_for_prediction(run, precision):
    layer = Layer(precision, training=False)
    run(layer.forward, False, multiply_adds=2 * N * HIDDEN * GATES)


@each_precision
def test_backward_sweep(benchmark, precision):
    """Each round starts from the gates that a forward sweep left."""
    layer = Layer(precision)
    benchmark.extra_info["multiply_adds"] = 4 * N * HIDDEN * GATES
    benchmark.pedantic(
        layer.backward, setup=lambda: layer.forward(True), rounds=30, warmup_rounds=2
    )


def test_cell(run):
    """The cell without its products: a layer of one unit that stands 128 times."""
    from numba import njit

    from fastlstm.kernels.numba.cell import cell_forward

    @njit
    def cells(gates, c, h):
        for row in range(len(h)):
            cell_forward(gates, row * GATES, c, row * HIDDEN, c, row * HIDDEN, h, row * HIDDEN,
                         HIDDEN)  # fmt: skip

    run(cells, draw(ROWS, GATES), draw(ROWS, HIDDEN), draw(ROWS, HIDDEN), tokens=ROWS)


@pytest.mark.parametrize("distinct", [0.1, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("way", ["projected once", "a row for each token"])
def test_distinct_tokens(run, monkeypatch, distinct, way):
    """A training step of the first layer: where ``lstm.TERMS_TRAINING`` comes from."""
    monkeypatch.setattr(lstm, "TERMS_TRAINING", -1 if way == "projected once" else 10**9)
    rng = np.random.default_rng(0)
    n_rows = int(distinct * N)
    inverse = np.concatenate([np.arange(n_rows), rng.integers(0, n_rows, N - n_rows)])
    inputs = lstm.LayerInput(draw(n_rows, INPUTS), rng.permutation(inverse).astype(np.int32))
    offsets = np.arange(ROWS + 1, dtype=np.int64) * STEPS
    batch = pack(K, TokenSequences(np.ones(N, np.int32), offsets), np.arange(ROWS))
    layer = Layer("float32", INPUTS)
    work = Workspace(np.float32)

    def forward_and_backward():
        cache = lstm.forward(K, work, "layer", inputs, batch, [layer.weights])
        lstm.backward(
            K, work, "layer", cache, layer.d_out, batch, [layer.weights], [layer.gradient]
        )

    run(forward_and_backward, tokens=N)


@pytest.mark.parametrize("tokens", [20, 100])
@pytest.mark.parametrize("way", ["calls kept", "prepared each time"])
def test_one_document(run, monkeypatch, way, tokens):
    """A network on one document, whose rows are projected already."""
    if way == "prepared each time":
        monkeypatch.setattr(predict, "_PLANNED_TOKENS", 0)
    rng, prior = np.random.default_rng(0), np.array([0.5, 0.5])
    config = ModelConfig(VOCABULARY, INPUTS, HIDDEN, num_layers=2, bidirectional=False)
    network = predict.Network(K, config, init_parameters(config, make_streams(0)))
    offsets = np.array([0, tokens])
    documents = [
        TokenSequences(rng.integers(1, VOCABULARY, tokens, dtype=np.int32), offsets)
        for _ in range(100)
    ]
    network._projected_vocabulary(VOCABULARY)
    run(lambda: [network.logits(one, prior) for one in documents], tokens=100 * tokens)


def test_embedding(run):
    ids = np.random.default_rng(0).integers(1, VOCABULARY, N).astype(np.int32)
    run(K.gather_rows, draw(VOCABULARY, INPUTS), ids, aligned_empty((N, INPUTS), np.float32),
        tokens=N)  # fmt: skip


@pytest.mark.parametrize("vocabulary", [1000, 130_000], ids=["in the cache", "in memory"])
def test_adam_on_rows(benchmark, vocabulary):
    """A step on the rows of 500 tokens; of a large table each row waits for memory."""
    rng = np.random.default_rng(0)
    tables = [aligned_zeros((vocabulary, HIDDEN), np.float32) for _ in range(3)]
    gradient = draw(500, HIDDEN)
    for table in tables:
        table += 1

    def other_rows():
        rows = np.sort(rng.choice(vocabulary, 500, replace=False)).astype(np.int32)
        factors = 1.0, 1e-3, 0.0, 0.9, 0.999, 1.0, 1.0, 1e-8
        return (tables[0], rows, gradient, *tables[1:], *factors), {}

    benchmark.pedantic(K.adam_update, setup=other_rows, rounds=300, warmup_rounds=2)


@pytest.mark.parametrize("backend", ["cython", "numba"])
def test_skip_gram(run, backend):
    """Word vectors of 128 numbers from 200,000 tokens, on one thread."""
    try:
        k = load_backend(backend)
    except BackendError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(0)
    ids = (rng.zipf(1.2, 200_000) % VOCABULARY).astype(np.int32)
    sequences = TokenSequences(ids, np.arange(0, len(ids) + 1, 200, dtype=np.int64))
    options = SkipGramOptions(epochs=1)
    run(skip_gram, k, sequences, VOCABULARY, 128, np.random.default_rng(0), options,
        tokens=len(ids))  # fmt: skip


def test_packing(run):
    lengths = np.random.default_rng(0).integers(20, STEPS, ROWS)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sequences = TokenSequences(np.ones(offsets[-1], np.int32), offsets)
    run(pack, K, sequences, np.arange(ROWS), tokens=int(offsets[-1]))


@pytest.mark.parametrize("handover", [True, False], ids=["handover", "no handover"])
def test_handover_on_two_threads(run, monkeypatch, handover):
    """An epoch of short texts, whose kernels are hardly longer than the Python between them."""
    if not handover:
        monkeypatch.setattr(K, "hand_over", lambda on: None)
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 10_000, (1600, 18)), np.arange(1600) % 2
    clf = LSTMClassifier(max_epochs=1, early_stopping=False, n_jobs=2)
    run(clf.fit, X, y, tokens=X.size)


def test_tokenizer(run):
    text = " ".join(datasets.load_reviews("en").texts)
    tokenize = get_tokenizer("auto")
    run(tokenize, text, tokens=len(tokenize(text)))


@pytest.mark.parametrize("method", ["learn", "encode"])
def test_text_to_ids(run, method):
    """Documents to token ids: cleaned, tokenised, looked up."""
    texts = datasets.load_reviews("en").texts * 5
    encoder, encoded = TextEncoder.learn(texts, TextOptions())
    calls = {
        "learn": lambda texts: TextEncoder.learn(texts, TextOptions()),
        "encode": encoder.encode,
    }
    run(calls[method], texts, tokens=len(encoded.whole.ids))


@pytest.fixture(scope="module", params=[name for name in TYPES if name != "floats"])
def classifier(request):
    reviews = datasets.load_reviews()
    settings = {"max_epochs": 1, "early_stopping": False, "random_state": 0}
    return LSTMSentimentClassifier(precision=request.param, **settings).fit(
        reviews.texts, reviews.labels
    )


def test_one_epoch(run, classifier):
    reviews = datasets.load_reviews()
    run(classifier.fit, reviews.texts, reviews.labels)


def test_predict_batch(run, classifier):
    run(classifier.predict_proba, datasets.load_reviews().texts)


def test_predict_one(run, classifier):
    run(classifier.predict_proba, ["It works, but not for long."])

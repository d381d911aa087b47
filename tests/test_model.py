"""The whole network: every weight by central differences, its records, its predictions."""

import pickle

import numpy as np
import pytest

from fastlstm import model as network
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data import batching
from fastlstm.kernels import reference
from fastlstm.losses import probabilities
from fastlstm.model import ModelConfig, Parameters
from fastlstm.training.shards import GradientEngine, LabelledSequences, ShardPool
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    check_gradients,
    each_backend,
    each_compiled_backend,
    token_sequences,
)

SMALL = {"vocabulary_size": 6, "embedding_dim": 3, "hidden_size": 2}
DROP = {"dropout": 0.3, "embedding_dropout": 0.25}
CONFIGS = [
    ModelConfig(**SMALL, num_layers=1, bidirectional=False, pooling="last"),
    ModelConfig(**SMALL, num_layers=1, bidirectional=True, pooling="mean", n_outputs=3),
    ModelConfig(**SMALL, num_layers=2, bidirectional=False, pooling="max", n_outputs=3),
    ModelConfig(**SMALL, num_layers=2, bidirectional=True, pooling="mean_max"),
    ModelConfig(**SMALL, num_layers=1, bidirectional=True, pooling="max", **DROP),
    ModelConfig(**SMALL, num_layers=2, bidirectional=False, pooling="mean", **DROP),
    ModelConfig(**SMALL, num_layers=2, bidirectional=True, pooling="last", n_outputs=3, **DROP),
]


def size(config):
    dense = sum(int(np.prod(shape)) for shape in config.dense_shapes().values())
    return dense + config.vocabulary_size * config.embedding_dim


def describe(config):
    directions = "both" if config.bidirectional else "forward"
    drop = "-dropout" if config.dropout else ""
    return (
        f"{config.num_layers}-{directions}-{config.pooling}-{config.n_outputs}{drop}"
        f"-{size(config)}_parameters"
    )


def draw_parameters(config, seed=0, dtype=np.float64):
    """Weights of a size that gives every gate and every gradient something to do."""
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((config.vocabulary_size, config.embedding_dim)).astype(dtype)
    parameters = Parameters.zeros(config, dtype, table)
    parameters.flat[:] = 0.7 * rng.standard_normal(parameters.flat.size)
    return parameters


class Problem:
    """Nine documents in a minibatch, one of them left out and one empty, all weighted."""

    LENGTHS = [2, 1, 4, 0, 1, 2, 1, 3, 2, 3, 2]
    ROWS = np.array([0, 1, 2, 4, 5, 6, 7, 8, 10])
    SEED = 11

    def __init__(self, k, config, monkeypatch):
        # Cut even this small minibatch, into 4 shards.
        monkeypatch.setattr(batching, "_SMALL_BATCH_TOKENS", 1)
        monkeypatch.setattr(batching, "_SHARD_DOCUMENTS", 4)
        rng = np.random.default_rng(1)
        n = len(self.LENGTHS)
        self.k, self.config = k, config
        self.parameters = draw_parameters(config)
        sequences = token_sequences(self.LENGTHS, config.vocabulary_size - 1)
        y = rng.integers(0, max(2, config.n_outputs), n)
        self.data = LabelledSequences(sequences, y, rng.uniform(0.2, 2, n))
        self.shards = batching.split_shards(sequences.lengths, self.ROWS)
        assert len(self.shards) == 4
        self.work = Workspace(np.float64)

    def loss(self):
        """Weighted losses over their normaliser, by forward passes alone and with fixed masks."""
        packed = network.pack_model(self.k, self.config, self.parameters)
        keys = [None] * len(self.shards)
        if self.config.dropout:
            shape = (len(self.shards), network.n_dropout_keys(self.config))
            keys = np.random.default_rng(self.SEED).integers(0, 2**32, size=shape)
        total = 0.0
        for rows, own in zip(self.shards, keys, strict=True):
            batch = batching.pack(self.data.sequences, rows)
            logits, _ = network.forward(
                self.k, self.work, self.config, self.parameters.embedding, packed, batch, own
            )
            total += document_losses(logits, self.data.y[batch.rows]) @ self.data.weight[batch.rows]
        return total / (len(self.ROWS) * self.data.weight.mean())

    def arrays(self):
        return {"embedding": self.parameters.embedding, "dense": self.parameters.flat}

    def gradients(self):
        packed = network.pack_model(self.k, self.config, self.parameters)
        with ShardPool(1) as pool:
            engine = GradientEngine(self.k, self.config, pool, np.float64)
            rng = np.random.default_rng(self.SEED)
            result = engine(self.parameters, packed, self.data, self.ROWS, rng)
        assert result.loss == pytest.approx(self.loss(), rel=1e-12)
        table = np.zeros_like(self.parameters.embedding)
        table[result.embedding.tokens] = result.embedding.values
        return {"embedding": table, "dense": result.dense.flat}


def document_losses(logits, y):
    """docs/maths.md, eqs. (70) and (75), in their plain forms."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]


@each_backend
@pytest.mark.parametrize("config", CONFIGS, ids=describe)
def test_gradients(k, config, monkeypatch):
    problem = Problem(k, config, monkeypatch)
    gradients = problem.gradients()
    unseen = [0, config.vocabulary_size - 1]
    assert (gradients["embedding"][unseen] == 0).all()
    check_gradients(problem.loss, problem.arrays(), gradients)


@each_backend
def test_old_content_of_memory_does_not_matter(k):
    config = CONFIGS[3]
    parameters = draw_parameters(config, dtype=np.float32)
    packed = network.pack_model(k, config, parameters)
    batch = batching.pack(token_sequences([4, 1, 3], 6), np.arange(3))
    d_logits = np.ones((3, 1), np.float32)
    results = []
    for work in (Workspace(np.float32), PoisonedWorkspace(np.float32)):
        logits, state = network.forward(k, work, config, parameters.embedding, packed, batch)
        shard = network.backward(k, work, config, packed, state, d_logits)
        out = Parameters.zeros(config, np.float32)
        for task in network.gradient_tasks(config):
            network.weight_gradient(k, config, [shard], task, out)
        results.append([logits.copy(), shard.embedding.values.copy(), out.flat])
    for fresh, poisoned in zip(*results, strict=True):
        assert np.isfinite(fresh).all()
        assert np.array_equal(fresh, poisoned)


def test_gradient_tasks_cover_every_column_once():
    config = ModelConfig(9, hidden_size=70, num_layers=2)
    tasks = network.gradient_tasks(config)
    assert tasks.count((-1, 0, 0, 0)) == 1
    for layer in range(2):
        for d in range(2):
            columns = [c for a, b, low, high in tasks if (a, b) == (layer, d)
                       for c in range(low, high)]  # fmt: skip
            assert columns == list(range(280))


@each_backend
def test_packing_again_follows_the_weights(k):
    config = CONFIGS[3]
    packed = network.pack_model(k, config, draw_parameters(config, seed=1))
    parameters = draw_parameters(config, seed=2)
    again = network.pack_model(k, config, parameters, packed)
    fresh = network.pack_model(k, config, parameters)
    sequences = token_sequences([3, 2], 6)
    logits = [network.predict_logits(k, config, parameters, p, sequences) for p in (again, fresh)]
    assert np.array_equal(*logits)


# Parameters


def test_fresh_weights_have_the_shapes_and_repeat_for_a_seed():
    config = ModelConfig(9, embedding_dim=4, hidden_size=3, num_layers=2, n_outputs=3)
    first, second, other = (
        network.init_parameters(config, make_streams(seed)) for seed in (0, 0, 1)
    )
    assert {name: w.shape for name, w in first.named.items()} == config.dense_shapes()
    assert first.flat.dtype == first.embedding.dtype == np.float32
    assert np.array_equal(first.flat, second.flat)
    assert np.array_equal(first.embedding, second.embedding)
    assert not np.array_equal(first.flat, other.flat)
    assert (first.embedding[0] == 0).all()
    for name in ("lstm.0.forward.w_x", "lstm.1.reverse.w_h", "dense.w"):
        assert np.count_nonzero(first.named[name]) == first.named[name].size
    assert first.named["lstm.1.forward.b"].tolist() == [0] * 3 + [1] * 3 + [0] * 6


def test_named_weights_are_views_of_one_array():
    parameters = draw_parameters(CONFIGS[3])
    parameters.flat[:] = np.arange(parameters.flat.size)
    stored = np.concatenate([w.ravel() for w in parameters.named.values()])
    assert np.array_equal(stored, parameters.flat)
    assert all(np.shares_memory(w, parameters.flat) for w in parameters.named.values())
    group = parameters.group("lstm.1.reverse")
    assert list(group) == ["w_x", "w_h", "b"]
    assert group["b"] is parameters.named["lstm.1.reverse.b"]


def test_copy_shares_nothing():
    parameters = draw_parameters(CONFIGS[3])
    copy = parameters.copy()
    for name, w in copy.arrays().items():
        assert np.array_equal(w, parameters.arrays()[name])
    copy.flat[:] = 0
    copy.embedding[:] = 0
    assert parameters.flat.all()
    assert parameters.embedding.all()


def test_pickle_gives_views_of_one_array_again():
    parameters = draw_parameters(CONFIGS[3])
    again = pickle.loads(pickle.dumps(parameters))
    assert list(again.arrays()) == list(parameters.arrays())
    for name, w in again.arrays().items():
        assert np.array_equal(w, parameters.arrays()[name])
    again.flat[:] = 5
    assert all((w == 5).all() for w in again.named.values())


def test_from_read_only_arrays_is_writable():
    parameters = draw_parameters(CONFIGS[3])
    frozen = {name: w.copy() for name, w in parameters.arrays().items()}
    for w in frozen.values():
        w.flags.writeable = False
    again = Parameters.from_arrays(frozen)
    assert np.array_equal(again.flat, parameters.flat)
    assert np.array_equal(again.embedding, parameters.embedding)
    again.embedding += 1
    again.flat += 1
    assert all(w.flags.writeable for w in again.arrays().values())


# Predictions

PREDICT = ModelConfig(50, embedding_dim=5, hidden_size=9, num_layers=2, pooling="mean_max")


def predict(k, parameters, sequences, run=map, config=PREDICT):
    packed = network.pack_model(k, config, parameters)
    return network.predict_logits(k, config, parameters, packed, sequences, run)


def many_documents():
    """More than one chunk of them, empty ones and ties among them."""
    lengths = np.random.default_rng(3).integers(0, 12, 120).tolist()
    return token_sequences(lengths, 50, seed=4)


@each_compiled_backend
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
def test_prediction_does_not_depend_on_the_neighbours(k, pooling):
    config = ModelConfig(50, 5, 9, num_layers=2, pooling=pooling)
    parameters = draw_parameters(config, dtype=np.float32)
    sequences = many_documents()
    logits = predict(k, parameters, sequences, config=config)
    order = np.random.default_rng(5).permutation(sequences.n_documents)
    shuffled = predict(k, parameters, sequences.take(order), config=config)
    assert np.array_equal(shuffled, logits[order], equal_nan=True)
    for row in range(0, sequences.n_documents, 7):
        alone = predict(k, parameters, sequences.take([row]), config=config)
        assert np.array_equal(alone[0], logits[row], equal_nan=True)


@each_backend
def test_predictions_are_those_of_the_reference(k):
    parameters = draw_parameters(PREDICT)
    sequences = many_documents()
    expected = predict(reference, parameters, sequences)
    assert_close(predict(k, parameters, sequences), expected, 1e-12)
    single = Parameters.from_arrays(
        {name: w.astype(np.float32) for name, w in parameters.arrays().items()}
    )
    logits = predict(k, single, sequences)
    assert logits.dtype == np.float32
    assert_close(logits, expected, 1e-5)


@each_backend
def test_empty_documents_are_nan_and_nothing_else_is(k):
    sequences = many_documents()
    logits = predict(k, draw_parameters(PREDICT, dtype=np.float32), sequences)
    assert (sequences.lengths == 0).sum() > 3
    assert np.array_equal(np.isnan(logits[:, 0]), sequences.lengths == 0)


@each_backend
@pytest.mark.parametrize("prior", [[0.25, 0.75], [0.5, 0.3, 0.2]], ids=str)
def test_network_gives_empty_documents_the_prior(k, prior):
    n_outputs = 1 if len(prior) == 2 else 3
    config = ModelConfig(50, 5, 9, num_layers=2, pooling="mean_max", n_outputs=n_outputs)
    parameters, sequences = draw_parameters(config), many_documents()
    logits = network.Network(k, config, parameters).logits(sequences, np.array(prior))
    empty = sequences.lengths == 0
    assert_close(probabilities(logits)[empty], np.tile(prior, (empty.sum(), 1)), 1e-14)
    assert np.array_equal(logits[~empty], predict(k, parameters, sequences, config=config)[~empty])


@each_backend
def test_no_documents_and_only_empty_ones(k):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    none = TokenSequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    assert predict(k, parameters, none).shape == (0, 1)
    assert np.isnan(predict(k, parameters, token_sequences([0, 0, 0]))).all()


@each_compiled_backend
@pytest.mark.parametrize("n_threads", [2, 5])
def test_predictions_on_threads_are_the_same(k, n_threads):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    sequences = many_documents()
    with ShardPool(n_threads) as pool:
        spread = predict(k, parameters, sequences, pool.map)
    assert np.array_equal(spread, predict(k, parameters, sequences), equal_nan=True)

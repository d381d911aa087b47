"""The whole network: every weight by central differences, its records, its predictions."""

import pickle

import numpy as np
import pytest

from fastlstm.core.random import make_streams
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import Workspace
from fastlstm.data import batching
from fastlstm.kernels import reference
from fastlstm.network import predict as inference
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import backward, forward, n_dropout_keys
from fastlstm.network.layers import lstm
from fastlstm.network.parameters import (
    DenseGradients,
    Parameters,
    init_parameters,
    pack_model,
    repack,
    weight_blocks,
)
from fastlstm.training.engine import GradientEngine, LabelledSequences
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    check_gradients,
    each_backend,
    each_precision,
    token_sequences,
    unpadded,
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
    ModelConfig(8, 3, 2, pooling="max", n_ngrams=4, segment_length=2, **DROP),
    ModelConfig(8, 3, 2, num_layers=2, pooling="mean_max", n_ngrams=4, segment_length=1),
    ModelConfig(**SMALL, pooling="max", n_side=3),
    ModelConfig(
        8,
        3,
        2,
        num_layers=2,
        n_outputs=3,
        n_ngrams=4,
        segment_length=2,
        n_side=2,
        side_dropout=0.4,
        **DROP,
    ),
    ModelConfig(**SMALL, pooling="max", n_step_features=2),
    ModelConfig(8, 3, 2, n_ngrams=4, segment_length=2, n_side=1, n_step_features=3, **DROP),
    ModelConfig(**SMALL, num_layers=2, n_outputs=3, by_step=True, **DROP),
    ModelConfig(8, 3, 2, n_ngrams=4, segment_length=2, n_step_features=1, by_step=True),
    ModelConfig(**SMALL, pooling="attention", n_outputs=3),
    ModelConfig(8, 3, 2, pooling="attention", n_ngrams=4, segment_length=2, n_side=1, **DROP),
    ModelConfig(**SMALL, num_layers=2, pooling="mean_max", cell="rnn", **DROP),
    ModelConfig(**SMALL, bidirectional=False, pooling="last", cell="rnn"),
    ModelConfig(8, 3, 2, pooling="attention", n_ngrams=4, segment_length=2, cell="rnn"),
    ModelConfig(8, 3, 2, n_ngrams=4, segment_length=2, segment_state="carried"),
]
# Of the two configurations with n-grams, the ids 4 to 7; 6 is one of three tokens.
PARENTS = np.array([1, 2, 4, 3], dtype=np.int32)


def size(config):
    dense = sum(int(np.prod(shape)) for shape in config.dense_shapes().values())
    return dense + config.vocabulary_size * config.embedding_dim


def describe(config):
    directions = "both" if config.bidirectional else "forward"
    drop = "-dropout" if config.dropout else ""
    drop += "-ngrams-segments" if config.n_ngrams else ""
    drop += "-rnn" if config.cell == "rnn" else ""
    drop += "-carried" if config.segment_state == "carried" else ""
    drop += "-side" if config.n_side else ""
    drop += "-features" if config.n_step_features else ""
    drop += "-steps" if config.by_step else ""
    return (
        f"{config.num_layers}-{directions}-{config.pooling}-{config.n_outputs}{drop}"
        f"-{size(config)}_parameters"
    )


def draw_parameters(config, seed=0, dtype=np.float64):
    """Weights of a size that gives every gate and every gradient something to do."""
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((config.vocabulary_size, config.embedding_dim)).astype(dtype)
    parents = PARENTS[: config.n_ngrams]
    parameters = Parameters.zeros(config, dtype, table, parents)
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
        if config.n_side:
            side = np.random.default_rng(2).standard_normal((n, config.n_side))
            sequences = sequences._replace(side=side.astype(np.float32))
        if config.n_step_features:
            shape = len(sequences.ids), config.n_step_features
            features = np.random.default_rng(3).standard_normal(shape)
            sequences = sequences._replace(features=features.astype(np.float32))
        n_labels = len(sequences.ids) if config.by_step else n
        y = rng.integers(0, max(2, config.n_outputs), n_labels)
        weight = rng.uniform(0.2, 2, n_labels)
        self.data = LabelledSequences(sequences, y, weight, config.by_step)
        self.shards = batching.split_shards(sequences.lengths_of(self.ROWS), self.ROWS)
        assert len(self.shards) == 4
        self.work = Workspace(np.float64)

    def loss(self):
        """Weighted losses over their normaliser, by forward passes alone and with fixed masks."""
        packed = pack_model(self.k, self.config, self.parameters, training=True)
        keys = [None] * len(self.shards)
        if self.config.dropout:
            shape = (len(self.shards), n_dropout_keys(self.config))
            keys = np.random.default_rng(self.SEED).integers(0, 2**32, size=shape)
        total = 0.0
        for rows, own in zip(self.shards, keys, strict=True):
            batch = batching.pack(
                self.k, self.data.sequences, rows, self.config.cut_length, self.config.by_step
            )
            logits, _ = forward(
                self.k, self.work, self.config, self.parameters.table, packed, batch, own
            )
            labels = batch.places if self.config.by_step else batch.rows
            total += losses(logits, self.data.y[labels]) @ self.data.weight[labels]
        n_labels = len(self.ROWS)
        if self.config.by_step:
            n_labels = sum(self.LENGTHS[row] for row in self.ROWS)
        return total / (n_labels * self.data.weight.mean())

    def arrays(self):
        return {"embedding": self.parameters.embedding, "dense": self.parameters.flat}

    def gradients(self):
        packed = pack_model(self.k, self.config, self.parameters, training=True)
        with ShardPool(1) as pool:
            engine = GradientEngine(self.k, self.config, pool, np.float64)
            rng = np.random.default_rng(self.SEED)
            result = engine(self.parameters, packed, self.data, self.ROWS, rng)
        assert result.loss == pytest.approx(self.loss(), rel=1e-12)
        table = np.zeros_like(self.parameters.embedding)
        table[result.embedding.ids] = result.embedding.values
        return {"embedding": table, "dense": result.dense.flat}


def losses(logits, y):
    """docs/explanation/maths.md, eqs. (70) and (75), in their plain forms."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]


@each_backend
@pytest.mark.parametrize("terms", [-1, 10**6], ids=["projected_once", "row_for_each_token"])
@pytest.mark.parametrize("config", CONFIGS, ids=describe)
def test_gradients(k, config, terms, monkeypatch):
    monkeypatch.setattr(lstm, "TERMS_TRAINING", terms)
    problem = Problem(k, config, monkeypatch)
    gradients = problem.gradients()
    unseen = [0, config.vocabulary_size - 1]
    assert (gradients["embedding"][unseen] == 0).all()
    check_gradients(problem.loss, problem.arrays(), gradients)


def backward_of(k, work, config, packed, state, d_logits, gradients=None, dtype=np.float32):
    """Gradients of one shard: the embedding's, and the dense ones without their padding."""
    gradients = gradients or DenseGradients(k, config, dtype)
    of_embedding = backward(k, work, config, packed, state, d_logits, gradients).embedding
    return of_embedding, unpadded(k, config, [gradients], dtype)


@each_precision
def test_old_content_of_memory_does_not_matter(k, precision):
    config = CONFIGS[3]
    parameters = draw_parameters(config, dtype=np.float32)
    packed = pack_model(k, config, parameters, precision, training=True)
    batch = batching.pack(reference, token_sequences([4, 1, 3], 6), np.arange(3))
    d_logits = np.ones((3, 1), np.float32)
    results = []
    for work in (Workspace(np.float32), PoisonedWorkspace(np.float32)):
        logits, state = forward(k, work, config, parameters.table, packed, batch)
        logits = logits.copy()
        of_embedding, dense = backward_of(k, work, config, packed, state, d_logits)
        inferred, _ = forward(k, work, config, parameters.table, packed, batch, keep=False)
        results.append([logits, of_embedding.values.copy(), dense.flat, inferred.copy()])
    for fresh, poisoned in zip(*results, strict=True):
        assert np.isfinite(fresh).all()
        assert np.array_equal(fresh, poisoned)


# Widths whose rows are padded, by a panel or by one vector more (1024 bytes and 2048).
WIDE = ModelConfig(9, embedding_dim=3, hidden_size=70, num_layers=2, pooling="mean_max")


def test_weight_blocks_cover_every_dense_weight_once():
    assert weight_blocks(WIDE) == [
        "lstm.0.forward", "lstm.0.reverse", "lstm.1.forward", "lstm.1.reverse", "dense",
    ]  # fmt: skip
    parameters = Parameters.zeros(WIDE, np.float32, np.zeros((9, 3), np.float32))
    for number, block in enumerate(weight_blocks(WIDE), start=1):
        parameters.flat[parameters.where(block)] += number
        for weight in parameters.block(block).values():
            assert (weight == number).all()
    assert parameters.flat.all()


@each_backend
@pytest.mark.parametrize("config", [CONFIGS[1], WIDE], ids=describe)
def test_shards_add_to_dense_gradients(k, config):
    """From 0 after ``clear``."""
    parameters, work = draw_parameters(config), Workspace(np.float64)
    packed = pack_model(k, config, parameters, training=True)
    d_logits = np.random.default_rng(1).standard_normal((3, config.n_outputs))
    gradients = DenseGradients(k, config, np.float64)
    found = []
    for shards in (1, 3):
        gradients.clear()
        for _ in range(shards):
            batch = batching.pack(reference, token_sequences([4, 1, 3], 6), np.arange(3))
            _, state = forward(k, work, config, parameters.table, packed, batch)
            _, dense = backward_of(k, work, config, packed, state, d_logits, gradients, np.float64)
        found.append(dense.flat)
    assert all(w.any() for w in dense.named.values())
    assert_close(found[1], 3 * found[0], 1e-13)
    gradients.clear()
    padded = [array for direction in gradients.layers[0] for array in direction]
    assert not any(array.any() for array in [*padded, *gradients.dense])
    assert not unpadded(k, config, [gradients], np.float64).flat.any()


@each_precision
@pytest.mark.parametrize("training", [False, True], ids=["predicting", "training"])
def test_packing_again_follows_the_weights(k, precision, training):
    """Block by block: each changes its own weights and no others."""
    config = CONFIGS[3]
    dtype = np.float32
    sequences = token_sequences([3, 2], 6)
    new = draw_parameters(config, seed=2, dtype=dtype)
    mixed = draw_parameters(config, seed=1, dtype=dtype)
    mixed.embedding[:] = new.embedding
    packed = pack_model(k, config, mixed, precision, training)
    logits = []
    for block in weight_blocks(config):
        mixed.flat[mixed.where(block)] = new.flat[new.where(block)]
        repack(k, packed, mixed, block)
        fresh = pack_model(k, config, mixed, precision, training)
        both = [inference.predict_logits(k, config, mixed, p, sequences) for p in (packed, fresh)]
        assert np.array_equal(*both), block
        logits.append(both[0].tobytes())
    assert len(set(logits)) == len(weight_blocks(config))


# Parameters


def test_fresh_weights_have_the_shapes_and_repeat_for_a_seed():
    config = ModelConfig(9, embedding_dim=4, hidden_size=3, num_layers=2, n_outputs=3)
    first, second, other = (init_parameters(config, make_streams(seed)) for seed in (0, 0, 1))
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
    group = parameters.block("lstm.1.reverse")
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

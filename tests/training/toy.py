"""Small documents to train on, and training in one call."""

from __future__ import annotations

import numpy as np

from fastlstm.core.options import Options
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters, pack_model
from fastlstm.training.callbacks import Callback
from fastlstm.training.engine import LabelledSequences
from fastlstm.training.interrupts import NO_GUARD
from fastlstm.training.loop import Trainer, TrainingState, evaluate
from tests.helpers import token_sequences

K = load_backend("auto")
CONFIG = ModelConfig(vocabulary_size=12, embedding_dim=6, hidden_size=5, pooling="max")
CONSTANT = {"learning_rate_schedule": "constant", "warmup_fraction": 0.0}


def labelled(sequences, y, weight=None):
    y = np.asarray(y, np.int64)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    return LabelledSequences(sequences, y, weight)


def marked_documents(n, seed=0, n_classes=2, longest=9):
    """Documents of 1 to ``longest`` tokens, one of which, 2 + y, tells the class."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    y = rng.integers(0, n_classes, n)
    sequences = token_sequences(lengths.tolist(), 12 - n_classes - 2, seed)
    ids = sequences.ids + (1 + n_classes)
    ids[sequences.offsets[:-1] + rng.integers(0, lengths)] = 2 + y
    return labelled(TokenSequences(ids.astype(np.int32), sequences.offsets), y)


def take(data, rows):
    return LabelledSequences(data.sequences.take(rows), data.y[rows], data.weight[rows])


def fresh_state(config=CONFIG, seed=0):
    streams = make_streams(seed)
    return TrainingState(init_parameters(config, streams), streams.training)


def train(data, valid=None, *, config=CONFIG, state=None, n_threads=1, callbacks=(), k=K,
          precision="float32", guard=NO_GUARD, **options):  # fmt: skip
    """A state after training with ``options``."""
    state = fresh_state(config) if state is None else state
    with ShardPool(n_threads) as pool:
        options = Options(
            **{"max_epochs": 10, "n_iter_no_change": 10, "weight_decay": 0.0, **options}
        )
        trainer = Trainer(k, config, state, options, pool, callbacks, precision)
        with guard:
            trainer.run(data, valid, guard)
    return state


def score(state, data, config=CONFIG, k=K, precision="float32"):
    """(loss, accuracy) of a state's weights, packed afresh as for training."""
    packed = pack_model(k, config, state.parameters, precision, training=True)
    with ShardPool(1) as pool:
        return evaluate(k, config, state.parameters, packed, data, pool)


def weights(state):
    return np.concatenate([state.parameters.flat, state.parameters.embedding.ravel()])


def same_weights(first, second):
    return np.array_equal(weights(first), weights(second))


class Recorder(Callback):
    """Keeps every call; ``act`` is called after each step with (epoch, step)."""

    def __init__(self, act=None):
        self.calls = []
        self.act = act

    def on_train_begin(self, n_epochs, steps_per_epoch):
        self.calls.append(("begin", n_epochs, steps_per_epoch))

    def on_step_end(self, epoch, step, loss):
        self.calls.append(("step", epoch, step))
        if self.act is not None:
            self.act(epoch, step)

    def on_epoch_end(self, record):
        self.calls.append(("epoch", record["epoch"]))

    def on_train_end(self):
        self.calls.append(("end",))

    def count(self, kind):
        return sum(call[0] == kind for call in self.calls)


def finite_everywhere(state, data):
    assert np.isfinite(weights(state)).all()
    return bool(np.isfinite(score(state, data)[0]))

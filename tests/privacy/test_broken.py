"""Noisy training that is wrong in the ways in which people get it wrong: each is caught.

The right one passes all checks; every other one fails those that are named with it.
"""

import math

import numpy as np
import pytest
from scipy import stats

from fastlstm import LSTMSentimentClassifier
from fastlstm.core.options import Options
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters, pack_model
from fastlstm.privacy.accounting import NoisySteps, epsilon_of
from fastlstm.privacy.bounds import epsilon_at_least
from fastlstm.privacy.noise import streams
from fastlstm.privacy.training import NoisySums, Plan
from fastlstm.text.encoder import TextEncoder
from fastlstm.training.engine import GradientEngine
from fastlstm.training.lanes import LabelledSequences
from tests.training.test_lanes import K

pytest.importorskip("dp_accounting")

# Each document has a token of its own, whose vector nobody else moves, and one of all.
N = 1000
CONFIG = ModelConfig(vocabulary_size=N + 3, embedding_dim=6, hidden_size=4)
NOISE, BOUND, DELTA = 2.0, 0.05, 1e-9
# A chance of a false alarm, of each check.
ALARM = 1e-6


class ClippedByBatch(NoisySums):
    """The gradient of the minibatch is clipped, and not that of each document."""

    def _clipped(self, parameters, packed, data, rows):
        plan = self.plan
        self.plan = plan._replace(max_grad_norm=1e9)
        found = super()._clipped(parameters, packed, data, rows)
        self.plan = plan
        flat = self.engine.gradient.flat
        norm = math.sqrt(np.sum(flat**2) + np.sum(found.values**2)) * plan.expected
        # As if the minibatch were one document.
        factor = min(1.0, plan.max_grad_norm * len(rows) / norm)
        flat *= factor
        found.values[:] *= factor
        return found


class NoiseNotScaled(NoisySums):
    """The norm is 0.05, and the noise is that of 1/200 of it."""

    def __call__(self, parameters, packed, data, rows, rng):
        plan = self.plan
        quiet = self._with_noise(plan.noise_multiplier / 200)
        try:
            return super(NoiseNotScaled, quiet).__call__(parameters, packed, data, rows, rng)
        finally:
            self.plan = plan

    def _with_noise(self, noise):
        self.plan = self.plan._replace(noise_multiplier=noise)
        return self


class NoiseTwice(NoisySums):
    """Noise for the sum, and once more for the mean."""

    def __call__(self, parameters, packed, data, rows, rng):
        found = super().__call__(parameters, packed, data, rows, rng)
        deviation = self.plan.noise_multiplier * self.plan.max_grad_norm / self.plan.expected
        for array in (found.dense.flat, found.embedding.values):
            array += deviation * self.streams[0].standard_normal(array.shape)
        return found


class Shuffled(NoisySums):
    """Each document once an epoch, where the accounts have them drawn by chance."""

    def batches(self, train, rng):
        order = self.drawing.permutation(self.plan.n_units)
        return np.array_split(order, self.plan.steps_an_epoch)


class SeedReused(NoisySums):
    """The same noise in each step."""

    def __call__(self, parameters, packed, data, rows, rng):
        self.streams = streams(1 + len(self.streams), 7)[1:]
        return super().__call__(parameters, packed, data, rows, rng)


class Setting:
    """A source on a network of its own."""

    def __init__(self, kind, seed, noise=NOISE, rate=1.0, steps=1):
        rng = np.random.default_rng(seed)
        own = np.arange(3, N + 3)
        ids = np.stack([own, np.full(N, 2)], axis=1).astype(np.int32)
        sequences = TokenSequences(ids.ravel(), np.arange(N + 1) * 2)
        y = rng.integers(0, 2, N)
        self.data = LabelledSequences(sequences, y, np.ones(N))
        self.parameters = init_parameters(CONFIG, make_streams(seed))
        self.parameters.flat *= 3  # so that much of a gradient is that of the document's token
        self.parameters.embedding *= 0.1
        self.packed = pack_model(K, CONFIG, self.parameters, training=True)
        self.pool = ShardPool(1, K)
        plan = Plan(np.arange(N), N, rate, noise, BOUND, steps, seed)
        self.source = kind(plan, GradientEngine(K, CONFIG, self.pool), Options())

    def __call__(self, rows):
        """The noisy sum, of the dense weights and of the table."""
        with self.pool:
            found = self.source(self.parameters, self.packed, self.data, rows, None)
        dense = found.dense.flat.astype(float).copy()
        return N * dense, N * found.embedding.values.astype(float)


# -- checks: each raises AssertionError where something is wrong


def sensitivity(kind):
    """No document moves the sum by more than the bound, but for rounding."""
    setting = Setting(kind, 0, noise=0.0)
    everyone = np.arange(N)
    dense, table = setting(everyone)
    for left_out in range(0, N, 50):
        rest = setting(np.delete(everyone, left_out))
        moved = math.sqrt(np.sum((dense - rest[0]) ** 2) + np.sum((table - rest[1]) ** 2))
        assert moved < 1.001 * BOUND, "a document moves the sum by more than the bound"


def deviation(kind):
    """The noise has the deviation that the accounts have; 1 % would be seen."""
    setting = Setting(kind, 1)
    squares, n = 0.0, 0
    for _ in range(12):
        dense, table = setting(np.zeros(0, np.int64))
        drawn = np.concatenate([dense, table[1:].ravel()]) / (NOISE * BOUND)
        squares, n = squares + float(drawn @ drawn), n + len(drawn)
    low, high = stats.chi2.ppf([ALARM / 2, 1 - ALARM / 2], n)
    assert low < squares < high, "the noise has another deviation"


def fresh_noise(kind):
    """No step's noise is like that of another one."""
    setting = Setting(kind, 2)
    steps = [setting(np.zeros(0, np.int64))[1][1:].ravel() for _ in range(6)]
    for i, one in enumerate(steps):
        for other in steps[:i]:
            alike = float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))
            assert abs(alike) < stats.norm.isf(ALARM / 30) / math.sqrt(len(one)), "noise comes back"


def drawing(kind):
    """Sizes of minibatches vary as those of documents that are drawn by themselves."""
    steps = 400
    setting = Setting(kind, 3, rate=0.1, steps=steps)
    sizes = np.array([len(rows) for rows in setting.source.batches(setting.data, None)])
    spread = np.sum((sizes - N * 0.1) ** 2) / (N * 0.1 * 0.9)
    low, high = stats.chi2.ppf([ALARM / 2, 1 - ALARM / 2], steps)
    assert low < spread < high, "minibatches are not drawn by chance"


def attack(kind, seed=4, noise=NOISE):
    """Lower bound on epsilon: which documents can be told from one noisy sum?

    Whoever sees a sum multiplies what moved in the row of each document's own token with what
    the document would have moved it by.
    """
    setting = Setting(kind, seed, noise)
    given = np.random.default_rng(100 + seed).random(N) < 0.5
    own = np.array(Setting(NoisySums, seed, noise=0.0)(np.arange(N))[1])
    score = np.einsum("nd,nd->n", setting(np.flatnonzero(given))[1][3:], own[3:])
    order = np.argsort(-score)
    half = N // 4
    correct = int(np.sum(given[order[:half]]) + np.sum(~given[order[-half:]]))
    return epsilon_at_least(N, 2 * half, correct, DELTA, 1 - 1e-4)


def promised(noise=NOISE):
    return epsilon_of([NoisySteps("networks", 1.0, noise, 1)], DELTA)


def bound_of_attack(kind):
    assert attack(kind) <= promised(), "an attack refutes the promise"


CHECKS = (sensitivity, deviation, fresh_noise, drawing, bound_of_attack)
BROKEN = {
    ClippedByBatch: {sensitivity},
    NoiseNotScaled: {deviation, bound_of_attack},
    NoiseTwice: {deviation},
    Shuffled: {drawing},
    SeedReused: {fresh_noise},
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_right_one_passes(check):
    check(NoisySums)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_one_is_caught(kind):
    caught = set()
    for check in CHECKS:
        try:
            check(kind)
        except AssertionError:
            caught.add(check)
    assert caught >= BROKEN[kind]


def test_no_attack_refutes_the_right_one():
    for noise in (0.5, NOISE):
        bounds = [attack(NoisySums, seed, noise) for seed in range(10)]
        assert max(bounds) <= promised(noise)
        if noise == 0.5:  # the attack is no idle one
            assert np.median(bounds) > 0.05 * promised(noise)


def test_a_learned_vocabulary_is_caught(monkeypatch):
    """A word of a single document must not reach the model, and does where nothing hides it."""
    texts = [f"a good film {'zork' * (i == 7)}" for i in range(400)]
    labels = ["good", "bad"] * 200
    options = {"max_epochs": 1, "embedding_dim": 2, "hidden_size": 2}

    def knows():
        clf = LSTMSentimentClassifier.private(8.0, **options).fit(texts, labels)
        return "zork" in clf.vocabulary_

    assert not any(knows() for _ in range(3))

    def learned(privacy, documents, options, seed):
        return (*TextEncoder.learn(documents, options), NoisySteps("vocabulary", 1.0, 5.0, 1))

    monkeypatch.setattr("fastlstm.estimator.text.private_encoder", learned)
    assert knows()

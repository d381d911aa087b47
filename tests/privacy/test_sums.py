"""Noisy sums: what is summed against single documents, and the noise against its law."""

import numpy as np
import pytest
from scipy import stats

from fastlstm.core.options import Options
from fastlstm.core.records import PAD_ID
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import WorkspacePool
from fastlstm.network.parameters import pack_model
from fastlstm.privacy.training import NoisySums, Plan
from fastlstm.training.engine import GradientEngine
from fastlstm.training.lanes import WalkedLane
from tests.helpers import unpadded
from tests.training.test_lanes import CASES, K, make

N = 21
# Without dropout a document's gradient is the same alone as among others.
WITHOUT = {"dropout": 0.0, "embedding_dropout": 0.0, "side_dropout": 0.0}
BOUND = 0.5


def plan(unit=None, noise=0.0, rate=1.0, steps=1, seed=0, bound=BOUND):
    unit = np.arange(N) if unit is None else np.asarray(unit)
    return Plan(unit, int(unit.max()) + 1, rate, noise, bound, steps, seed)


def alone(config, batch, row, dtype):
    """A document's own gradient: of the dense weights, and of the table."""
    lane = WalkedLane(K, config, dtype, WorkspacePool(dtype))
    done = lane(batch._replace(total=1.0), [np.array([row])], None)
    dense = unpadded(K, config, [lane.gradients], dtype).flat.copy()
    table = np.zeros((config.vocabulary_size, config.embedding_dim), dtype)
    for part in done.found():
        np.add.at(table, part.ids, part.values)
    return dense, table


def clipped_sum(config, batch, of_plan, dtype, rows=range(N), own=None):
    """The loop over documents that NoisySums spares; ``own`` are their gradients, if known."""
    sizes = np.bincount(of_plan.unit)
    total_dense, total_table, n_clipped = 0, 0, 0
    for row in rows:
        dense, table = alone(config, batch, row, dtype) if own is None else own[row]
        norm = np.sqrt(np.sum(dense**2) + np.sum(table**2))
        factor = min(1, of_plan.max_grad_norm / norm) / sizes[of_plan.unit[row]]
        n_clipped += norm > of_plan.max_grad_norm
        total_dense, total_table = total_dense + factor * dense, total_table + factor * table
    total_table[PAD_ID] = 0  # padding is not trained
    return total_dense, total_table, n_clipped


def noisy(config, batch, of_plan, dtype, n_threads=1, rows=None, recompute="auto"):
    with ShardPool(n_threads, K) as pool:
        engine = GradientEngine(K, config, pool, dtype)
        engine.recompute = recompute
        source = NoisySums(of_plan, engine, Options())
        rows = np.arange(N) if rows is None else rows
        found = source(batch.parameters, batch.packed, batch.data, rows, np.random.default_rng(0))
        return found.dense.flat.copy(), found.embedding.values.copy(), found


AGAIN = ("two layers", "n-grams", "segments, mean", "attention", "labels of steps", "truncated")


@pytest.mark.parametrize(
    ("settings", "recompute"),
    [*((settings, "auto") for settings in CASES.values()), *((CASES[c], True) for c in AGAIN)],
    ids=[*CASES, *(f"{name}, again" for name in AGAIN)],
)
def test_clipped_sums(settings, recompute):
    config, batch = make(K, {**settings, **WITHOUT}, np.float64)
    own = [alone(config, batch, row, np.float64) for row in range(N)]
    norms = [np.sqrt(sum(np.sum(part**2) for part in parts)) for parts in own]
    of_plan = plan(bound=float(np.median(norms)))
    dense, table, n_clipped = clipped_sum(config, batch, of_plan, np.float64, own=own)
    assert 0 < n_clipped < N
    found_dense, found_table, found = noisy(config, batch, of_plan, np.float64, recompute=recompute)
    assert np.abs(found_dense * N - dense).max() < 1e-6 * np.abs(dense).max()
    assert np.abs(found_table * N - table).max() < 1e-6 * np.abs(table).max()
    assert (found.loss, found.correct, found.n_tokens) == (0.0, 0.0, 0)


def test_float32_stays_below_the_bound():
    config, batch = make(K, {"n_ngrams": 30, "num_layers": 2}, np.float32)
    exact = batch._replace(
        parameters=batch.parameters, data=batch.data._replace(weight=batch.data.weight * 50)
    )
    for row in range(N):
        dense, table, _ = noisy(config, exact, plan(bound=0.1), np.float32, rows=np.array([row]))
        norm = N * np.sqrt(np.sum(dense.astype(float) ** 2) + np.sum(table.astype(float) ** 2))
        assert 0.0995 < norm < 0.1


def test_a_unit_of_several_documents_counts_as_one():
    config, batch = make(K, {}, np.float64)
    unit = np.array([0] * 7 + [1] * 1 + [2] * 13)
    of_plan = plan(unit, bound=0.01)
    dense, table, n_clipped = clipped_sum(config, batch, of_plan, np.float64)
    assert n_clipped == N
    found_dense, found_table, _ = noisy(config, batch, of_plan, np.float64)
    np.testing.assert_allclose(found_dense * 3, dense, atol=1e-10)
    np.testing.assert_allclose(found_table * 3, table, atol=1e-10)
    # Whatever they are, the documents of a unit move the sum by no more than the bound.
    for number in range(3):
        others = np.flatnonzero(unit != number)
        rest_dense, rest_table, _ = noisy(config, batch, of_plan, np.float64, rows=others)
        moved = np.sum((found_dense - rest_dense) ** 2) + np.sum((found_table - rest_table) ** 2)
        assert 3 * np.sqrt(moved) <= 0.01


def test_threads_change_no_bit():
    config, batch = make(K, {"num_layers": 2})
    one, two = (noisy(config, batch, plan(noise=1.0), np.float32, n) for n in (1, 2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


def test_a_gradient_that_is_not_finite_is_left_out():
    config, batch = make(K, {"n_step_features": 3}, np.float64)
    first = batch.data.sequences.offsets[4]
    features = batch.data.sequences.features.copy()
    features[first] = np.inf
    sequences = batch.data.sequences._replace(features=features)
    spoiled = batch._replace(data=batch.data._replace(sequences=sequences))
    rows = [row for row in range(N) if row != 4]
    dense, table, _ = clipped_sum(config, batch, plan(), np.float64, rows)
    found_dense, found_table, _ = noisy(config, spoiled, plan(), np.float64)
    np.testing.assert_allclose(found_dense * N, dense, atol=1e-8)
    np.testing.assert_allclose(found_table * N, table, atol=1e-8)


@pytest.fixture(params=[None, 3], ids=["cryptographic", "repeatable"], scope="module")
def draws(request):
    """The noise of steps, each coordinate by its deviation: (n_steps, n_weights)."""
    if request.param is None:
        pytest.importorskip("randomgen")
    config, batch = make(K, {"hidden_size": 4})
    nobody = np.zeros(0, dtype=np.int64)
    with ShardPool(1, K) as pool:
        engine = GradientEngine(K, config, pool, np.float32)
        of_plan = plan(noise=1.7, rate=0.5, seed=request.param)
        source = NoisySums(of_plan, engine, Options())
        packed = pack_model(K, config, batch.parameters, training=True)
        rows = []
        for _ in range(400):
            found = source(batch.parameters, packed, batch.data, nobody, None)
            rows.append(np.concatenate([found.dense.flat, found.embedding.values.ravel()]))
            assert np.isfinite(found.squared_norm)
    draws = np.array(rows, dtype=np.float64)
    own = np.ones(draws.shape[1], dtype=bool)
    first = len(found.dense.flat) + PAD_ID * config.embedding_dim
    own[first : first + config.embedding_dim] = False
    assert not draws[:, ~own].any()
    return draws[:, own] / (1.7 * BOUND / (N * 0.5))


class TestNoise:
    """Of steps that draw nobody: what is left is the noise.

    Each check has a false alarm in 1e9 runs. By 400 draws of each coordinate they see, with a
    probability of more than 0.99, a coordinate whose deviation is wrong by a half, and by all
    200,000 draws one of all coordinates that is wrong by 1 %.
    """

    ALARM = 1e-9

    def test_deviation_of_every_coordinate(self, draws):
        n, m = draws.shape
        squares = np.sum(draws**2, axis=0)
        tail = self.ALARM / (2 * m)
        low, high = stats.chi2.ppf([tail, 1 - tail], n)
        assert low < squares.min() and squares.max() < high
        low, high = stats.chi2.ppf([self.ALARM / 2, 1 - self.ALARM / 2], n * m)
        assert low < squares.sum() < high
        means = np.abs(draws.mean(axis=0)) * np.sqrt(n)
        assert means.max() < stats.norm.isf(tail)

    def test_normality(self, draws):
        assert stats.kstest(draws.ravel(), "norm").pvalue > self.ALARM
        of_each = [stats.kstest(column, "norm").pvalue for column in draws.T]
        assert min(of_each) > self.ALARM / len(of_each)

    def test_independence(self, draws):
        n, m = draws.shape
        pairs = [
            np.sum(draws[1:] * draws[:-1], axis=0) / np.sqrt(n - 1),  # of steps
            np.sum(draws[:, 1:] * draws[:, :-1], axis=0) / np.sqrt(n),  # of neighbours
            np.sum(draws[:, m // 2 :] * draws[:, : m - m // 2], axis=0) / np.sqrt(n),
        ]
        tail = self.ALARM / (6 * m)
        # Sums of n products of normal numbers: their tails are somewhat heavier than normal.
        assert max(np.abs(part).max() for part in pairs) < 1.3 * stats.norm.isf(tail)


class TestDrawing:
    def source(self, of_plan):
        config, batch = make(K, {})
        with ShardPool(1, K) as pool:
            engine = GradientEngine(K, config, pool)
        return NoisySums(of_plan, engine, Options()), batch.data

    def test_each_unit_by_itself(self):
        source, data = self.source(plan(rate=0.2, steps=5000))
        assert source.n_steps(data) == 5000
        drawn = np.zeros((5000, N), dtype=bool)
        for step, rows in enumerate(source.batches(data, None)):
            drawn[step, rows] = True
        share = drawn.mean(axis=0)
        assert np.abs(share - 0.2).max() < 6 * np.sqrt(0.2 * 0.8 / 5000)
        # Numbers of a fixed size, or shuffled epochs, would vary less.
        sizes = drawn.sum(axis=1)
        assert sizes.var() == pytest.approx(N * 0.2 * 0.8, rel=0.15)
        assert sizes.min() == 0
        together = np.corrcoef(drawn.T)[np.triu_indices(N, 1)]
        assert np.abs(together).max() < 6 / np.sqrt(5000)

    def test_documents_of_a_unit_come_together(self):
        unit = np.arange(N) // 3
        source, data = self.source(plan(unit, rate=0.5, steps=200))
        for rows in source.batches(data, None):
            assert np.bincount(unit[rows], minlength=7).tolist() == [
                3 * (number in unit[rows]) for number in range(7)
            ]

"""Computing states again changes no bit of losses and gradients."""

import numpy as np
import pytest

from fastlstm import LSTMClassifier, SequenceData
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import WorkspacePool
from fastlstm.data import batching
from fastlstm.network import recompute
from fastlstm.training.engine import GradientEngine
from fastlstm.training.lanes import CompiledLane, WalkedLane
from tests.helpers import each_precision
from tests.training.test_lanes import CASES, K, compiled, make, shards_and_keys, unpadded


def compare(k, config, batch, shards, keys, dtype=np.float32):
    lanes = [WalkedLane(k, config, dtype, WorkspacePool(dtype)) for _ in range(2)]
    plain, again = (
        lane(batch._replace(recompute=recompute), shards, keys)
        for lane, recompute in zip(lanes, (False, True), strict=True)
    )
    assert again.loss == plain.loss
    assert again.correct == plain.correct
    for one, other in zip(plain.found(), again.found(), strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert np.array_equal(one.values, other.values)
        assert one.values.any()
    sums = [unpadded(k, config, [lane.gradients], dtype).named for lane in lanes]
    for name, wanted in sums[0].items():
        assert wanted.any(), name
        assert np.array_equal(sums[1][name], wanted), name


@pytest.fixture
def small_parts(monkeypatch):
    """Blocks of few tokens, and parts of few blocks."""
    monkeypatch.setattr(recompute, "_some", lambda borders: sorted({*borders[::2], borders[-1]}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_same_bits(settings, dtype):
    config, batch = make(K, settings, dtype, longest=300)
    shards, keys = shards_and_keys(config)
    compare(K, config, batch, shards, keys, dtype)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_same_bits_with_other_parts(settings, small_parts):
    config, batch = make(K, settings, longest=300)
    shards, keys = shards_and_keys(config)
    compare(K, config, batch, shards, keys)


@each_precision
@pytest.mark.parametrize("name", [
    "two layers", "segments, mean and max", "labels of steps", "attention, segments",
    "plain RNN", "truncated",
])  # fmt: skip
def test_same_bits_in_every_backend_and_precision(k, precision, name):
    config, batch = make(k, CASES[name], precision=precision, longest=300)
    shards, keys = shards_and_keys(config)
    compare(k, config, batch, shards, keys)


@compiled
@pytest.mark.parametrize("name", [name for name in CASES if name[:14] != "segments, mean"])
def test_same_bits_as_a_lane_in_one_call(name):
    """Of means over segments the sums are made in another order."""
    config, batch = make(K, CASES[name], longest=300)
    shards, keys = shards_and_keys(config)
    memories = WorkspacePool(np.float32, None, lambda: K.LaneMemory(config))
    lanes = [CompiledLane(K, config, np.float32, memories) for _ in range(2)]
    plain, again = (
        lane(batch._replace(recompute=recompute), shards, keys)
        for lane, recompute in zip(lanes, (False, True), strict=True)
    )
    assert (plain.compiled is None, again.compiled is None) == (False, True)
    for one, other in zip(plain.found(), again.found(), strict=True):
        assert np.array_equal(one.values, other.values)
    sums = [unpadded(K, config, [lane.gradients], np.float32).flat for lane in lanes]
    assert np.array_equal(*sums)


@compiled
def test_long_documents_beside_short_ones_are_found_by_themselves(monkeypatch):
    """A minibatch whose lanes are of both kinds adds up to what it would with one."""
    config, batch = make(K, {"num_layers": 2}, n=40, longest=200)
    lengths = batch.data.sequences.lengths
    rows = np.arange(40)
    with ShardPool(2, K) as pool:
        engines = [GradientEngine(K, config, pool) for _ in range(2)]
        plain = engines[0](batch.parameters, batch.packed, batch.data, rows, None)
        plain = plain.dense.flat.copy(), plain.embedding.values.copy(), plain.squared_norm
        shards = batching.split_shards(lengths, rows)
        tokens = sorted(int(lengths[shard].sum()) for shard in shards)
        numbers = 4 * config.num_layers * config.n_directions * config.hidden_size * 7
        monkeypatch.setattr(recompute, "_AUTO_BYTES", numbers * tokens[-1] - 1)
        assert len(shards) > 1 and tokens[-2] < tokens[-1]
        found = engines[1](batch.parameters, batch.packed, batch.data, rows, None)
    assert np.array_equal(found.dense.flat, plain[0])
    assert np.array_equal(found.embedding.values, plain[1])
    assert found.squared_norm == pytest.approx(plain[2], rel=1e-12)


def test_a_fit_has_the_bits_of_one_that_keeps_all():
    rng = np.random.default_rng(0)
    X = SequenceData([rng.integers(2, 30, n) for n in rng.integers(200, 600, 12)])
    y = np.arange(12) % 2
    settings = {"embedding_dim": 5, "hidden_size": 6, "max_epochs": 2, "random_state": 0}
    found = [
        LSTMClassifier(**settings, recompute=recompute).fit(X, y).predict_proba(X)
        for recompute in (True, False, "auto")
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[1], found[2])


def test_one_long_document():
    config, batch = make(K, {"num_layers": 2, "dropout": 0.3}, n=1, longest=5000)
    keys = np.array([[5, 6, 7]])
    compare(K, config, batch, [np.array([0])], keys)


@pytest.mark.parametrize("ascending", [True, False])
def test_parts_end_where_blocks_of_the_kernels_end(ascending):
    """As the kernels find them: from the first step of a sweep on, one after the other."""
    rng = np.random.default_rng(0)
    for most in (1, 5, 60, 200):
        n_live = np.sort(rng.integers(1, most + 1, 300))[::-1]
        step, expected = (0, [0]) if ascending else (299, [300])
        while 0 <= step < 300:
            tokens, begin = 0, step
            while 0 <= step < 300 and (step == begin or tokens + n_live[step] <= 128):
                tokens += n_live[step]
                step += 1 if ascending else -1
            expected.append(step if ascending else step + 1)
        assert recompute.block_borders(n_live, ascending) == expected

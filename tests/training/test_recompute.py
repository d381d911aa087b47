"""Computing states again changes no bit of losses and gradients."""

import numpy as np
import pytest

from fastlstm.core.workspace import WorkspacePool
from fastlstm.network import recompute
from fastlstm.training.lanes import WalkedLane
from tests.helpers import each_precision
from tests.training.test_lanes import CASES, K, make, shards_and_keys, unpadded


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
@pytest.mark.parametrize("name", ["two layers", "segments, mean and max", "labels of steps"])
def test_same_bits_in_every_backend_and_precision(k, precision, name):
    config, batch = make(k, CASES[name], precision=precision, longest=300)
    shards, keys = shards_and_keys(config)
    compare(k, config, batch, shards, keys)


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

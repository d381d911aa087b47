"""What comes after the lanes, in one call of the backend, is what single kernels make."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers.embedding import EmbeddingGradient
from fastlstm.network.parameters import DenseGradients, Parameters, pack_model, weight_blocks
from fastlstm.training.blocks import DenseSums, RowSums, WalkedBlock, WalkedSums, block_of
from fastlstm.training.lanes import LaneResult
from fastlstm.training.optim.optimizers import adam, sgd
from tests.helpers import each_backend, each_precision

K = load_backend("auto")
compiled = pytest.mark.skipif(not hasattr(K, "Sums"), reason="this backend has no whole lanes")
CONFIG = ModelConfig(50, 6, 9, num_layers=2, n_outputs=3)
WIDE = ModelConfig(50, 6, 64, n_outputs=1, bidirectional=False)  # rows padded by one vector
OPTIMIZERS = {"adamw": adam(0.1), "sgd": sgd(0.9, 0.1)}


def drawn_gradients(k, config, seed, dtype):
    """An accumulator with numbers in its padding, too."""
    gradients = DenseGradients(k, config, dtype)
    rng = np.random.default_rng(seed)
    for array in (array for block in gradients.blocks for array in block):
        array[:] = rng.standard_normal(array.shape)
    return gradients


@each_backend
@pytest.mark.parametrize("config", [CONFIG, WIDE], ids=["two layers", "one"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_sums_of_lanes(k, config, dtype):
    """In the order of the lanes, of the first ones only, without their padding."""
    lanes = [drawn_gradients(k, config, seed, dtype) for seed in range(4)]
    sums = DenseSums(k, config, dtype)
    for lane in lanes:
        sums.add_lane(lane)
    for n_lanes in (3, 1, 4):
        norms = [call() for call in sums.calls(n_lanes)]
        for number, name in enumerate(weight_blocks(config)):
            for own, found in sums.total.block(name).items():
                wanted = np.zeros_like(found)
                for lane in lanes[:n_lanes]:
                    wanted += getattr(lane.blocks[number], own)[..., : found.shape[-1]]
                assert np.array_equal(found, wanted), (name, own)
            squares = sums.total.flat[sums.total.where(name)].astype(np.float64) ** 2
            assert norms[number] == pytest.approx(squares.sum(), rel=1e-12)


@compiled
def test_more_lanes_than_there_are_accumulators():
    sums = DenseSums(K, WIDE, np.float32)
    lane = DenseGradients(K, WIDE, np.float32)
    with pytest.raises(ValueError, match="too many lanes"):
        for _ in range(100):
            sums.add_lane(lane)


def one_step(make, k, config, optimizer, precision, packs, averages):
    """Weights, what they are packed to, moments and average after two steps of each block."""
    rng = np.random.default_rng(0)
    parameters = Parameters.zeros(config, np.float32, np.zeros((50, 6), np.float32))
    parameters.flat[:] = rng.standard_normal(parameters.flat.size)
    packed = pack_model(k, config, parameters, precision, training=True)
    arrays = [array for layer in packed.layers for direction in layer for array in direction[:5]]
    arrays += [packed.dense.w, packed.dense.w_t, packed.dense.b]
    for array in arrays:
        array.fill(0)  # padding that nobody reads is not written to
    gradient = rng.standard_normal(parameters.flat.size).astype(np.float32)
    slots = optimizer.init(parameters.flat)
    average = parameters.flat.copy() if averages else None
    for name in weight_blocks(config):
        where = parameters.where(name)
        block = make(
            k, optimizer.kernel, parameters.flat[where], list(parameters.block(name).values()),
            packed.block(name), gradient[where], [slot[where] for slot in slots],
            average[where] if averages else None,
        )  # fmt: skip
        for step in (1, 2):
            block(optimizer.factors(step, 0.1, 0.5), packs, 0.25)
    assert any(array.any() for array in arrays) == packs
    return [parameters.flat, *slots, *arrays, *([average] if averages else [])]


@each_precision
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("packs", "averages"), [(True, True), (False, False)])
def test_a_step_of_a_block(k, precision, name, packs, averages):
    """Equal bits: of the kernels of one backend, whoever calls them."""
    settings = k, CONFIG, OPTIMIZERS[name], precision, packs, averages
    expected = one_step(WalkedBlock, *settings)
    for one, other in zip(expected, one_step(block_of, *settings), strict=True):
        assert np.array_equal(one, other)


class Found:
    """A lane that has found the rows of some shards."""

    def __init__(self, seed, n_shards, dtype):
        rng = np.random.default_rng(seed)
        counts = rng.integers(1, 40, n_shards)
        self.ids = [rng.permutation(50)[:count].astype(np.int32) for count in counts]
        self.values = [rng.standard_normal((count, 6)).astype(dtype) for count in counts]

    def __call__(self):
        return [EmbeddingGradient(*of) for of in zip(self.ids, self.values, strict=True)]


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_rows_are_merged_in_the_order_of_shards(k, dtype):
    table = np.zeros((50, 6), dtype)
    rows = RowSums(k, dtype)
    for n_shards, n_lanes in [(1, 1), (5, 3), (2, 2)]:
        found = [Found(n, -(-(n_shards - n) // n_lanes), dtype) for n in range(n_lanes)]
        merged, norm = rows(
            [LaneResult(0.0, 0.0, 0, of_lane) for of_lane in found], n_shards, table
        )
        expected = np.zeros((50, 6), dtype)
        for n in range(n_shards):
            of_lane = found[n % n_lanes]
            expected[of_lane.ids[n // n_lanes]] += of_lane.values[n // n_lanes]
        assert len(np.unique(merged.ids)) == len(merged.ids)
        assert np.array_equal(merged.values, expected[merged.ids])
        assert norm == pytest.approx((expected.astype(np.float64) ** 2).sum(), rel=1e-12)


def test_the_backend_decides():
    for backend in (K, load_backend("reference")):
        is_compiled = hasattr(backend, "Sums")
        sums = next(iter(DenseSums(backend, WIDE, np.float32)._sums.values()))
        assert isinstance(sums, WalkedSums) != is_compiled


@compiled
def test_what_kernels_would_read_past_their_ends_is_refused():
    sums = K.Sums(np.zeros(4, np.float32))
    array = np.zeros((2, 16), np.float32)
    for gradients, widths in (([array] * 4, [2] * 4), ([array], [])):
        with pytest.raises(ValueError, match="up to three arrays"):
            sums.add_lane(gradients, widths)
    sums.add_lane([array], [2])
    for n_lanes in (0, 2):
        with pytest.raises(ValueError, match=f"{n_lanes} lanes of 1"):
            sums(n_lanes)
    with pytest.raises(ValueError, match="0 lanes of 2 shards"):
        K.MergedRows(array)([], 2)


@compiled
def test_arrays_of_another_type_are_refused():
    sums, lane = K.Sums(np.zeros(4, np.float32)), np.zeros((2, 16))
    with pytest.raises(TypeError, match="float32"):
        sums.add_lane([lane], [2])
    with pytest.raises(TypeError, match="C-contiguous"):
        K.Sums(np.zeros(8, np.float32)[::2])
    flat = np.zeros(4, np.float32)
    dense = SimpleNamespace(w=np.zeros((2, 1), np.float32), b=np.zeros(2, np.float32))
    with pytest.raises((TypeError, ValueError)):
        K.Block("lion", flat, [dense.w, dense.b], [flat, flat, flat], flat, [flat, flat], None)

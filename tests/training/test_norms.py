"""Norms of single documents' gradients, against these gradients themselves."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace, WorkspacePool
from fastlstm.data.batching import pack
from fastlstm.network import norms
from fastlstm.training.lanes import WalkedLane
from tests.helpers import unpadded
from tests.training.test_lanes import CASES, K, make, shards_and_keys

TOLERANCE = {np.float32: 3e-4, np.float64: 1e-9}


def found(k, config, batch, rows, dtype):
    """By ``squared_norms``, in the order of ``rows``."""
    data = batch.data
    packed = pack(k, data.sequences, rows, config.cut_length, config.by_step)
    labels = packed.places if config.by_step else packed.rows
    squares = norms.squared_norms(
        k, Workspace(dtype), config, batch.parameters.table, batch.packed, packed,
        data.y[labels], data.weight[labels],
    )  # fmt: skip
    of_row = dict(zip(packed.rows.tolist(), np.sqrt(squares), strict=True))
    return np.array([of_row[row] for row in rows])


def expected(k, config, batch, rows, dtype):
    """By the gradients of the same shard, in which one document counts at a time."""
    data, result = batch.data, []
    for row in rows:
        own = data.sequences.places(np.array([row])) if config.by_step else np.array([row])
        weight = np.zeros_like(data.weight)
        weight[own] = data.weight[own]
        alone = batch._replace(data=data._replace(weight=weight), total=1.0)
        lane = WalkedLane(k, config, dtype, WorkspacePool(dtype))
        done = lane(alone, [rows], None)
        square = sum(float(np.vdot(g.values, g.values)) for g in done.found())
        named = unpadded(k, config, [lane.gradients], dtype).named
        square += sum(float(np.vdot(part, part)) for part in named.values())
        result.append(np.sqrt(square))
    return np.array(result)


@pytest.mark.parametrize(
    ("dtype", "direct"),
    [(np.float32, False), (np.float64, False), (np.float64, True)],
    ids=["f32", "f64", "f64, direct"],
)
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_norms(settings, direct, dtype, monkeypatch):
    if direct:
        monkeypatch.setattr(norms, "_WORK_OF_PAIRS", 1e9)
    config, batch = make(K, settings, dtype)
    for rows in shards_and_keys(config)[0]:
        wanted = expected(K, config, batch, rows, dtype)
        assert (wanted > 0).all()
        np.testing.assert_allclose(
            found(K, config, batch, rows, dtype), wanted, rtol=TOLERANCE[dtype]
        )

"""Gradients that vanish become 0, not subnormal numbers, with which CPUs are slow."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from tests.helpers import each_compiled_backend, packed_batch
from tests.kernels.test_sweep import Direction, draw_problem

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"),
    reason="this CPU's setting is not known",
)

SMALLEST_NORMAL = np.finfo(np.float32).tiny


def is_subnormal(array):
    return (array != 0) & (np.abs(array) < SMALLEST_NORMAL)


def halves(value):
    """Half of ``value``, by the setting of this thread."""
    return float(np.full(1, value, np.float32)[0] * np.float32(0.5))


@each_compiled_backend
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_vanishing_gradients_become_zero(k, reverse):
    batch = packed_batch([400, 300, 2])
    problem = draw_problem(batch, 17, np.float32, given=False)
    for start in (problem.d_out, problem.d_h, problem.d_c):
        start[:] = 0
    last = 0 if reverse else batch.n_tokens - 1
    problem.d_out[last] = 1
    direction = Direction(k, problem, batch, reverse, np.float32)
    d_a = direction.backward(*direction.forward())["d_a"]
    reached = np.abs(d_a).max(axis=1)
    assert reached.max() > 1e-3  # at the end
    assert (d_a == 0).any()  # so far from it that nothing is left
    assert 0 < reached[reached > 0].min() < 1e-30  # and all sizes between
    assert not is_subnormal(d_a).any()


@each_compiled_backend
def test_small_gradients_leave_adam_no_subnormal_moments(k):
    rows, n = np.arange(3, dtype=np.int32), 37
    table, gradient = np.ones((3, n), np.float32), np.full((3, n), 1e-20, np.float32)
    m, v = np.zeros((2, 3, n), np.float32)
    k.adam_update(table, rows, gradient, m, v, 1.0, 0.1, 0.0, 0.9, 0.999, 10.0, 1000.0, 1e-8)
    np.testing.assert_allclose(m, 1e-21, rtol=1e-5)
    assert (v == 0).all()  # 1e-43 otherwise


@each_compiled_backend
def test_setting_of_the_thread_is_put_back(k):
    batch = packed_batch([3])
    direction = Direction(k, draw_problem(batch, 3, np.float32), batch, False, np.float32)
    assert halves(SMALLEST_NORMAL) > 0
    direction.backward(*direction.forward())
    assert halves(SMALLEST_NORMAL) > 0
    table, m, v = np.zeros((3, 1, 4), np.float32)
    k.adam_update(table, np.zeros(1, np.int32), table.copy(), m, v, 1.0, 0.1, 0.0, 0.9, 0.999,
                  10.0, 1000.0, 1e-8)  # fmt: skip
    assert halves(SMALLEST_NORMAL) > 0

"""Plain RNNs, and borders that gradients do not cross: against the reference."""

import numpy as np
import pytest

from fastlstm.kernels.arguments import CELLS
from tests.helpers import assert_close, each_form, packed_batch
from tests.kernels.test_sweep import (
    LENGTHS,
    TOLERANCE,
    WAYS,
    WIDTHS,
    check_against_the_reference,
    draw_problem,
    each_direction,
    exact_sweep,
    sweep,
)


@each_form
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("lengths", [LENGTHS[name] for name in ("many", "large_step", "long")])
def test_sweep_of_a_plain_rnn_equals_the_reference(k, dtype, packed_as, way, widths, lengths):
    check_against_the_reference(k, dtype, packed_as, way, widths, lengths, CELLS["rnn"])


@each_form
@each_direction
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("border", "first"), [(1, 0), (3, 0), (3, 7), (64, 0), (1000, 0)])
def test_borders_equal_the_reference(k, dtype, packed_as, reverse, cell, border, first):
    for name in ("unequal", "long", "uneven_blocks"):
        batch = packed_batch(LENGTHS[name])
        problem = draw_problem(batch, 17, dtype, n_gates=CELLS[cell])
        where = {"border": border, "first": first}
        result = sweep(k, problem, batch, reverse, packed_as, **where)
        exact = exact_sweep(problem, batch, reverse, packed_as, **where)
        for part in exact:
            assert_close(result[part], exact[part], TOLERANCE[packed_as], part)


@each_form
@each_direction
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_end_at_borders(k, dtype, packed_as, reverse, cell):
    """What is behind a border, as the sweep comes back, has no share in what is before it."""
    batch = packed_batch([9, 9, 8])
    problem = draw_problem(batch, 5, dtype, n_gates=CELLS[cell])
    behind = batch.starts[5] if not reverse else batch.starts[3]  # border 4: before step 4
    changed = problem._replace(d_out=problem.d_out.copy())
    changed.d_out[behind] += 1
    results = [sweep(k, each, batch, reverse, packed_as, border=4) for each in (problem, changed)]
    token_steps = np.repeat(np.arange(9), batch.n_live)
    differs = (results[0]["d_a"] != results[1]["d_a"]).any(axis=1)
    reached = {4, 5} if not reverse else {3}
    assert set(token_steps[differs].tolist()) == reached
    free = [sweep(k, each, batch, reverse, packed_as) for each in (problem, changed)]
    differs = (free[0]["d_a"] != free[1]["d_a"]).any(axis=1)
    assert set(token_steps[differs].tolist()) == (
        set(range(6)) if not reverse else set(range(3, 9))
    )
    assert not np.array_equal(results[0]["d_a"], free[0]["d_a"])

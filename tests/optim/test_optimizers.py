"""Optimiser steps against PyTorch's (stored), and the rule for rows that are not seen."""

import numpy as np
import pytest

from fastlstm.kernels.registry import load_backend
from fastlstm.training.optim.optimizers import (
    BETA1,
    BETA2,
    adam,
    clip_factor,
    make_optimizer,
    sgd,
)
from tests.helpers import assert_close, each_backend, golden

# Relative to the largest weight, over 12 float32 steps.
TOLERANCE = 1e-6
ALL = np.zeros(1, np.int32)  # dense weights are a table of one row

MAKERS = {
    "adam": adam,
    "adamw": lambda: adam(weight_decay=0.1),
    "sgd": lambda: sgd(momentum=0.0),
    "sgd_momentum": lambda: sgd(momentum=0.9),
}


@each_backend
@pytest.mark.parametrize("name", MAKERS)
def test_dense_steps_equal_pytorch(k, name):
    stored = golden("optimizers")
    optimizer = MAKERS[name]()
    table = stored["start"][None].copy()
    state = optimizer.init(table)
    for step, gradient in enumerate(stored["gradients"], start=1):
        optimizer.update(k, table, ALL, gradient[None], state, step, 0.01, 1.0)
        assert_close(table[0], stored[name][step - 1], TOLERANCE, f"step {step}")


def run_rows(k, optimizer, start, rows, values, rate):
    """Table after each step."""
    table, path = start.copy(), []
    state = optimizer.init(table)
    for step, (seen, gradient) in enumerate(zip(rows, values, strict=True), start=1):
        seen = seen.astype(np.int32)
        optimizer.update(k, table, seen, gradient, state, step, rate, 1.0)
        path.append(table.copy())
    return path


@each_backend
def test_adam_on_rows_equals_sparse_adam_of_pytorch(k):
    """docs/explanation/maths.md, eqs. (86) and (87); the last row is never seen."""
    stored = golden("sparse_adam")
    path = run_rows(k, adam(), stored["start"], stored["rows"], stored["values"], 0.05)
    for step, table in enumerate(path):
        # At the first step PyTorch's 1e-8 counts 32 times as much: 3e-7 of a step.
        assert_close(table, stored["small_epsilon"][step], TOLERANCE, f"step {step + 1}")
        unseen = np.setdiff1d(np.arange(len(table)), np.unique(stored["rows"][: step + 1]))
        assert len(unseen) >= 1
        assert np.array_equal(table[unseen], stored["start"][unseen])


@each_backend
def test_epsilon_is_added_after_the_correction(k):
    """SparseAdam adds it before: eq. (83) with epsilon / sqrt(1 - beta2^k) in its place."""
    stored = golden("sparse_adam")
    table = stored["start"].copy()
    m, v = np.zeros_like(table), np.zeros_like(table)
    for step, (rows, gradient) in enumerate(zip(stored["rows"], stored["values"], strict=True), 1):
        correction1, correction2 = 1 / (1 - BETA1**step), 1 / (1 - BETA2**step)
        k.adam_update(
            table, rows.astype(np.int32), gradient, m, v, 1.0, 0.05, 0.0, BETA1, BETA2,
            correction1, correction2, 0.01 * np.sqrt(correction2),
        )  # fmt: skip
        assert_close(table, stored["large_epsilon"][step - 1], TOLERANCE, f"step {step}")


@pytest.mark.parametrize("name", MAKERS)
def test_unseen_rows_keep_weights_and_state(name):
    k, optimizer = load_backend("reference"), MAKERS[name]()
    rng = np.random.default_rng(0)
    table = rng.standard_normal((5, 3))
    state = optimizer.init(table)
    rows = np.array([3, 1], np.int32)
    for step in (1, 2):
        before = [x.copy() for x in (table, *state)]
        optimizer.update(k, table, rows, rng.standard_normal((2, 3)), state, step, 0.1, 1.0)
        for old, new in zip(before, (table, *state), strict=True):
            assert np.array_equal(new[[0, 2, 4]], old[[0, 2, 4]])
            assert (new[rows] != old[rows]).all()


@each_backend
def test_sgd_without_momentum_on_rows_equals_a_dense_step(k):
    rng = np.random.default_rng(1)
    table, values = rng.standard_normal((6, 4)), rng.standard_normal((2, 4))
    rows = np.array([4, 0], np.int32)
    gradient = np.zeros_like(table)
    gradient[rows] = values
    expected = table - 0.1 * gradient
    optimizer = sgd(momentum=0.0)
    optimizer.update(k, table, rows, values, optimizer.init(table), 1, 0.1, 1.0)
    assert_close(table, expected, 1e-15)


@each_backend
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_is_beside_the_gradient(k, name):
    """Without a gradient a weight shrinks by rate * decay (eq. (84)); "adam" has none."""
    table = np.array([[1.0, -2.0]])
    optimizer = make_optimizer(name, momentum=0.9, weight_decay=0.5)
    optimizer.update(k, table, ALL, np.zeros((1, 2)), optimizer.init(table), 1, 0.1, 1.0)
    assert_close(table, np.array([[1.0, -2.0]]) * (1 if name == "adam" else 0.95), 1e-15)


@each_backend
@pytest.mark.parametrize("name", MAKERS)
def test_scale_multiplies_the_gradient(k, name):
    rng = np.random.default_rng(2)
    start, gradient = rng.standard_normal((1, 5)), rng.standard_normal((1, 5))
    tables = []
    for factor, scale in ((0.25, 1.0), (1.0, 0.25)):
        optimizer, table = MAKERS[name](), start.copy()
        state = optimizer.init(table)
        for step in (1, 2):
            optimizer.update(k, table, ALL, factor * gradient, state, step, 0.1, scale)
        tables.append(table)
    assert_close(*tables, 1e-14)


def test_make_optimizer_refuses_other_names():
    with pytest.raises(ValueError, match="optimizer='lion' is not known.*'adamw'"):
        make_optimizer("lion", momentum=0.9, weight_decay=0.0)


@pytest.mark.parametrize(
    ("norm", "max_norm", "factor"),
    [(2.0, 1.0, 0.5), (0.5, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (9.0, None, 1.0)],
)
def test_clip_factor(norm, max_norm, factor):
    """docs/explanation/maths.md, eqs. (79) and (80)."""
    assert clip_factor(norm**2, max_norm) == pytest.approx(factor, rel=1e-15)

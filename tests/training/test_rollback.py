"""Weights that come back after a step that failed."""

import numpy as np
import pytest

from fastlstm.core.random import make_streams
from fastlstm.kernels import reference
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters
from fastlstm.training import rollback
from fastlstm.training.rollback import Rollback
from tests.helpers import each_backend

CONFIG = ModelConfig(50, 4, 3, 1, False, "last", 1, 0.0, 0.0)


@each_backend
@pytest.mark.parametrize("piece", [1, 7, 1024])
def test_undo_brings_back_the_weights_of_the_last_mark(k, piece, monkeypatch):
    monkeypatch.setattr(rollback, "_ROWS", piece)
    rng = np.random.default_rng(0)
    parameters = init_parameters(CONFIG, make_streams(0))
    steps, changed = Rollback(k, parameters), set()
    for _ in range(3):  # a later mark has fewer rows than the one before, and more
        steps.mark()
        flat, table = parameters.flat.copy(), parameters.embedding.copy()
        for n in rng.integers(1, 20, size=rng.integers(1, 6)):
            rows = rng.choice(50, size=n, replace=False).astype(np.int32)
            steps.before(rows)
            parameters.flat += 1
            parameters.embedding[rows] += 1
            changed |= set(rows.tolist())
        if rng.random() < 0.7:
            steps.undo()
            assert np.array_equal(parameters.flat, flat)
            assert np.array_equal(parameters.embedding, table)
    assert set(np.flatnonzero(steps.touched)) == changed


def test_nothing_to_undo_before_a_mark():
    parameters = init_parameters(CONFIG, make_streams(1))
    before = parameters.embedding.copy()
    Rollback(reference, parameters).undo()
    assert np.array_equal(parameters.embedding, before)

"""Instruction levels: what FASTLSTM_CPU forces, and the same model at each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fastlstm import LSTMClassifier
from fastlstm.core.errors import BackendError
from fastlstm.kernels.registry import available_backends

if available_backends()["numba"] != "ok":
    pytest.skip("the Numba backend does not load here", allow_module_level=True)

from fastlstm.kernels.numba import host, memory, packed_dtype

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.integers(4, 12, size=(40, 9))
X[np.arange(40), RNG.integers(0, 9, size=40)] = np.where(Y == 1, 3, 4)

TRAIN = """
import json, sys
import numpy as np
from fastlstm import LSTMClassifier
from fastlstm.kernels.numba import host, padded_width
X, y, precision = json.load(sys.stdin)
model = LSTMClassifier(
    vocabulary_size=12, embedding_dim=5, hidden_size=7, num_layers=2, max_epochs=2,
    learning_rate=0.02, early_stopping=False, random_state=0, n_jobs=1, backend="numba",
    precision=precision,
).fit(np.array(X), np.array(y))
width = padded_width(1, np.float32)
print(json.dumps([host.LEVEL, host.VECTOR_BYTES, width, model.predict_proba(np.array(X)).tolist()]))
"""


def run(level, folder, precision="float32"):
    """What a process at a level prints; its error if it has one."""
    environment = {**os.environ, "FASTLSTM_CACHE": str(folder)}
    environment.pop("FASTLSTM_CPU", None)
    if level is not None:
        environment["FASTLSTM_CPU"] = level
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True,
        input=json.dumps([X.tolist(), Y.tolist(), precision]), timeout=300,
    )  # fmt: skip
    return done.stderr if done.returncode else json.loads(done.stdout)


def not_above_the_host():
    """Levels that this process could be sent to, and its own."""
    return host.LEVELS[: host.LEVELS.index(host.LEVEL) + 1]


def expected_probabilities(precision="float32"):
    model = LSTMClassifier(
        vocabulary_size=12, embedding_dim=5, hidden_size=7, num_layers=2, max_epochs=2,
        learning_rate=0.02, early_stopping=False, random_state=0, n_jobs=1, backend="numba",
        precision=precision,
    ).fit(X, Y)  # fmt: skip
    probabilities = model.predict_proba(X)
    assert np.ptp(probabilities) > 0.01
    return probabilities


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    """One folder for all levels: each must find its own code in it."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("level", host.LEVELS[:-1])
def test_lower_level_gives_the_same_model(shared_cache, level):
    if level not in not_above_the_host():
        pytest.skip(f"this CPU, or FASTLSTM_CPU, is below {level}")
    used, vector_bytes, width, probabilities = run(level, shared_cache)
    assert used == level
    assert vector_bytes == {"baseline": 16, "avx2": 32, "avx512": 64}[level]
    assert width % (vector_bytes // 4) == 0
    np.testing.assert_allclose(probabilities, expected_probabilities(), atol=1e-5)


@pytest.mark.skipif(
    not (host.HAS_TILES and host.HAS_DOT_PRODUCTS), reason="bfloat16 at one level of this CPU"
)
def test_bfloat16_by_vectors_and_by_tiles(shared_cache):
    """Products of the same numbers, summed in another order: 1e-2 after two epochs."""
    used, _, _, probabilities = run("avx512", shared_cache, "bfloat16")
    assert used == "avx512"
    np.testing.assert_allclose(probabilities, expected_probabilities("bfloat16"), atol=1e-2)


@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_bfloat16_needs_its_instructions(tmp_path, level):
    if level not in not_above_the_host():
        pytest.skip(f"this CPU, or FASTLSTM_CPU, is below {level}")
    assert "BackendError: precision='bfloat16' needs a CPU" in run(level, tmp_path, "bfloat16")


def test_unknown_level_names_the_known_ones(tmp_path):
    error = run("avx1024", tmp_path)
    assert "ValueError: FASTLSTM_CPU='avx1024' is not known; use one of" in error
    assert all(level in error.splitlines()[-1] for level in host.LEVELS)


def test_level_is_never_above_the_cpu(monkeypatch):
    features = {"avx2": True, "fma": True, "avx512f": True, "avx512bw": True,
                "amx-tile": True, "amx-bf16": True}  # fmt: skip
    lacking = {
        "amx": [], "avx512": ["amx-bf16"], "avx2": ["avx512bw"], "baseline": ["fma"],
    }  # fmt: skip
    monkeypatch.setattr(host, "_may_use_tiles", lambda: True)
    for best, absent in lacking.items():
        found = {name: name not in absent for name in features}
        monkeypatch.setattr(host, "host_features", lambda found=found: found)
        monkeypatch.delenv("FASTLSTM_CPU", raising=False)
        assert host._level() == best
        for wanted in host.LEVELS:
            monkeypatch.setenv("FASTLSTM_CPU", wanted)
            assert host._level() == min(best, wanted, key=host.LEVELS.index)


def test_tiles_that_the_system_refuses_are_not_used(monkeypatch):
    features = dict.fromkeys(["avx2", "fma", "avx512f", "avx512bw", "amx-tile", "amx-bf16"], True)
    monkeypatch.setattr(host, "host_features", lambda: features)
    monkeypatch.setattr(host, "_may_use_tiles", lambda: False)
    monkeypatch.delenv("FASTLSTM_CPU", raising=False)
    assert host._level() == "avx512"


def test_types_of_packed_weights_follow_the_instructions(monkeypatch):
    f32, f64 = np.float32, np.float64
    for tiles, dots in ((True, True), (False, True), (False, False)):
        monkeypatch.setattr(memory, "HAS_TILES", tiles)
        monkeypatch.setattr(memory, "HAS_DOT_PRODUCTS", dots)
        assert packed_dtype(f32, "float32", training=False) == f32
        assert packed_dtype(f32, "float32", training=True) == (np.int16 if tiles else f32)
        assert packed_dtype(f64, "float32", training=True) == f64
        for training in (False, True):
            if dots:
                assert packed_dtype(f32, "bfloat16", training) == np.uint16
            else:
                with pytest.raises(BackendError, match="precision='bfloat16' needs a CPU"):
                    packed_dtype(f32, "bfloat16", training)

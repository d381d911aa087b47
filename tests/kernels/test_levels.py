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
from fastlstm.kernels.layout import Layout
from fastlstm.kernels.levels import LEVELS, limited
from tests.helpers import each_compiled_backend

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.integers(4, 12, size=(40, 9))
X[np.arange(40), RNG.integers(0, 9, size=40)] = np.where(Y == 1, 3, 4)

SETTINGS = {
    "vocabulary_size": 12, "embedding_dim": 5, "hidden_size": 7, "num_layers": 2, "max_epochs": 2,
    "learning_rate": 0.02, "early_stopping": False, "random_state": 0, "n_jobs": 1,
}  # fmt: skip

TRAIN = """
import json, sys
import numpy as np
from fastlstm import LSTMClassifier
from fastlstm.kernels.registry import load_backend
X, y, settings = json.load(sys.stdin)
k = load_backend(settings["backend"])
model = LSTMClassifier(**settings).fit(np.array(X), np.array(y))
found = k.LEVEL, k.LAYOUT.vector_bytes, k.padded_width(1, np.float32)
print(json.dumps([*found, model.predict_proba(np.array(X)).tolist()]))
"""


def run(k, level, folder, precision="float32"):
    """What a process at a level prints; its error if it has one."""
    environment = {**os.environ, "FASTLSTM_CACHE": str(folder)}
    environment.pop("FASTLSTM_CPU", None)
    if level is not None:
        environment["FASTLSTM_CPU"] = level
    settings = {**SETTINGS, "backend": k.NAME, "precision": precision}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True,
        input=json.dumps([X.tolist(), Y.tolist(), settings]), timeout=300,
    )  # fmt: skip
    return done.stderr if done.returncode else json.loads(done.stdout)


def skip_above(k, level):
    """Skip levels that this process cannot be sent to, or that the backend does not tell apart."""
    if LEVELS.index(level) > LEVELS.index(k.LEVEL):
        pytest.skip(f"this CPU, or FASTLSTM_CPU, is below {level}")


def expected_probabilities(k, precision="float32"):
    model = LSTMClassifier(**SETTINGS, backend=k.NAME, precision=precision).fit(X, Y)
    probabilities = model.predict_proba(X)
    assert np.ptp(probabilities) > 0.01
    return probabilities


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    """One folder for all levels: each must find its own code in it."""
    return tmp_path_factory.mktemp("cache")


@each_compiled_backend
@pytest.mark.parametrize("level", LEVELS[:-1])
def test_lower_level_gives_the_same_model(k, shared_cache, level):
    skip_above(k, level)
    used, vector_bytes, width, probabilities = run(k, level, shared_cache)
    assert used == level
    assert vector_bytes == {"baseline": 16, "avx2": 32, "avx512": 64}[level]
    assert width % (vector_bytes // 4) == 0
    np.testing.assert_allclose(probabilities, expected_probabilities(k), atol=1e-5)


@each_compiled_backend
def test_bfloat16_by_vectors_and_by_tiles(k, shared_cache):
    """Products of the same numbers, summed in another order: 1e-2 after two epochs."""
    if not (k.LAYOUT.has_amx and k.LAYOUT.has_dot_products):
        pytest.skip("bfloat16 at one level of this CPU")
    used, _, _, probabilities = run(k, "avx512", shared_cache, "bfloat16")
    assert used == "avx512"
    np.testing.assert_allclose(probabilities, expected_probabilities(k, "bfloat16"), atol=1e-2)


@each_compiled_backend
@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_bfloat16_needs_its_instructions(k, tmp_path, level):
    skip_above(k, level)
    lacking = "the C kernels" if k.NAME == "numba" else "a CPU with bfloat16 products"
    assert f"BackendError: precision='bfloat16' needs {lacking}" in run(
        k, level, tmp_path, "bfloat16"
    )


def test_bfloat16_needs_the_c_kernels():
    k = pytest.importorskip("fastlstm.kernels.numba", exc_type=ImportError)
    for training in (False, True):
        with pytest.raises(BackendError, match="Install fastlstm where there is GCC or Clang, or"):
            k.packed_dtype(np.float32, "bfloat16", training)
    with pytest.raises(ValueError, match="needs float32 weights"):
        k.packed_dtype(np.float64, "bfloat16", True)


@each_compiled_backend
def test_unknown_level_names_the_known_ones(k, tmp_path):
    error = run(k, "avx1024", tmp_path)
    assert "FASTLSTM_CPU='avx1024' is not known; use one of" in error
    assert all(level in error.splitlines()[-1] for level in LEVELS)


def test_variable_lowers_the_level_only(monkeypatch):
    monkeypatch.delenv("FASTLSTM_CPU", raising=False)
    assert [limited(level) for level in LEVELS] == list(LEVELS)
    for wanted in LEVELS:
        monkeypatch.setenv("FASTLSTM_CPU", wanted)
        for found in LEVELS:
            assert limited(found) == min(found, wanted, key=LEVELS.index)


def test_level_is_never_above_the_cpu(monkeypatch):
    host = pytest.importorskip("fastlstm.kernels.numba.host", exc_type=ImportError)
    features = ["avx2", "fma", "avx512f", "avx512bw"]
    lacking = {"avx512": [], "avx2": ["avx512bw"], "baseline": ["fma"]}
    for best, absent in lacking.items():
        found = {name: name not in absent for name in features}
        monkeypatch.setattr(host, "host_features", lambda found=found: found)
        monkeypatch.delenv("FASTLSTM_CPU", raising=False)
        assert host._level() == best
        for wanted in LEVELS:
            monkeypatch.setenv("FASTLSTM_CPU", wanted)
            assert host._level() == min(best, wanted, key=LEVELS.index)


def test_types_of_packed_weights_follow_the_instructions():
    f32, f64 = np.float32, np.float64
    for amx, dots in ((True, True), (False, True), (False, False)):
        packed_dtype = Layout(64, 4, amx, dots).packed_dtype
        assert packed_dtype(f32, "float32", training=False) == f32
        assert packed_dtype(f32, "float32", training=True) == (np.int16 if amx else f32)
        assert packed_dtype(f64, "float32", training=True) == f64
        for training in (False, True):
            if dots:
                assert packed_dtype(f32, "bfloat16", training) == np.uint16
            else:
                with pytest.raises(BackendError, match="precision='bfloat16' needs a CPU"):
                    packed_dtype(f32, "bfloat16", training)

"""fastlstm info."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from safetensors import safe_open

import fastlstm
from fastlstm.estimator import LSTMClassifier
from fastlstm.kernels.levels import LEVELS
from fastlstm.kernels.registry import load_backend

from .conftest import invoke, only_json


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def test_environment():
    result = only_json(invoke("info", "--json"))
    assert result["fastlstm"] == fastlstm.__version__
    assert result["python"] == platform.python_version()
    for name in ("numpy", "numba", "scikit-learn"):
        assert result["packages"][name] == installed(name)
    assert 1 <= result["cores"] <= os.cpu_count()
    assert result["backends"]["reference"] == "ok"
    k = load_backend("auto")
    assert result["auto_backend"] == k.NAME
    assert result["auto_reason"] == "named by FASTLSTM_BACKEND"
    if result["level"] in ("avx512", "amx"):
        assert "AVX-512" in result["cpu_instructions"]
    if k.NAME != "reference":
        assert result["level"] in LEVELS
        assert result["vector_bits"] in (128, 256, 512)
    if result["backends"]["numba"] == "ok":
        assert fastlstm.__version__ in result["kernel_cache"]


def test_environment_for_people():
    result = invoke("info")
    assert result.exit_code == 0
    for part in ("numba", "usable cores", "kernel cache", 'backend="auto"'):
        assert part in result.stdout


def test_model(model):
    result = only_json(invoke("info", model, "--json"))
    with safe_open(model, framework="numpy") as file:
        sizes = [file.get_tensor(name).size for name in file.keys()]  # noqa: SIM118
    assert result["n_weights"] == sum(sizes)
    assert result["file_bytes"] == os.path.getsize(model)
    assert result["classes"] == ["neg", "pos"]
    assert result["class_prior"] == [0.5, 0.5]
    assert result["network"]["hidden_size"] == 8
    assert result["settings"]["learning_rate"] == 0.03
    assert result["format_version"] == 10
    assert 1 <= result["training"]["best_epoch"]["epoch"] <= result["training"]["epochs"] <= 6


def test_model_for_people(model):
    result = invoke("info", model)
    assert result.exit_code == 0
    for part in ("neg (50.0%)", "bidirectional LSTM layer of 8", "weights of epoch", "dropout=0"):
        assert part in result.stdout


def test_model_of_token_ids(tmp_path):
    path = tmp_path / "ids.fastlstm"
    X = np.array([[1, 2], [2, 2], [3, 1], [3, 3]])
    LSTMClassifier(max_epochs=1, hidden_size=2, backend="reference").fit(X, [5, 5, 7, 7]).save(path)
    result = only_json(invoke("info", path, "--json"))
    assert result["input"] == "token ids" and result["max_length"] is None
    assert result["classes"] == [5, 7]
    assert "best_epoch" not in result["training"]
    assert invoke("info", path).exit_code == 0


@pytest.mark.parametrize("name", ["absent.fastlstm", "."])
def test_no_such_model(tmp_path, name):
    result = invoke("info", tmp_path / name)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_which_limit_decides_how_many_cores(monkeypatch):
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", "3")
    result = only_json(invoke("info", "--json"))
    assert (result["cores"], result["cores_reason"]) == (3, "FASTLSTM_NUM_THREADS")
    assert "3 (FASTLSTM_NUM_THREADS)" in invoke("info").stdout
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", "many")
    failed = invoke("info")
    assert failed.exit_code == 1
    assert "FASTLSTM_NUM_THREADS='many' is no positive whole number" in failed.stderr


def test_a_user_without_a_home(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    jit = pytest.importorskip("fastlstm.kernels.numba.jit")
    monkeypatch.setattr(jit, "kernel_cache_dir", homeless)
    assert only_json(invoke("info", "--json"))["kernel_cache"] is None


def test_a_promise_of_privacy(tmp_path):
    pytest.importorskip("dp_accounting")
    X, y = np.array([[2, 3], [4, 3]] * 20), [0, 1] * 20
    path = tmp_path / "ids.fastlstm"
    settings = {"vocabulary_size": 9, "embedding_dim": 2, "hidden_size": 2, "max_epochs": 1}
    clf = LSTMClassifier(
        **settings, early_stopping=False, dropout=0, embedding_dropout=0, random_state=0,
        privacy=fastlstm.Privacy(epsilon=5.0, delta=1e-3),
    ).fit(X, y)  # fmt: skip
    clf.save(path)
    assert only_json(invoke("info", path, "--json"))["privacy"] == clf.privacy_.state()
    said = " ".join(invoke("info", path).stdout.split())
    assert "training 1 epochs, ended by" in said  # how long it took depends on the documents
    assert "NOT PRIVATE" in said and "networks: 1 step," in said
    clf = LSTMClassifier(**settings).fit(X, y)
    clf.save(path)
    assert only_json(invoke("info", path, "--json"))["privacy"] is None
    assert "nothing is promised" in invoke("info", path).stdout

"""What importing the package brings in, seen from fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import fastlstm
from fastlstm.kernels import contract

HEAVY = {"numpy", "numba", "llvmlite", "sklearn", "scipy", "click", "rich", "safetensors"}


def in_fresh_process(code):
    """What ``code`` prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


LOADED = "print(json.dumps([sorted({name.split('.')[0] for name in sys.modules}), names]))"


def test_importing_the_package_imports_nothing_heavy():
    loaded, names = in_fresh_process(
        f"import json, sys, fastlstm; names = [dir(fastlstm), fastlstm.__version__]; {LOADED}"
    )
    assert "fastlstm" in loaded
    assert not HEAVY & set(loaded)
    assert names == [sorted(fastlstm.__all__), fastlstm.__version__]


def test_all_public_names_resolve_and_star_import_works():
    loaded, names = in_fresh_process(
        "import json, sys; from fastlstm import *; import fastlstm\n"
        "names = {name: type(globals()[name]).__name__ for name in fastlstm.__all__}\n" + LOADED
    )
    assert {"numpy", "sklearn"} <= set(loaded)  # so HEAVY is about names that would show up
    assert names == {
        "__version__": "str",
        "LSTMClassifier": "ABCMeta",
        "LSTMSentimentClassifier": "ABCMeta",
        "Privacy": "type",
        "SequenceData": "type",
        "SequenceVectorizer": "type",
        "ExplanationDisplay": "type",
        "LearningHistoryDisplay": "type",
        "MemoryDisplay": "type",
        "tune": "function",
        "WordVectors": "type",
        "Predictor": "type",
        "BackendError": "type",
        "DownloadError": "type",
        "InterruptedFitWarning": "type",
        "ModelFormatError": "type",
        "NonFiniteLossWarning": "type",
        "TruncationWarning": "type",
        "SideColumnWarning": "type",
        "VocabularyWarning": "type",
        "load": "function",
        "warmup": "function",
        "datasets": "module",
        "explain": "module",
        "export": "module",
        "memory": "module",
    }


@pytest.mark.parametrize("name", fastlstm.__all__)
def test_public_name_is_what_its_module_defines(name):
    value = getattr(fastlstm, name)
    assert getattr(fastlstm, name) is value
    if name not in ("__version__", "datasets", "explain", "export", "memory"):
        assert value.__name__ == name
        assert value.__module__.startswith(fastlstm._PUBLIC[name])


@pytest.mark.parametrize("name", ["datasets", "explain", "export", "memory"])
def test_submodule_needs_no_import_of_its_own(name):
    _, names = in_fresh_process(
        f"import json, sys, fastlstm; names = [fastlstm.{name}.__name__, dir(fastlstm)]; {LOADED}"
    )
    assert names == [f"fastlstm.{name}", sorted(fastlstm.__all__)]


def test_predictor_needs_neither_scikit_learn_nor_numba():
    loaded, names = in_fresh_process(
        "import json, sys; from fastlstm import Predictor; names = Predictor.__name__\n" + LOADED
    )
    assert names == "Predictor"
    assert not {"sklearn", "scipy", "numba", "llvmlite", "rich", "click"} & set(loaded)


@pytest.mark.parametrize("name", ["Nothing", "estimators", "_hidden"])
def test_unknown_attribute(name):
    with pytest.raises(AttributeError, match=f"'fastlstm' has no attribute '{name}'"):
        getattr(fastlstm, name)
    assert not hasattr(fastlstm, name)


def test_importing_the_numba_backend_compiles_nothing():
    pytest.importorskip("numba")
    dispatchers = in_fresh_process(
        "import json, sys\n"
        "import fastlstm.kernels.numba, fastlstm.estimator\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "print(json.dumps({value.py_func.__name__: len(value.signatures)\n"
        "    for name, module in sorted(sys.modules.items())\n"
        "    if name.startswith('fastlstm.kernels.numba')\n"
        "    for value in vars(module).values() if isinstance(value, Dispatcher)}))"
    )
    plain = {
        "padded_width", "packed_dtype", "packed_shape", "scratch_size", "block_rows", "hand_over",
    }  # fmt: skip
    compiled = set(contract.KERNELS) - plain
    assert compiled <= set(dispatchers)
    assert set(dispatchers.values()) == {0}


FITS = """
import json, sys
import numpy as np
import sklearn.base
from fastlstm import LSTMClassifier, LSTMSentimentClassifier

ROOTS = ("sklearn", "scipy", "joblib", "pandas")
def loaded():
    return {name for name in sys.modules if name.split(".")[0] in ROOTS}

before = loaded()
y = np.arange(240) % 2
X = np.random.default_rng(0).integers(1, 9, (240, 5))
LSTMClassifier(max_epochs=1, random_state=0, early_stopping=True).fit(X, y).predict_proba(X)
texts = [f"{'good' if label else 'bad'} film {number}" for number, label in enumerate(y)]
text = LSTMSentimentClassifier(max_epochs=1, random_state=0, class_weight="balanced")
text.fit(texts, y).predict(texts)
assert text.model_.linear is not None and "scipy.sparse" in loaded()
names = sorted(loaded() - before)
"""


def test_a_fit_brings_in_no_more_of_scikit_learn_than_its_base():
    _, names = in_fresh_process(FITS + LOADED)
    assert names == []

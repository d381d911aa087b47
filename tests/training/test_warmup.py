"""After ``warmup`` nothing is left to compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fastlstm.core.errors import BackendError
from fastlstm.kernels.registry import load_backend

CODE = """
import json, sys
from pathlib import Path
import numpy as np
from fastlstm import LSTMClassifier, warmup

precision, folder = sys.argv[1:]
seconds = warmup(precision=precision)
files = sorted(path.name for path in Path(folder).rglob("*.bin"))
rng = np.random.default_rng(0)
X, y = rng.integers(1, 9, (300, 7)), np.arange(300) % 3
for settings in ({}, {"optimizer": "sgd", "bidirectional": False, "num_layers": 2}):
    for pooling in ("last", "max", "mean", "attention"):
        clf = LSTMClassifier(hidden_size=3, embedding_dim=3, max_epochs=1, pooling=pooling,
                             precision=precision, **settings).fit(X, y)
        for part in (X[:1], X, X):
            clf.predict_proba(part)
after = sorted(path.name for path in Path(folder).rglob("*.bin"))
print(json.dumps([seconds, len(files), sorted(set(after) - set(files))]))
"""


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fit_and_predict_compile_nothing_more(precision, tmp_path, monkeypatch):
    try:
        load_backend("auto").packed_dtype("float32", precision, True)
    except BackendError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("FASTLSTM_CACHE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", CODE, precision, str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seconds, n_files, new = json.loads(done.stdout)
    assert seconds > 0
    assert (n_files > 10) == (os.environ.get("FASTLSTM_BACKEND") == "numba")
    assert new == []

#!/usr/bin/env bash
# safetensors 0.8.0 writes a Fortran-ordered NumPy array in the order of its memory and its shape
# as if that were C order. It comes back with the right shape and the wrong numbers; 0.7.0 kept it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() {
    python3 -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
        numpy==2.4.6 "safetensors==$1"
    "$folder/venv/bin/python" - "$2" <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save

weights = np.arange(6, dtype=np.float32).reshape(2, 3)
fortran = np.asfortranarray(weights)
assert fortran.flags.f_contiguous and (fortran == weights).all()

loaded = load(save({"fortran": fortran, "c": weights, "transposed": weights.T}))
print("safetensors", safetensors.__version__)
print("saved ", fortran.tolist())
print("loaded", loaded["fortran"].tolist())

assert (loaded["c"] == weights).all()
assert loaded["fortran"].shape == weights.shape and loaded["transposed"].shape == weights.T.shape
kept = (loaded["fortran"] == weights).all() and (loaded["transposed"] == weights.T).all()
assert kept == (sys.argv[1] == "kept")
if not kept:
    assert (loaded["fortran"].ravel() == fortran.ravel(order="K")).all()
PY
}

run 0.7.0 kept
run 0.8.0 scrambled

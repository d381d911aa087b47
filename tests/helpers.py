"""What the tests of the engine share: backends, packed batches, gradient checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels.registry import available_backends, load_backend

GOLDEN = Path(__file__).parent / "golden"

# Largest error (docs/maths.md, eq. (103)) that a right gradient may show in float64.
GRADIENT_TOLERANCE = 1e-6
# Between 1e-6 and 1e-5, as docs/maths.md, eq. (102) advises.
STEP = 5e-6


def loaded_backends():
    """The backend modules that load here; the reference is always one of them."""
    return [load_backend(name) for name, state in available_backends().items() if state == "ok"]


def _over(backends):
    return pytest.mark.parametrize("k", backends, ids=[k.NAME for k in backends])


each_backend = _over(loaded_backends())
each_compiled_backend = _over([k for k in loaded_backends() if k.NAME != "reference"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def golden(name):
    """Arrays of a golden file, as a dict."""
    with np.load(GOLDEN / f"{name}.npz") as stored:
        return dict(stored)


def token_sequences(lengths, vocabulary_size=9, seed=0):
    """Documents of random ids; 0, the padding id, is never one of them."""
    ids = np.random.default_rng(seed).integers(1, vocabulary_size, sum(lengths))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenSequences(ids.astype(np.int32), offsets)


def packed_batch(lengths, vocabulary_size=9, seed=0):
    """One batch of all documents."""
    sequences = token_sequences(lengths, vocabulary_size, seed)
    return pack(sequences, np.arange(sequences.n_documents))


def token_places(batch):
    """Place in the packed batch of every token, document after document as given."""
    places = [batch.starts[:length] + row for row, length in enumerate(batch.lengths)]
    by_row = dict(zip(batch.rows.tolist(), places, strict=True))
    return np.concatenate([by_row[row] for row in sorted(by_row)])


class PoisonedWorkspace(Workspace):
    """Hands out arrays full of NaN (or huge integers): nothing may rely on old content."""

    def array(self, name, *shape, dtype=None):
        out = super().array(name, *shape, dtype=dtype)
        out.fill(np.nan if out.dtype.kind == "f" else 2**30)
        return out


def central_difference(loss, array, step=STEP):
    """Numerical gradient of ``loss()`` by every entry of ``array``, which it reads."""
    gradient = np.empty_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = loss()
        array[place] = kept - step
        below = loss()
        array[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


def gradient_error(numeric, gradient):
    """Error of one array's gradient: docs/maths.md, eq. (103)."""
    largest = max(np.linalg.norm(numeric), np.linalg.norm(gradient), 1e-8)
    return np.linalg.norm(numeric - gradient) / largest


def check_gradients(loss, arrays, gradients):
    """Hold every entry of ``gradients`` against central differences of ``loss()``.

    Prints how many entries were checked (``pytest -rP`` shows it).
    """
    assert arrays.keys() == gradients.keys()
    count = 0
    for name, array in arrays.items():
        assert array.dtype == np.float64
        assert gradients[name].shape == array.shape
        error = gradient_error(central_difference(loss, array), gradients[name])
        assert error <= GRADIENT_TOLERANCE, f"{name}: error {error:.1e}"
        count += array.size
    print(f"{count} parameters and inputs checked in {len(arrays)} arrays")


def assert_close(result, expected, tolerance, name=""):
    """Largest difference at most ``tolerance`` times the largest expected value (or 1e-3)."""
    result, expected = np.asarray(result), np.asarray(expected)
    assert result.shape == expected.shape, f"{name}: {result.shape} for {expected.shape}"
    assert np.array_equal(np.isnan(result), np.isnan(expected)), f"{name}: NaN elsewhere"
    if expected.size == 0 or np.isnan(expected).all():
        return
    scale = max(np.nanmax(np.abs(expected)), 1e-3)
    error = np.nanmax(np.abs(result.astype(np.float64) - expected)) / scale
    assert error <= tolerance, f"{name}: relative error {error:.1e}"

"""What the tests of the engine share: backends, packed batches, gradient checks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fastlstm import LSTMClassifier
from fastlstm.core.errors import BackendError
from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels import reference
from fastlstm.kernels.registry import available_backends, load_backend

# Parameters with which LSTMSentimentClassifier is LSTMClassifier behind an encoder.
NETWORK_ALONE = {"wide": None, **LSTMClassifier().get_params()}
for _name in ("vocabulary_size", "targets", "step_dropout"):
    del NETWORK_ALONE[_name]

GOLDEN = Path(__file__).parent / "golden"

# Largest error (docs/explanation/maths.md, eq. (103)) that a right gradient may show in float64.
GRADIENT_TOLERANCE = 1e-6
# Between 1e-6 and 1e-5, as docs/explanation/maths.md, eq. (102) advises.
STEP = 5e-6


def loaded_backends():
    """The backend modules that load here; the reference is always one of them."""
    return [load_backend(name) for name, state in available_backends().items() if state == "ok"]


def _over(backends):
    return pytest.mark.parametrize("k", backends, ids=[k.NAME for k in backends])


COMPILED = [k for k in loaded_backends() if k.NAME != "reference"]
each_backend = _over(loaded_backends())
each_compiled_backend = _over(COMPILED)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])

# Forms of products: name -> element types of the float arrays and of packed weights.
FORMS = {
    "f32": (np.float32, np.float32),
    "f64": (np.float64, np.float64),
    "split_floats": (np.float32, np.int16),
    "bfloat16": (np.float32, np.uint16),
    "int8": (np.float32, np.int8),
}


def has_bfloat16(k):
    """Whether the backend has products of bfloat16 on this CPU."""
    try:
        return k.packed_dtype(np.float32, "bfloat16", training=True) == np.uint16
    except BackendError:
        return False


def without_bfloat16(monkeypatch):
    """Make this CPU one that has no products of bfloat16 until the test is over."""
    for k in COMPILED:
        layout = k.LAYOUT._replace(has_amx=False, has_dot_products=False)
        monkeypatch.setattr(k, "packed_dtype", layout.packed_dtype)


def has_form(k, packed_as):
    """Whether the backend has products with packed weights of that type on this CPU."""
    if packed_as == np.uint16:
        return has_bfloat16(k)
    if packed_as == np.int16:
        return k.packed_dtype(np.float32, "float32", training=True) == np.int16
    return True


def _form(k, name):
    lacks = not has_form(k, FORMS[name][1])
    mark = pytest.mark.skipif(lacks, reason=f"no {name} products in this backend on this CPU")
    return pytest.param(k, *FORMS[name], marks=mark, id=f"{name}-{k.NAME}")


def _is_made_for(k, name):
    """Whether the backend has that form or precision on some CPU: Numba's has no 16-bit ones."""
    return k.NAME == "cython" or name not in ("split_floats", "bfloat16")


def over_forms(*names):
    """These forms of products of the compiled backends, as (k, dtype, packed_as)."""
    return pytest.mark.parametrize(
        ("k", "dtype", "packed_as"),
        [_form(k, name) for k in COMPILED for name in names if _is_made_for(k, name)],
    )


# int8 only goes forward.
each_forward_form = over_forms(*FORMS)
each_form = over_forms(*(name for name in FORMS if name != "int8"))


def _over_precisions(*names):
    return [
        pytest.param(
            k, precision, id=f"{precision}-{k.NAME}",
            marks=pytest.mark.skipif(
                precision == "bfloat16" and not has_bfloat16(k),
                reason="no bfloat16 products in this backend on this CPU",
            ),
        )
        for k in COMPILED
        for precision in names
        if _is_made_for(k, precision)
    ]  # fmt: skip


# Compiled backends in each precision of training, in each of prediction, and in the latter
# packed for either purpose.
each_precision = pytest.mark.parametrize(
    ("k", "precision"), _over_precisions("float32", "bfloat16")
)
each_predicting_precision = pytest.mark.parametrize(
    ("k", "precision"), _over_precisions("float32", "bfloat16", "int8")
)
each_packing = pytest.mark.parametrize(
    ("k", "precision", "training"),
    [
        pytest.param(*each.values, training, id=f"{each.id}-{name}", marks=each.marks)
        for each in _over_precisions("float32", "bfloat16", "int8")
        for name, training in (("predicting", False), ("training", True))
        if not (training and each.values[1] == "int8")
    ],
)


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
    return pack(reference, sequences, np.arange(sequences.n_documents))


def token_places(batch):
    """Place in the packed batch of every token, document after document as given."""
    places = [batch.starts[:length] + row for row, length in enumerate(batch.lengths)]
    by_row = dict(zip(batch.rows.tolist(), places, strict=True))
    return np.concatenate([by_row[row] for row in sorted(by_row)])


def poison(dtype):
    """NaN, also as the bfloat16 that 16-bit integers stand for; else a large integer."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return np.nan
    return {1: 0x7F, 2: 0x7FC0}.get(dtype.itemsize, 2**30)


class PoisonedWorkspace(Workspace):
    """Hands out arrays full of NaN (or huge integers): nothing may rely on old content."""

    def array(self, name, *shape, dtype=None):
        out = super().array(name, *shape, dtype=dtype)
        out.fill(poison(out.dtype))
        return out


_GUARD = 64


def guarded(shape, dtype):
    """Poisoned memory between two guards, which ``assert_guards_hold`` looks at."""
    shape = (shape,) if isinstance(shape, int) else shape
    whole = np.full(math.prod(shape) + 2 * _GUARD, poison(dtype), dtype)
    return whole[_GUARD:-_GUARD].reshape(shape)


def assert_guards_hold(*arrays):
    """Nothing was written before or behind these arrays from ``guarded``."""
    for array in arrays:
        whole = array.base
        untouched = np.full(_GUARD, poison(whole.dtype), whole.dtype).tobytes()
        assert whole[:_GUARD].tobytes() == untouched, "written before an array"
        assert whole[-_GUARD:].tobytes() == untouched, "written behind an array"


def packed_matrix(k, w, packed_as, transpose=False):
    """``w``, or its transpose, in the backend's layout of that element type."""
    rows, columns = w.shape[::-1] if transpose else w.shape
    packed = guarded(k.packed_shape(rows, columns, packed_as), packed_as)
    k.pack(np.ascontiguousarray(w), transpose, packed)
    assert_guards_hold(packed)
    return packed


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
    """Error of one array's gradient: docs/explanation/maths.md, eq. (103)."""
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


def unpadded(k, config, gradients, dtype=np.float32):
    """What the accumulators of lanes add up to, as ``Parameters``."""
    from fastlstm.training.blocks import DenseSums

    sums = DenseSums(k, config, dtype)
    for of_lane in gradients:
        sums.add_lane(of_lane)
    for call in sums.calls(len(gradients)):
        call()
    return sums.total

"""Every backend offers the whole contract under the same signatures."""

import inspect
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from fastlstm.core.errors import BackendError
from fastlstm.kernels import contract, layout, reference, registry
from fastlstm.kernels.contract import Kernels
from tests.helpers import FORMS, each_backend, each_compiled_backend, has_form
from tests.test_docstrings import disagreement


def parameters(kernel):
    """Names of a kernel's parameters in order; of the Python function behind a dispatcher."""
    return list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)


@each_backend
def test_backend_has_its_name_and_all_kernels(k):
    assert registry.load_backend(k.NAME) is k
    for name in contract.KERNELS:
        assert callable(getattr(k, name)), name


@each_backend
@pytest.mark.parametrize("name", contract.KERNELS)
def test_signatures_are_those_of_the_contract(k, name):
    assert ["self", *parameters(getattr(k, name))] == parameters(getattr(Kernels, name))


def test_contract_lists_every_kernel_once():
    public = {
        name
        for name, value in vars(reference).items()
        if isinstance(value, types.FunctionType) and not name.startswith("_")
    }
    assert len(set(contract.KERNELS)) == len(contract.KERNELS)
    assert public - {"sigmoid", "to_bfloat16", "from_bfloat16", "to_int8"} == set(contract.KERNELS)


@pytest.mark.parametrize("name", contract.KERNELS)
def test_contract_describes_every_parameter(name):
    kernel = getattr(Kernels, name)
    assert kernel.__doc__.strip()
    assert disagreement(kernel) == ""


def test_numba_kernels_show_the_text_of_the_contract():
    numba = pytest.importorskip("fastlstm.kernels.numba", exc_type=ImportError)
    assert numba.matmul.__doc__ == Kernels.matmul.__doc__


@each_backend
def test_types_of_packed_weights(k):
    """Chosen by the precision; each of them has shapes and sizes for itself."""
    for training in (False, True):
        assert k.packed_dtype(np.float64, "float32", training) == np.float64
        assert k.packed_dtype(np.float32, "float32", training) in (np.float32, np.int16)
    for dtype, packed_as in FORMS.values():
        if has_form(k, packed_as):
            shape = k.packed_shape(5, 7, packed_as)
            assert np.prod(shape) >= 5 * 7
            assert k.scratch_size(3, 2, 4, packed_as) >= 1
            assert k.padded_width(7, dtype) >= 7
    assert k.block_rows(1) >= 1
    # Three numbers for a float take three times the room of one.
    if has_form(k, np.int16):
        one, three = (k.packed_shape(40, 70, kind) for kind in (np.uint16, np.int16))
        assert np.prod(three) == 3 * np.prod(one)


@each_backend
def test_modes_of_pooling_are_those_of_the_contract(k):
    module = sys.modules[getattr(k.pool_forward, "py_func", k.pool_forward).__module__]
    codes = {"last": module.LAST, "mean": module.MEAN, "max": module.MAX}
    assert {**codes, "mean_max": module.MEAN_MAX} == contract.POOLING


def test_unknown_backend_names_the_known_ones():
    with pytest.raises(ValueError, match="backend='torch' is not known.*'numba'.*'reference'"):
        registry.load_backend("torch")


def test_backend_that_cannot_be_imported_says_what_to_do(monkeypatch):
    monkeypatch.setitem(registry.BACKENDS, "numba", "fastlstm.kernels.not_there")
    with pytest.raises(BackendError, match="backend='numba' cannot be loaded.*backend='auto'"):
        registry.load_backend("numba")


def test_backend_without_a_kernel_is_refused(monkeypatch):
    half = types.ModuleType("half_a_backend")
    for name in contract.KERNELS[:-1]:
        setattr(half, name, getattr(reference, name))
    monkeypatch.setitem(sys.modules, "half_a_backend", half)
    monkeypatch.setitem(registry.BACKENDS, "numba", "half_a_backend")
    with pytest.raises(BackendError, match="backend='numba' lacks wait_for_all; reinstall"):
        registry.load_backend("numba")


def test_auto_takes_the_first_that_loads(monkeypatch):
    monkeypatch.delenv("FASTLSTM_BACKEND", raising=False)
    broken = dict.fromkeys(registry.BACKENDS, "fastlstm.kernels.not_there")
    monkeypatch.setattr(registry, "BACKENDS", {**broken, "reference": "fastlstm.kernels.reference"})
    assert registry.load_backend("auto") is reference
    monkeypatch.undo()
    monkeypatch.delenv("FASTLSTM_BACKEND", raising=False)
    loading = [name for name, state in registry.available_backends().items() if state == "ok"]
    assert registry.load_backend() is registry.load_backend(loading[0])


def test_auto_says_why(monkeypatch):
    monkeypatch.delenv("FASTLSTM_BACKEND", raising=False)
    monkeypatch.setitem(registry.BACKENDS, "cython", "fastlstm.kernels.not_there")
    monkeypatch.setitem(registry.BACKENDS, "numba", "fastlstm.kernels.reference")
    assert registry.why("auto") == (
        "the fastest that loads here of cython, numba, reference; cython would be faster, "
        "see `fastlstm info`"
    )
    assert registry.why("numba") == "asked for by name"
    monkeypatch.setenv("FASTLSTM_BACKEND", "reference")
    assert registry.load_backend() is reference
    assert registry.why("auto") == "named by FASTLSTM_BACKEND"


def test_auto_follows_the_committed_measurements(monkeypatch):
    """In every job the order of the registry is the order of speed."""
    folder = Path(__file__).parents[2] / "benchmarks"
    if not folder.exists():
        pytest.skip("benchmarks are not here")
    files = sorted(folder.glob("results/*/backends.json"))
    assert files
    for path in files:
        jobs = json.loads(path.read_text(encoding="utf-8"))["summary"]
        assert {"seed", "seed_inference", "tweets", "one_document"} <= set(jobs)
        for job, medians in jobs.items():
            measured = [name for name in registry.BACKENDS if name in medians]
            assert sorted(measured, key=medians.get) == measured, (path, job)


@each_compiled_backend
def test_sizes_in_compiled_code_are_those_of_the_layout(k):
    for name, value in getattr(k, "CONSTANTS", {}).items():
        assert getattr(layout, name) == value, name


def test_available_backends_gives_the_reason(monkeypatch):
    monkeypatch.setitem(registry.BACKENDS, "cython", "fastlstm.kernels.not_there")
    state = registry.available_backends()
    assert list(state) == ["cython", "numba", "reference"]
    assert state["cython"] == "not built (optional)"
    monkeypatch.setitem(registry.BACKENDS, "cython", "fastlstm.not_there.either")
    assert "fastlstm.not_there" in registry.available_backends()["cython"]
    assert state["reference"] == "ok"

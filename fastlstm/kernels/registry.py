"""Which backend runs: by name, or the fastest one that this machine can load."""

from __future__ import annotations

from importlib import import_module

from fastlstm.core.errors import BackendError
from fastlstm.kernels.contract import KERNELS

# Fastest first: "auto" takes the first that loads.
BACKENDS = {
    "cython": "fastlstm.kernels._cython_lstm",
    "numba": "fastlstm.kernels.numba",
    "reference": "fastlstm.kernels.reference",
}


def load_backend(name: str = "auto"):
    """The backend module of that name.

    Parameters
    ----------
    name : {"auto", "numba", "cython", "reference"}

    Returns
    -------
    backend : module with the functions of ``contract.KERNELS`` and ``NAME``

    Raises
    ------
    ValueError
        For a name that is not known.
    BackendError
        If the named backend cannot be imported here.
    """
    if name == "auto":
        for candidate in BACKENDS:
            try:
                return load_backend(candidate)
            except BackendError:
                continue
    if name not in BACKENDS:
        raise ValueError(
            f"backend={name!r} is not known; use 'auto' or one of {', '.join(map(repr, BACKENDS))}."
        )
    try:
        module = import_module(BACKENDS[name])
    except ImportError as error:
        raise BackendError(
            f"backend={name!r} cannot be loaded here ({error}). Pass backend='auto' to use "
            "what is installed."
        ) from error
    missing = [kernel for kernel in KERNELS if not hasattr(module, kernel)]
    if missing:
        raise BackendError(f"backend={name!r} lacks {', '.join(missing)}; reinstall fastlstm.")
    return module


def available_backends() -> dict[str, str]:
    """Name of each backend that is part of this version -> "ok" or why it does not load."""
    state = {}
    for name in BACKENDS:
        try:
            load_backend(name)
            state[name] = "ok"
        except BackendError as error:
            cause = error.__cause__
            absent = isinstance(cause, ModuleNotFoundError) and cause.name == BACKENDS[name]
            state[name] = "not built (optional)" if absent else str(cause or error)
    return state

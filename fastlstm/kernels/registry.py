"""Which backend runs: by name, or the fastest one that this machine can load."""

from __future__ import annotations

import os
from importlib import import_module

from fastlstm.core.errors import BackendError
from fastlstm.kernels.contract import KERNELS, Kernels

# Fastest first, in every job of benchmarks/results/*/backends.json: "auto" takes the first
# that loads.
BACKENDS = {
    "cython": "fastlstm.kernels._cython_lstm",
    "numba": "fastlstm.kernels.numba",
    "reference": "fastlstm.kernels.reference",
}


def load_backend(name: str = "auto") -> Kernels:
    """The backend module of that name.

    Parameters
    ----------
    name : {"auto", "numba", "cython", "reference"}
        "auto" is the one that the environment variable ``FASTLSTM_BACKEND`` names,
        otherwise the fastest that loads.

    Returns
    -------
    backend : Kernels

    Raises
    ------
    ValueError
        For a name that is not known.
    BackendError
        If the named backend cannot be imported here.
    """
    if name == "auto":
        return _auto()[0]
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


def why(name: str) -> str:
    """Why ``load_backend(name)`` gives the backend that it gives, in a few words."""
    return _auto()[1] if name == "auto" else "asked for by name"


def _auto():
    """The backend that "auto" stands for, and why."""
    named = os.environ.get("FASTLSTM_BACKEND", "auto")
    if named != "auto":
        return load_backend(named), "named by FASTLSTM_BACKEND"
    slower = []
    for candidate in BACKENDS:
        try:
            backend = load_backend(candidate)
        except BackendError:
            slower.append(candidate)
            continue
        reason = f"the fastest that loads here of {', '.join(BACKENDS)}"
        if slower:
            reason += f"; {' and '.join(slower)} would be faster, see `fastlstm info`"
        return backend, reason
    raise BackendError("no backend can be loaded; reinstall fastlstm.")


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

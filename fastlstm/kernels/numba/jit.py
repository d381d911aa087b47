"""The one ``jit`` wrapper of the package, and the cache of compiled kernels.

Every kernel is serial and releases the GIL: threads live in ``core/threads``
only. ``error_model="numpy"`` keeps division free of a branch, which is what lets
loops with a division vectorise.

Compiled code is kept between processes. Numba's own cache watches only the file
of the compiled function, not the files it calls, and trusts what it reads back.
This one is keyed by all sources of the backend, stores a digest with each entry,
and treats every failure (no folder, read-only, damaged, truncated) as a miss. Where
nothing can be kept, a warning says so once; where someone waits, so does a line.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import stat
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

import fastlstm
from fastlstm.core.paths import user_cache_dir
from fastlstm.kernels.numba.host import LEVEL

# Never "nnan" or "ninf": a NaN must come out of a kernel as a NaN.
FAST_MATH = {"contract", "nsz", "reassoc"}
OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": FAST_MATH}
# For sums whose order must not depend on where a function is inlined, and so on what was
# compiled before or came from the cache.
IN_ORDER = {**OPTIONS, "fastmath": FAST_MATH - {"reassoc"}}
_DIGEST_BYTES = 32


def jit(function, options=OPTIONS):
    """Compile ``function`` on first call; keep the result between processes."""
    dispatcher = numba.njit(**options)(function)
    dispatcher._cache = KernelCache(function)
    return dispatcher


def in_order(function):
    """As ``jit``, for sums in the order in which they are written."""
    return jit(function, IN_ORDER)


def part_of_kernels(function):
    """Compile ``function`` within each function that calls it, and not by itself."""
    return numba.njit(inline="always")(function)


def kernel_cache_dir() -> Path:
    """Folder of the compiled kernels of this version, Python and Numba."""
    tag = f"{sys.implementation.cache_tag}-numba{numba.__version__}-{platform.machine()}"
    return user_cache_dir() / "kernels" / f"{fastlstm.__version__}-{tag}"


@lru_cache(maxsize=1)
def _sources_digest() -> str:
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    # The records of the contract are part of the compiled signatures, sizes of the code.
    shared = [folder.parent / name for name in ("arguments.py", "contract.py", "layout.py")]
    for path in [*shared, *sorted(folder.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _NotPrivateError(Exception):
    """The folder of the cache belongs to others, or they can write to it."""


def _check_private(folder: Path) -> None:
    """Entries are unpickled, so a folder that others can write to is not used."""
    if os.name != "posix":
        return
    status = os.stat(folder)
    if status.st_uid != os.getuid():
        raise _NotPrivateError("it belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _NotPrivateError("other users can write to it")


# What this process has said already: "compiling", "not kept".
_SAID: set[str] = set()

_SECONDS = "10 to 60 seconds"


def _announce() -> None:
    """Say once, to whoever waits at a terminal or a notebook, what takes so long."""
    if "compiling" in _SAID:
        return
    _SAID.add("compiling")
    # Standard error may be missing, closed, or an object that is only half a file.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream = sys.stderr
        if stream.isatty() or type(stream).__module__.startswith("ipykernel."):
            print(
                f"fastlstm: compiling kernels for this machine, which takes some {_SECONDS}",
                file=stream, flush=True,
            )  # fmt: skip


def _warn_not_kept(error: Exception) -> None:
    """Say once that the next process will have to compile again."""
    if "not kept" in _SAID:
        return
    _SAID.add("not kept")
    try:
        folder = f"{kernel_cache_dir()}"
    except RuntimeError:  # the user has no home
        folder = "the cache folder"
    warnings.warn(
        f"Compiled kernels cannot be kept in {folder} "
        f"({getattr(error, 'strerror', None) or error}), so each process compiles them again, "
        f"which takes some {_SECONDS}. Set the environment variable FASTLSTM_CACHE to a folder "
        "that is yours alone and can be written to.",
        RuntimeWarning,
        stacklevel=2,
    )


class KernelCache(_Cache):
    """Compiled overloads of one function, one file an overload."""

    def __init__(self, function):
        self._function = function
        self._enabled = True

    @property
    def cache_path(self):
        return str(kernel_cache_dir())

    def enable(self):
        self._enabled = True

    def disable(self):
        self._enabled = False

    def flush(self):
        for path in kernel_cache_dir().glob(f"{self._function.__name__}-*.bin"):
            path.unlink(missing_ok=True)

    def _path(self, signature, codegen) -> Path:
        function = f"{self._function.__module__}.{self._function.__qualname__}"
        key = repr((function, str(signature), codegen.magic_tuple(), LEVEL, _sources_digest()))
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        return kernel_cache_dir() / f"{self._function.__name__}-{name}.bin"

    def load_overload(self, signature, target_context):
        if not self._enabled:
            return None
        found = self._load(signature, target_context)
        if found is None:
            _announce()
        return found

    def _load(self, signature, target_context):
        target_context.refresh()
        try:
            path = self._path(signature, target_context.codegen())
            _check_private(path.parent)
            content = path.read_bytes()
            digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != digest:
                return None
            return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # any damage costs a recompilation, never a crash
            return None

    def save_overload(self, signature, compiled):
        # Code with addresses of this process in it (of large global arrays) stays here.
        if not self._enabled or compiled.library.has_dynamic_globals:
            return
        try:
            path = self._path(signature, compiled.codegen)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(path.parent)
            payload = dumps(compiled._reduce())
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(payload).digest() + payload)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except Exception as error:  # a full or read-only disk: this process compiles for itself
            _warn_not_kept(error)

"""The cache of compiled kernels: a saving of time that can go wrong without harm.

One small kernel stands for all. ``fresh_kernel`` makes a new dispatcher of it, so that
the cache can be asked again within a process; what only another process can show runs
in one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

import fastlstm
from fastlstm.kernels.levels import LEVELS
from fastlstm.kernels.registry import available_backends

if available_backends()["numba"] != "ok":
    pytest.skip("the Numba backend does not load here", allow_module_level=True)

from fastlstm.kernels.numba import elementwise, jit

# Computes 1 + 4 + 9 with a kernel, and says whether the cache had it.
USE_KERNEL = """
import json, numpy as np
from fastlstm.kernels.numba import squared_norm
from fastlstm.kernels.numba.jit import KernelCache
loaded, load = [], KernelCache.load_overload
def spy(self, *args):
    result = load(self, *args)
    loaded.append(result is not None)
    return result
KernelCache.load_overload = spy
value = squared_norm(np.array([1, 2, 3], np.float32))
hits, misses = squared_norm.stats.cache_hits, squared_norm.stats.cache_misses
print(json.dumps([value, loaded, sum(hits.values()), sum(misses.values())]))
"""
COMPILED = [14.0, [False], 0, 1]
LOADED = [14.0, [True], 1, 0]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of its own, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FASTLSTM_CACHE", str(folder))
    monkeypatch.setattr(jit, "_SAID", set())
    return folder


def use_in_new_process(folder, warns=False):
    """Of what the process writes on standard error only a warning of the cache may be there."""
    done = subprocess.run(
        [sys.executable, "-c", USE_KERNEL], env={**os.environ, "FASTLSTM_CACHE": str(folder)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert bool(done.stderr) == warns
    assert done.stderr.count("RuntimeWarning: Compiled kernels cannot be kept") == warns
    return json.loads(done.stdout)


NOT_KEPT = pytest.warns(RuntimeWarning, match="cannot be kept.*Set the environment variable FASTL")


def fresh_kernel():
    return jit.jit(elementwise.squared_norm.py_func)


def use(kernel=None):
    """Use a new dispatcher of the kernel; True if its code came from the cache."""
    kernel = kernel or fresh_kernel()
    assert kernel(np.array([1, 2, 3], np.float32)) == 14.0
    return sum(kernel.stats.cache_hits.values()) == 1


def entries(folder):
    """Every file of the cache with what tells a rewritten one apart."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_second_process_compiles_nothing(tmp_path):
    folder = tmp_path / "not" / "there" / "yet"
    assert use_in_new_process(folder) == COMPILED
    before = entries(folder)
    assert len(before) == 1
    assert use_in_new_process(folder) == LOADED
    assert entries(folder) == before


def test_path_names_versions_and_machine(cache, monkeypatch):
    paths = [jit.kernel_cache_dir()]
    assert cache in paths[0].parents
    monkeypatch.setattr(fastlstm, "__version__", "0.0.0")
    paths.append(jit.kernel_cache_dir())
    monkeypatch.setattr(jit.numba, "__version__", "0.0.0")
    paths.append(jit.kernel_cache_dir())
    monkeypatch.setattr(jit.platform, "machine", lambda: "abacus")
    paths.append(jit.kernel_cache_dir())
    assert len(set(paths)) == 4


def test_new_dispatcher_loads_what_another_compiled(cache):
    assert not use()
    before = entries(cache)
    assert use()
    assert entries(cache) == before


def test_entries_are_private(cache):
    use()
    if os.name == "posix":
        for path in [jit.kernel_cache_dir(), *entries(cache)]:
            assert path.stat().st_mode & 0o077 == 0


def test_changed_sources_miss(cache, monkeypatch):
    assert not use()
    monkeypatch.setattr(jit, "_sources_digest", lambda: "of other sources")
    assert not use()
    assert use()
    assert len(entries(cache)) == 2
    monkeypatch.undo()


def test_levels_do_not_share_entries(cache, monkeypatch):
    """Code for wider vectors would write beyond arrays that are padded for narrower ones."""
    for number, level in enumerate(LEVELS, start=1):
        monkeypatch.setattr(jit, "LEVEL", level)
        assert not use()
        assert use()
        assert len(entries(cache)) == number


def test_digest_depends_on_every_source_of_the_backend(tmp_path, monkeypatch):
    """And on the contract's records, whose fields are part of compiled signatures."""
    folder = tmp_path / "numba"
    folder.mkdir()
    monkeypatch.setattr(jit, "__file__", str(folder / "jit.py"))
    arguments, contract, layout = (
        tmp_path / f"{name}.py" for name in ("arguments", "contract", "layout")
    )
    for path in (arguments, contract, layout):
        path.write_text("", encoding="utf-8")
    digests = set()
    for path, text in [
        (folder / "a.py", "x = 1"), (folder / "b.py", "y = 1"), (folder / "a.py", "x = 2"),
        (contract, "z = 1"), (layout, "z = 2"), (arguments, "z = 3"),
    ]:  # fmt: skip
        path.write_text(text, encoding="utf-8")
        digests.add(jit._sources_digest.__wrapped__())
    assert len(digests) == 6


def test_signatures_and_kernels_do_not_share_entries(cache):
    kernel = fresh_kernel()
    assert use(kernel) is False
    assert kernel(np.array([1, 2, 3], np.float64)) == 14.0
    assert len(entries(cache)) == 2

    def squared_norm(x):  # by the name of the kernel
        return -1.0

    assert jit.jit(squared_norm)(np.zeros(3, np.float32)) == -1.0
    assert use()


def test_code_bound_to_this_process_is_not_kept(cache):
    table = np.arange(200_000.0)  # so large that compiled code holds its address

    def entry(position):
        return table[position]

    assert jit.jit(entry)(77) == 77.0
    assert entries(cache) == {}


def test_disabled_and_flushed_cache(cache):
    kernel = fresh_kernel()
    kernel._cache.disable()
    assert not use(kernel)
    assert entries(cache) == {}
    kernel = fresh_kernel()
    kernel._cache.disable()
    kernel._cache.enable()
    use(kernel)
    assert len(entries(cache)) == 1
    kernel._cache.flush()
    assert entries(cache) == {}


def with_digest(payload):
    return hashlib.sha256(payload).digest() + payload


DAMAGE = {
    "empty": lambda content: b"",
    "only a digest": lambda content: content[:32],
    "truncated": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\0",
    "a bit of the digest": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "a bit of the code": lambda content: content[:999] + bytes([content[999] ^ 1]) + content[1000:],
    "random bytes": lambda content: np.random.default_rng(0).bytes(len(content)),
    "no pickle, right digest": lambda content: with_digest(b"no pickle at all"),
    "nothing, right digest": lambda content: with_digest(b""),
    "half a pickle, right digest": lambda content: with_digest(content[32 : len(content) // 2]),
    "another object, right digest": lambda content: with_digest(pickle.dumps([1, 2, 3])),
    "no tuple, right digest": lambda content: with_digest(pickle.dumps(7)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_entry_is_compiled_anew(cache, damage):
    use()
    (path,) = entries(cache)
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert not use()
    (again,) = entries(cache)
    assert again == path
    assert use()


def test_damaged_entry_in_a_new_process(cache):
    use()
    (path,) = entries(cache)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert use_in_new_process(cache) == COMPILED


def test_cache_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder", encoding="utf-8")
    assert use_in_new_process(file, warns=True) == COMPILED
    assert file.read_text(encoding="utf-8") == "not a folder"


def test_folder_in_place_of_an_entry(cache):
    use()
    (path,) = entries(cache)
    path.unlink()
    path.mkdir()
    with NOT_KEPT:
        assert not use()
    assert path.is_dir()
    assert list(path.parent.iterdir()) == [path]


def refuse(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("module", "name"),
    [(jit.tempfile, "mkstemp"), (jit.os, "replace"), (jit.os, "fdopen"), (jit.Path, "mkdir")],
    ids=["no temporary file", "no renaming", "no writing", "no folder"],
)
def test_folder_that_cannot_be_written(cache, monkeypatch, module, name):
    monkeypatch.setattr(module, name, refuse)
    with NOT_KEPT:
        assert not use()
    monkeypatch.undo()
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_disk_that_is_full(cache, monkeypatch):
    class FullFile:
        def __init__(self, handle, mode):
            os.close(handle)

        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            pass

        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(jit.os, "fdopen", FullFile)
    with pytest.warns(RuntimeWarning, match=r"cannot be kept in .* \(No space left on device\)"):
        assert not use()
    assert entries(cache) == {}


def test_sources_that_cannot_be_read(cache, monkeypatch):
    monkeypatch.setattr(jit, "_sources_digest", refuse)
    with NOT_KEPT:
        assert not use()
    assert entries(cache) == {}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write anywhere")
def test_read_only_folder(cache):
    cache.mkdir(mode=0o500)
    assert use_in_new_process(cache, warns=True) == COMPILED
    assert entries(cache) == {}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777], ids=oct)
def test_folder_that_others_can_write_is_not_used(cache, mode):
    use()
    folder = jit.kernel_cache_dir()
    folder.chmod(mode)
    before = entries(cache)
    with pytest.warns(RuntimeWarning, match="other users can write to it"):
        assert not use()
    assert entries(cache) == before
    folder.chmod(0o700)
    assert use()


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
def test_folder_of_another_user_is_not_used(cache, monkeypatch):
    use()
    monkeypatch.setattr(jit.os, "getuid", lambda: os.stat(cache).st_uid + 1)
    before = entries(cache)
    with pytest.warns(RuntimeWarning, match="it belongs to another user"):
        assert not use()
    assert entries(cache) == before


def test_the_warning_comes_once_and_names_the_folder(cache, monkeypatch):
    monkeypatch.setattr(jit.os, "replace", refuse)
    with pytest.warns(RuntimeWarning, match="cannot be kept") as caught:
        for _ in range(3):
            assert not use()
    assert len(caught) == 1
    assert str(cache) in str(caught[0].message) and "Permission denied" in str(caught[0].message)


def test_a_user_without_a_home(cache, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(jit, "kernel_cache_dir", homeless)
    with pytest.warns(RuntimeWarning, match="cannot be kept in the cache folder .Could not determ"):
        assert fresh_kernel()(np.array([1, 2, 3], np.float32)) == 14.0


def test_a_warning_that_is_an_error_leaves_the_kernel_usable(cache, monkeypatch):
    monkeypatch.setattr(jit.os, "replace", refuse)
    kernel = fresh_kernel()
    with pytest.raises(RuntimeWarning, match="cannot be kept"):  # as pytest is set here
        use(kernel)
    assert kernel(np.array([1, 2, 3], np.float32)) == 14.0


# What is said while kernels are compiled


class Terminal(io.StringIO):
    def isatty(self):
        return True


COMPILING = "fastlstm: compiling kernels for this machine"


def test_a_terminal_is_told_once(cache, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    for _ in range(2):
        use()
        shutil.rmtree(cache)
    assert sys.stderr.getvalue().count(COMPILING) == 1
    assert sys.stderr.getvalue().count("\n") == 1


def test_a_notebook_is_told(cache, monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", stream)
    use()
    assert COMPILING in stream.getvalue()


def test_nothing_is_said_where_nothing_is_compiled(cache, monkeypatch):
    use()
    jit._SAID.clear()
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert use()
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("stream", [io.StringIO(), None, object()], ids=["pipe", "none", "odd"])
def test_others_are_told_nothing(cache, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    assert not use()
    if isinstance(stream, io.StringIO):
        assert stream.getvalue() == ""


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_with_verbose_0_at_a_real_terminal(tmp_path):
    """And standard output holds nothing but the JSON of the command."""
    import pty

    code = (
        "import json, numpy as np; from fastlstm import LSTMClassifier\n"
        "X = np.array([[1, 2], [2, 1]] * 4)\n"
        "clf = LSTMClassifier(hidden_size=2, max_epochs=1, backend='numba').fit(X, [0, 1] * 4)\n"
        "print(json.dumps(clf.predict(X).tolist()))\n"
    )
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "FASTLSTM_CACHE": str(tmp_path)},
            stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=300,
        )  # fmt: skip
        os.set_blocking(ours, False)
        shown = os.read(ours, 10_000).decode()  # an error where nothing was written
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, shown
    assert len(json.loads(done.stdout)) == 8
    assert shown.count(COMPILING) == 1 and shown.count("\n") == 1

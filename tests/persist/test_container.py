"""The model file: what goes in comes out, and a failed save changes nothing."""

import errno
import hashlib
import json
import os
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from fastlstm.persist import migrations
from fastlstm.persist.container import MAX_HEADER_BYTES, read_container, write_container

from .conftest import ARRAYS, METADATA, ZEROS, posix


def assert_same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype.newbyteorder("=")
        assert array.shape == expected[name].shape
        np.testing.assert_array_equal(array, expected[name])


# --------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip(path, kind):
    write_container(kind(path), ARRAYS, METADATA)
    arrays, metadata = read_container(kind(path))
    assert_same(arrays, ARRAYS)
    assert np.signbit(arrays["bias"][1])
    assert metadata == METADATA


@pytest.mark.parametrize(
    "dtype",
    ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">f8", ">i8"],
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (4, 3)])
def test_every_dtype_and_shape_comes_back_writable_native_and_contiguous(path, dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    write_container(path, {"a": array, "other": np.array([7], dtype=np.int8)}, {})
    arrays, _ = read_container(path)
    assert_same(arrays, {"a": array, "other": np.array([7], dtype=np.int8)})
    for result in arrays.values():
        assert result.flags.writeable and result.flags.c_contiguous and result.flags.aligned
        assert result.dtype.isnative


def test_memory_layout_of_the_input_does_not_matter(path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    frozen = base.copy()
    frozen.flags.writeable = False
    inputs = {
        "fortran": np.asfortranarray(base),
        "reversed": base[::-1, ::-1],
        "strided": base[::2, 1::3],
        "transposed": base.T,
        "frozen": frozen,
        "repeated": np.broadcast_to(base[0], (3, 6)),
    }
    write_container(path, inputs, {})
    assert_same(read_container(path)[0], inputs)


def test_arrays_read_do_not_share_memory(path):
    write_container(path, {"a": np.zeros(3), "b": np.zeros(3)}, {})
    first, _ = read_container(path)
    first["a"][:] = 1.0
    assert not first["b"].any()
    assert not read_container(path)[0]["a"].any()


def test_no_arrays_and_odd_names(path):
    write_container(path, {}, {})
    assert read_container(path) == ({}, {})
    odd = {name: np.array([1.0]) for name in ["", 'q"\\', "层.0/权重", "\n\x00", "checksum"]}
    write_container(path, odd, {"checksum": f'"checksum":"{ZEROS}"', "format": "other"})
    arrays, metadata = read_container(path)
    assert list(arrays) == sorted(odd)
    assert metadata == {"checksum": f'"checksum":"{ZEROS}"', "format": "other"}


def test_metadata_with_any_text(path):
    texts = ["\x00\x1f\x7f", '"\\/', "\u2028", "𝄞", "\ud83d", "a\udc80b", "\ufeff", "\\ud800"]
    metadata = {"texts": texts, "n": [10**30, -1, 1e-320, 1.0, True, None], "d": {"": {}}}
    write_container(path, {}, metadata)
    assert read_container(path)[1] == metadata


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quick
@given(metadata=st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_metadata_comes_back(path, metadata):
    write_container(path, {}, metadata)
    assert read_container(path)[1] == metadata


def test_same_input_same_bytes(path, small_file):
    for _ in range(20):  # random order would have shown with all but 24 ** -20
        write_container(path, dict(reversed(ARRAYS.items())), dict(reversed(METADATA.items())))
        assert path.read_bytes() == small_file


def test_the_safetensors_library_reads_our_file(path, small_file):
    with safe_open(path, framework="np") as file:
        assert_same({name: file.get_tensor(name) for name in file.keys()}, ARRAYS)  # noqa: SIM118
        found = file.metadata()
    assert found.keys() == {"format", "format_version", "content", "checksum"}
    assert (found["format"], found["format_version"]) == (
        "fastlstm",
        str(migrations.CURRENT_VERSION),
    )
    assert json.loads(found["content"]) == METADATA
    blanked = small_file.replace(found["checksum"].encode(), ZEROS.encode())
    assert hashlib.sha256(blanked).hexdigest() == found["checksum"]


def test_header_is_padded_so_that_arrays_are_aligned(path):
    for length in range(9):
        write_container(path, {"a": np.zeros(2)}, {"k": "x" * length})
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


def test_a_file_of_version_1_made_by_hand_is_read(path, monkeypatch):
    # These bytes never change: every later release must read them.
    for version in migrations.MIGRATIONS:
        monkeypatch.setitem(migrations.MIGRATIONS, version, lambda *content: content)
    header = (
        '{"__metadata__":{"format":"fastlstm","format_version":"1","content":"{\\"k\\":[1]}",'
        '"checksum":"462046a078534e7cbce0d9edd126fb7afd99b825e3be13c797c652c20b65dcdd"},'
        '"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    )
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + struct.pack("<2f", 1.5, -2))
    arrays, metadata = read_container(path)
    assert_same(arrays, {"w": np.array([1.5, -2], dtype=np.float32)})
    assert metadata == {"k": [1]}


# -------------------------------------------------------------------- refused on saving


def assert_not_saved(path, arrays, metadata, error, match):
    path.write_bytes(b"old")
    with pytest.raises(error, match=match):
        write_container(path, arrays, metadata)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_non_finite_weights_are_not_saved(path, value, dtype):
    arrays = {"fine": np.zeros(2), "lstm.bias": np.array([[0, 1], [value, 0]], dtype=dtype)}
    assert_not_saved(path, arrays, {}, ValueError, "'lstm.bias' holds NaN")


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, {}], dtype=object),
        np.array(["a"]),
        np.array([b"a"]),
        np.array([True]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.zeros(2, dtype=[("x", "f4")]),
        # NumPy 2 only; some methods of other dtypes fail on this one.
        *([np.array(["a"], dtype="T")] if hasattr(np.dtypes, "StringDType") else []),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_dtypes_are_not_saved(path, array):
    assert_not_saved(path, {"odd": array}, {}, ValueError, "'odd' has dtype .* float32")


@pytest.mark.parametrize(
    "arrays, error, match",
    [
        ({"w": [1.0, 2.0]}, TypeError, "'w' is a list"),
        ({"w": None}, TypeError, "'w' is a NoneType"),
        ({1: np.zeros(1)}, TypeError, "strings, got 1"),
        ({"__metadata__": np.zeros(1)}, ValueError, "name"),
        ({"\ud800": np.zeros(1)}, ValueError, "name"),
    ],
)
def test_bad_arrays_are_not_saved(path, arrays, error, match):
    assert_not_saved(path, arrays, {}, error, match)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "metadata, error",
    [
        ([], TypeError),
        ("{}", TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": [float("inf")]}, ValueError),
        ({"a": object()}, ValueError),
        ({"a": np.int64(1)}, ValueError),
        ({"a": b"bytes"}, ValueError),
        ({"a": (1, 2)}, ValueError),
        ({1: "a"}, ValueError),
        ({"a": {1: 0, "1": 0}}, ValueError),
        ({"a": "\ud83d\ude42"}, ValueError),  # JSON would join the two into one character
        ({"a": nested(100_000)}, ValueError),
    ],
)
def test_metadata_that_json_would_change_are_not_saved(path, metadata, error):
    assert_not_saved(path, {}, metadata, error, "metadata")


def test_metadata_too_large_to_read_are_not_saved(path):
    metadata = {"a": "x" * MAX_HEADER_BYTES}
    assert_not_saved(path, {}, metadata, ValueError, "max_features")


def test_bad_targets(path, tmp_path):
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        write_container(tmp_path, ARRAYS, METADATA)
    for name in ("", f"{path}{os.sep}"):
        with pytest.raises(IsADirectoryError):
            write_container(name, ARRAYS, METADATA)
    missing = tmp_path / "nowhere" / "model.fastlstm"
    with pytest.raises(FileNotFoundError, match="folder .*nowhere.* does not exist"):
        write_container(missing, ARRAYS, METADATA)
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------ saving, whole


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(path, small_file, monkeypatch, function):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match=path.name) as caught:
        write_container(path, {"w": np.zeros(9)}, {})
    assert caught.value.errno == errno.ENOSPC
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert path.read_bytes() == small_file
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_leaves_the_old_file(path, small_file, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_container(path, {"w": np.zeros(9)}, {})
    assert path.read_bytes() == small_file
    assert os.listdir(path.parent) == [path.name]


WRITE_UNDER_LIMIT = """
import resource, sys
import numpy as np
from fastlstm.persist.container import write_container

resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
try:
    write_container(sys.argv[1], {"w": np.zeros(100_000)}, {})
except OSError as error:
    print(type(error).__name__, error)
"""


@posix
def test_a_write_that_the_system_stops_leaves_the_old_file(path, small_file):
    root = Path(migrations.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", WRITE_UNDER_LIMIT, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert run.stdout.startswith("OSError") and path.name in run.stdout
    assert path.read_bytes() == small_file
    assert os.listdir(path.parent) == [path.name]


def test_the_file_is_on_disk_before_it_takes_the_name(path, small_file, monkeypatch):
    events = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        events.append(("fsync", os.fstat(descriptor).st_size, path.read_bytes() == small_file))
        real_fsync(descriptor)

    def replace(source, target):
        assert os.path.dirname(source) == str(path.parent)
        events.append(("replace", os.path.getsize(source), path.read_bytes() == small_file))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_container(path, {"w": np.zeros(9)}, {})
    size = path.stat().st_size
    assert events[:2] == [("fsync", size, True), ("replace", size, True)]
    assert [name for name, *_ in events[2:]] == (["fsync"] if os.name == "posix" else [])


def test_a_folder_that_cannot_be_synced_is_no_error(path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_container(path, ARRAYS, METADATA)
    assert_same(read_container(path)[0], ARRAYS)


@posix
@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(path, mask, mode):
    before = os.umask(mask)
    try:
        write_container(path, ARRAYS, METADATA)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_a_symbolic_link_stays_one(path, tmp_path):
    (tmp_path / "store").mkdir()
    path.symlink_to(tmp_path / "store" / "real")
    for value in (1.0, 2.0):  # first the link points nowhere
        write_container(path, {"w": np.array([value])}, {})
        assert path.is_symlink()
        assert read_container(path)[0]["w"] == value
    assert os.listdir(tmp_path / "store") == ["real"]


@posix
def test_readers_meet_the_old_file_or_the_new_one(path):
    def save(value):
        size = 1000 + 500 * (value % 3)
        write_container(path, {"w": np.full(size, value)}, {"value": value})

    seen, errors, done = set(), [], threading.Event()

    def read():
        try:
            while not done.is_set():
                arrays, metadata = read_container(path)
                assert (arrays["w"] == metadata["value"]).all()
                seen.add(metadata["value"])
        except BaseException as error:
            errors.append(error)

    save(0)
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for value in range(1, 60):
            save(value)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert seen <= set(range(60)) and len(seen) > 1
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_a_file_that_is_replaced_keeps_its_permissions(path):
    write_container(path, {}, {"a": 1})
    os.chmod(path, 0o600)
    write_container(path, {}, {"a": 2})
    assert os.stat(path).st_mode & 0o777 == 0o600

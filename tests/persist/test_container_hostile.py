"""Damaged, hostile and foreign files are refused with one kind of error."""

import hashlib
import io
import json
import os
import pickle
import socket
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from fastlstm.core.errors import ModelFormatError
from fastlstm.persist import container
from fastlstm.persist.container import MAX_HEADER_BYTES, read_container, write_container

from .conftest import ARRAYS, ZEROS, Stream, posix

# A later version needs other bytes than these, and the tests of this file a look.
VERSION = "10"


def seal(header, data=b""):
    """A file with the given header and data, and the checksum that belongs to them.

    Written from the description of the format, apart from the code under test. The
    checksum in the header must be 64 zeros.
    """
    if isinstance(header, dict):
        header = json.dumps(header, separators=(",", ":"))
    if isinstance(header, str):
        header = header.encode()
    blob = struct.pack("<Q", len(header)) + header + data
    digest = hashlib.sha256(blob).hexdigest()
    return blob.replace(ZEROS.encode(), digest.encode(), 1)


def fields(**changes):
    base = {"format": "fastlstm", "format_version": VERSION, "content": "{}", "checksum": ZEROS}
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def refuses(path, blob, match=None):
    path.write_bytes(blob)
    with pytest.raises(ModelFormatError, match=match) as caught:
        read_container(path)
    assert path.name in str(caught.value)
    for file in (io.BytesIO(blob), Stream(blob)):
        with pytest.raises(ModelFormatError, match=match):
            read_container(file)


# ------------------------------------------------------------------------------- damage


def test_every_flipped_byte_is_noticed(path, small_file):
    for position in range(len(small_file)):
        blob = bytearray(small_file)
        blob[position] ^= 0xFF
        refuses(path, blob)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_noticed(path, small_file, bit):
    for position in range(bit, len(small_file), 5):
        blob = bytearray(small_file)
        blob[position] ^= 1 << bit
        refuses(path, blob)


def test_every_truncation_is_noticed(path, small_file):
    for length in range(len(small_file)):
        refuses(path, small_file[:length])


def test_every_deletion_and_insertion_is_noticed(path, small_file):
    for position in range(len(small_file)):
        refuses(path, small_file[:position] + small_file[position + 1 :])
    for position in range(len(small_file) + 1):
        for added in (b"\0", b" ", b"0"):
            refuses(path, small_file[:position] + added + small_file[position:])


def test_damage_in_the_data_says_what_to_do(path, small_file):
    refuses(path, small_file[:-1] + bytes([small_file[-1] ^ 1]), "damaged.*copy it again")
    refuses(path, small_file + b"\0", "damaged.*copy it again")


def test_checksum_must_be_lower_case_and_literal(path):
    blob = seal({"__metadata__": fields()})
    path.write_bytes(blob)
    assert read_container(path) == ({}, {})
    digits = blob[blob.index(b'"checksum":"') + 12 :][:64]
    assert digits.upper() != digits
    refuses(path, blob.replace(digits, digits.upper()), "checksum")
    escaped = b"\\u%04x" % digits[0] + digits[1:]
    blob = blob.replace(digits, escaped)
    refuses(path, struct.pack("<Q", len(blob) - 8) + blob[8:], "checksum is not where")


# ---------------------------------------------------------------------- hostile headers


@pytest.mark.parametrize(
    "length", [1, 2**20, MAX_HEADER_BYTES, MAX_HEADER_BYTES + 1, 2**63, 2**64 - 1]
)
def test_header_length_is_compared_before_allocating(path, length):
    blob = struct.pack("<Q", length)
    tracemalloc.start()
    try:
        refuses(path, blob, "not a fastlstm model")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "entries",
    [
        {"w": entry(shape=[2**40], offsets=[0, 2**42])},
        {"w": entry(shape=[2**63], offsets=[0, 2**65])},
        {"w": entry(shape=[2**62, 4], offsets=[0, 0])},  # 2 ** 64 would wrap round to 0
        {"w": entry(shape=[2**32, 2**32, 2], offsets=[0, 8])},
        {"w": entry(shape=[0, 2**63], offsets=[0, 0])},
        {"w": entry(shape=[0, 2**62, 2**62], offsets=[0, 0])},
        {"w": entry(shape=[0, 2**64 - 1], offsets=[0, 0])},
        {"w": entry(shape=[0, 10**4000], offsets=[0, 0])},
    ],
)
def test_declared_shapes_are_compared_before_allocating(path, entries):
    blob = seal({"__metadata__": fields(), **entries})
    tracemalloc.start()
    try:
        refuses(path, blob)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("header_length", [None, 2**27])
def test_a_large_file_is_not_read_before_its_header_fits(path, header_length):
    blob = bytearray(seal({"__metadata__": fields(), "w": entry()}, b"\0" * 4))
    if header_length:
        blob[:8] = struct.pack("<Q", header_length)
    with open(path, "wb") as file:
        file.write(blob)
        file.truncate(2**28)  # sparse
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            read_container(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "entries, size",
    [
        ({"a": entry(), "b": entry()}, 4),  # the same range twice
        ({"a": entry(shape=[2], offsets=[0, 8]), "b": entry(offsets=[4, 8])}, 8),
        ({"a": entry(), "b": entry(offsets=[8, 12])}, 12),  # gap
        ({"a": entry(offsets=[4, 8])}, 8),  # gap at the start
        ({"a": entry()}, 8),  # rest at the end
        ({"a": entry()}, 3),
        ({}, 1),
        ({"a": entry(offsets=[4, 0])}, 4),
        ({"a": entry(offsets=[-4, 0])}, 4),
        ({"a": entry(shape=[-1], offsets=[0, -4])}, 4),
        ({"a": entry(shape=[-1, -1])}, 4),
        ({"a": entry(shape=[1] * 65)}, 4),
        ({"a": entry(shape=[True])}, 4),
        ({"a": entry(shape=[1.0])}, 4),
        ({"a": entry(shape=["1"])}, 4),
        ({"a": {**entry(), "shape": 1}}, 4),
        ({"a": {**entry(), "shape": {"0": 1}}}, 4),
        ({"a": {**entry(), "shape": None}}, 4),
        ({"a": {**entry(), "data_offsets": [0, 4, 4]}}, 4),
        ({"a": {**entry(), "data_offsets": [False, 4]}}, 4),
        ({"a": {**entry(), "data_offsets": "04"}}, 4),
        ({"a": {**entry(), "extra": 1}}, 4),
        ({"a": {"dtype": "F32", "shape": [1]}}, 4),
        ({"a": [entry()]}, 4),
        ({"a": None}, 4),
        ({"a": entry(dtype="F64")}, 4),
        ({"a": entry(dtype="BF16", shape=[2])}, 4),
        ({"a": entry(dtype="BOOL", shape=[4])}, 4),
        ({"a": entry(dtype="O")}, 4),
        ({"a": entry(dtype=["F32"])}, 4),
        ({"a": entry(dtype=None)}, 4),
    ],
)
def test_malformed_entries_with_a_right_checksum(path, monkeypatch, entries, size):
    # The library's own checks come later; ours must not lean on them.
    monkeypatch.setattr(container, "load", lambda data: pytest.fail("reached the library"))
    refuses(path, seal({"__metadata__": fields(), **entries}, b"\0" * size))


def test_what_the_library_refuses_is_refused(path):
    # A lone surrogate is valid in Python's JSON and not in the library's.
    refuses(path, seal({"__metadata__": fields(), "\ud800": entry()}, b"\0" * 4))


def test_a_file_changed_while_it_is_read(path, monkeypatch):
    write_container(path, {"w": np.zeros(2**18)}, {"text": "x" * 2**20})
    real = container._check_entries

    def check_and_change(entries):
        with open(path, "r+b") as file:
            file.truncate(2**20 + 2**19)
        return real(entries)

    monkeypatch.setattr(container, "_check_entries", check_and_change)
    with pytest.raises(ModelFormatError, match="changed while it was read"):
        read_container(path)


@pytest.mark.parametrize(
    "old, new",
    [
        ('"w":', '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":'),
        ('"dtype":"F32"', '"dtype":"F64","dtype":"F32"'),
        ('"format_version":"10"', '"format_version":"10","format_version":"10"'),
        ('"__metadata__":', '"__metadata__":{},"__metadata__":'),
        ('"content":"{}"', '"content":"{\\"a\\":1,\\"a\\":1}"'),
        ('"content":"{}"', '"content":"{\\"a\\":[{\\"b\\":1,\\"\\\\u0062\\":2}]}"'),
    ],
)
def test_duplicate_keys_at_every_level(path, old, new):
    header = json.dumps({"__metadata__": fields(), "w": entry()}, separators=(",", ":"))
    path.write_bytes(seal(header, b"\0" * 4))
    read_container(path)
    assert old in header
    refuses(path, seal(header.replace(old, new, 1), b"\0" * 4), "twice")


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "1", "null", '"text"', "{", "{}{}", "{'a':1}", '{"a":NaN}', '{"a":-Infinity}',
        '{"a":1e999}', '{"a":[-1e999]}', '{"a":' + "9" * 5000 + "}", "[" * 100_000,
        '{"a":' * 100_000, '{"a":"\x00"}', "\ufeff{}",
    ],
)  # fmt: skip
def test_malformed_content_with_a_right_checksum(path, content):
    refuses(path, seal({"__metadata__": fields(content=content)}), "content")


@pytest.mark.parametrize(
    "header",
    [
        b"", b"[]", b"null", b"7", b"{}", b"{", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"[" * 100_000,
        b'{"a":' * 100_000, b'{"__metadata__":[]}', b'{"__metadata__":null}',
        b'{"__metadata__":"fastlstm"}', '{"__metadata__":{}}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_malformed_headers(path, header):
    refuses(path, seal(header))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": None},
        {"format": "pt"},
        {"format": ["fastlstm"]},
        {"format_version": None},
        {"format_version": 1},
        {"format_version": ""},
        {"format_version": "0"},
        {"format_version": "-1"},
        {"format_version": "1.0"},
        {"format_version": " 1"},
        {"format_version": "1\n"},
        {"format_version": "١"},
        {"format_version": "9" * 5000},
        {"content": None},
        {"content": {}},
        {"content": '{"a":"\ud800"}'},
        {"checksum": None},
        {"checksum": 0},
        {"checksum": "0" * 63},
        {"checksum": ["0" * 64]},
        {"extra": 1},
    ],
)
def test_malformed_fields(path, changes):
    refuses(path, seal({"__metadata__": fields(**changes)}))


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
@given(
    dtype=st.sampled_from(["F32", "F64", "I8"]) | json_values,
    shape=st.lists(st.integers(0, 3), max_size=3) | json_values,
    offsets=st.sampled_from([[0, 4], [0, 8], [0, 0]]) | json_values,
    size=st.sampled_from([0, 4, 8]),
)
def test_any_entry_reads_or_is_refused(path, dtype, shape, offsets, size):
    made = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    path.write_bytes(seal({"__metadata__": fields(), "w": made}, b"\0" * size))
    try:
        arrays, _ = read_container(path)
    except ModelFormatError:
        return
    assert arrays["w"].nbytes == size == offsets[1]
    assert list(arrays["w"].shape) == shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("code, dtype", [("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")])
def test_non_finite_weights_with_a_right_checksum(path, value, code, dtype):
    data = np.array([1.0, value], dtype=dtype).tobytes()
    made = entry(dtype=code, shape=[2], offsets=[0, len(data)])
    refuses(path, seal({"__metadata__": fields(), "lstm.bias": made}, data), "lstm.bias")


# ----------------------------------------------------------------------------- versions


@pytest.mark.parametrize("version", ["11", "17"])
def test_unknown_version_says_which(path, version):
    # A later format may have another checksum, other dtypes, other everything.
    blob = seal({"__metadata__": fields(format_version=version, checksum=None), "w": "new"})
    match = f"format version {version},.* up to 10; upgrade fastlstm"
    refuses(path, blob, match)


def test_intact_file_of_an_unknown_version_is_not_called_damaged(path):
    path.write_bytes(seal({"__metadata__": fields(format_version="11")}))
    with pytest.raises(ModelFormatError, match="upgrade") as caught:
        read_container(path)
    assert "damaged" not in str(caught.value)


# ------------------------------------------------------------------------ foreign files


class Touch:
    """Unpickling an instance creates a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_executed(path, tmp_path, protocol):
    victim = tmp_path / "executed"
    blob = pickle.dumps(Touch(victim), protocol=protocol)
    refuses(path, blob, "a pickle" if protocol >= 2 else "not a fastlstm model")
    assert not victim.exists()


def test_other_files_are_refused_as_not_ours(path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", "x")
    refuses(path, archive.getvalue(), "is a zip archive, not a fastlstm model")
    for blob in (b"", b"x", b"text,label\ngood,1\n", b"\x93NUMPY\x01\x00v\x00{", b"\0" * 64):
        refuses(path, blob, "not a fastlstm model")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format_version": "1"}])
def test_another_safetensors_file_is_refused_as_not_ours(path, metadata):
    save_file(ARRAYS, path, metadata=metadata)
    refuses(path, path.read_bytes(), "not a fastlstm model")


def test_missing_file_and_folder(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=path.name):
        read_container(path)
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        read_container(tmp_path)


@posix
def test_a_socket_is_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # socket names are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(ModelFormatError, match="not a regular file"):
            read_container("s")
        with pytest.raises(OSError, match="not a regular file"):
            write_container("s", {}, {})
        assert stat.S_ISSOCK(os.stat("s").st_mode)


def test_path_must_be_a_path():
    for function in (read_container, lambda path: write_container(path, {}, {})):
        with pytest.raises(TypeError):
            function(3)

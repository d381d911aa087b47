"""Model files that are damaged, forged or half written, through every door."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMSentimentClassifier, Predictor
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist.model_file import read_model

TINY = {
    "embedding_dim": 1,
    "hidden_size": 1,
    "bidirectional": False,
    "max_epochs": 1,
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}
every_door = pytest.mark.parametrize("read", [read_model, fastlstm.load, Predictor])


@pytest.fixture(scope="module")
def model():
    return LSTMSentimentClassifier(**TINY).fit(["a", "b"], [0, 1])


@pytest.fixture(scope="module")
def tiny(model, tmp_path_factory):
    """The bytes of the smallest model of text."""
    path = tmp_path_factory.mktemp("tiny") / "model"
    model.save(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def refuses(read, path, content, message=None):
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=message) as caught:
        read(path)
    assert caught.type is ModelFormatError
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF], ids=hex)
def test_any_flipped_byte_is_noticed(path, tiny, mask, record_property):
    record_property("positions", len(tiny))
    for position in range(len(tiny)):
        damaged = bytearray(tiny)
        damaged[position] ^= mask
        refuses(read_model, path, damaged)


@every_door
def test_damage_is_noticed_through_every_door(path, tiny, read):
    for position in range(0, len(tiny), 11):
        damaged = bytearray(tiny)
        damaged[position] ^= 0x04
        refuses(read, path, damaged)
        refuses(read, path, tiny[:position])


def test_any_truncation_is_noticed(path, tiny):
    for length in range(len(tiny)):
        refuses(read_model, path, tiny[:length])
    refuses(read_model, path, tiny + b"\0", "damaged")


def forge(blob, header_edit=None, data_edit=None):
    """The file with another header or other data, under a checksum that is right."""
    start = 8 + int.from_bytes(blob[:8], "little")
    header, data = json.loads(blob[8:start]), bytearray(blob[start:])
    if data_edit:
        data_edit(header, data)
    if header_edit:
        header_edit(header)
    header["__metadata__"]["checksum"] = "0" * 64
    text = json.dumps(header, separators=(",", ":")).encode()
    whole = len(text).to_bytes(8, "little") + text + bytes(data)
    digest = hashlib.sha256(whole).hexdigest().encode()
    return whole.replace(b'"checksum":"' + b"0" * 64, b'"checksum":"' + digest, 1)


def test_forged_file_without_edits_is_good(path, tiny):
    path.write_bytes(forge(tiny))
    assert read_model(path).model.classes.tolist() == [0, 1]


TABLE = "network.0.embedding"


def set_shape(shape, dtype="F32"):
    return lambda header: header[TABLE].update(shape=shape, dtype=dtype)


def set_field(name, value):
    return lambda header: header["__metadata__"].update({name: value})


def set_weight(value):
    def edit(header, data):
        first, _ = header[TABLE]["data_offsets"]
        data[first : first + 4] = np.float32(value).tobytes()

    return edit


FORGED = [
    # id, edits of the header and of the data, message
    ("huge", set_shape([2**40, 2**20]), None, f"array '{TABLE}' does not fit its data"),
    ("overflowing", set_shape([2**32, 2**32]), None, f"'{TABLE}' does not fit its data"),
    ("zero_times_huge", set_shape([0, 2**62]), None, f"'{TABLE}' does not fit its data"),
    ("huge_dimension", set_shape([10**40]), None, f"'{TABLE}' does not fit its data"),
    ("negative", set_shape([-2, -2]), None, f"the shape of array '{TABLE}'"),
    ("many_dimensions", set_shape([1] * 1000), None, f"the shape of array '{TABLE}'"),
    ("other_dtype", set_shape([2, 2], "F64"), None, f"'{TABLE}' does not fit its data"),
    ("unknown_dtype", set_shape([4, 1], "F8_E4M3"), None, f"'{TABLE}' has the dtype"),
    ("transposed", set_shape([1, 4]), None, r"weights 'embedding' are float32 \(1, 4\), not"),
    ("offsets", lambda header: header[TABLE].update(data_offsets=[0, 2**60]), None,
     f"'{TABLE}' does not fit its data"),
    ("nan", None, set_weight(np.nan), f"array '{TABLE}' holds NaN or infinite values"),
    ("infinity", None, set_weight(-np.inf), f"array '{TABLE}' holds NaN or infinite values"),
    ("version_11", set_field("format_version", "11"), None, "format version 11.*upgrade fastlstm"),
    ("version_0", set_field("format_version", "0"), None, "its format version is '0'"),
    ("version_huge", set_field("format_version", "9" * 50), None, "its format version is"),
    ("version_text", set_field("format_version", "one"), None, "its format version is 'one'"),
    ("format", set_field("format", "other"), None, "not a fastlstm model file"),
    ("content", set_field("content", "{}"), None, "inconsistent: 'config'"),
    ("content_list", set_field("content", "[]"), None, "its content is not a JSON object"),
    ("content_json", set_field("content", "{"), None, "its content is not valid JSON"),
    ("content_twice", set_field("content", '{"config":1,"config":2}'), None, "occurs twice"),
    ("content_nan", set_field("content", '{"class_prior":NaN}'), None, "not a finite number"),
    ("content_deep", set_field("content", "[" * 10**5 + "]" * 10**5), None, "damaged"),
    ("content_digits", set_field("content", '{"config":' + "9" * 10**4 + "}"), None, "damaged"),
]  # fmt: skip


@every_door
@pytest.mark.parametrize(
    ("header", "data", "message"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED]
)
def test_forged_files(path, tiny, read, header, data, message):
    refuses(read, path, forge(tiny, header, data), message)


def test_disk_full_keeps_the_old_file(path, tiny, model, monkeypatch):
    path.write_bytes(tiny)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the model was not saved: No space left") as caught:
        model.save(path)
    assert caught.value.errno == errno.ENOSPC and str(path) in str(caught.value)
    assert path.read_bytes() == tiny
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits")
def test_file_size_limit_keeps_the_old_file(path, tiny, model):
    """A write that the system really refuses, half way."""
    import resource

    path.write_bytes(tiny)
    old_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old_limits[1]))
    try:
        with pytest.raises(OSError, match="the model was not saved"):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limits)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert path.read_bytes() == tiny
    assert list(path.parent.iterdir()) == [path]


def test_number_of_forged_files(record_property):
    record_property("forged_files", len(FORGED))
    print(f"{len(FORGED)} forged files")
    assert len({row[0] for row in FORGED}) == len(FORGED) >= 24

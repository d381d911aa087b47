"""Models in file objects: in memory, through pipes, compressed, and where something fails."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
import tempfile
import threading
import tracemalloc
import zipfile
from functools import partial

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist.container import read_container, write_container
from tests.helpers import NETWORK_ALONE

from .conftest import ARRAYS, METADATA, Stream, posix

TEXTS = ["a good film", "a bad film", "fine 好看", "dull 难看"] * 5
LABELS = ["good", "bad"] * 10


@pytest.fixture(scope="module")
def model():
    settings = {"embedding_dim": 3, "hidden_size": 4, "max_epochs": 1, "random_state": 0}
    return LSTMSentimentClassifier(**{**NETWORK_ALONE, **settings}).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def content(model):
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


def check(read, expected):
    np.testing.assert_array_equal(read.predict_proba(TEXTS), expected.predict_proba(TEXTS))


def test_the_bytes_are_those_of_a_file(model, content, path):
    model.save(path)
    assert path.read_bytes() == content


def test_in_memory(model, content):
    file = io.BytesIO(content)
    check(fastlstm.load(file), model)
    assert not file.closed
    check(Predictor(io.BytesIO(content)), model)


def test_token_ids():
    X = np.array([[1, 2], [2, 2], [3, 1], [3, 3]])
    model = LSTMClassifier(max_epochs=1, hidden_size=2).fit(X, [5, 5, 7, 7])
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    np.testing.assert_array_equal(fastlstm.load(file).predict_proba(X), model.predict_proba(X))
    file.seek(0)
    with pytest.raises(ValueError, match="the file object BytesIO holds an LSTMClassifier"):
        Predictor(file)


@pytest.mark.parametrize(
    "opened",
    [open, partial(open, buffering=0), gzip.open, bz2.open],
    ids=["buffered", "raw", "gzip", "bz2"],
)
def test_open_files(model, path, opened):
    with opened(path, "wb") as file:
        model.save(file)
    with opened(path, "rb") as file:
        check(fastlstm.load(file), model)


def test_temporary_files(model):
    with tempfile.NamedTemporaryFile() as file:
        model.save(file)
        file.seek(0)
        check(Predictor(file), model)
    with tempfile.SpooledTemporaryFile(max_size=100) as file:
        model.save(file)
        file.seek(0)
        check(Predictor(file), model)


def test_members_of_archives(model, content, tmp_path):
    name = tmp_path / "a.zip"
    with zipfile.ZipFile(name, "w") as archive, archive.open("model", "w") as member:
        model.save(member)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("model") as member:
        check(fastlstm.load(member), model)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("model")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        archive.addfile(info, io.BytesIO(content))  # something behind it
    with tarfile.open(tmp_path / "a.tar", "r|") as archive:  # a stream, without seek
        check(fastlstm.load(archive.extractfile(next(iter(archive)))), model)


@posix
def test_through_a_pipe(model):
    reading, writing = os.pipe()

    def send():
        with open(writing, "wb", buffering=0) as file:
            model.save(file)

    sender = threading.Thread(target=send)
    sender.start()
    with open(reading, "rb", buffering=0) as file:
        check(fastlstm.load(file), model)
    sender.join()


@posix
def test_a_pipe_by_name_says_what_to_do(path):
    os.mkfifo(path)
    with pytest.raises(ModelFormatError, match="to read a pipe, open it and pass the file object"):
        fastlstm.load(path)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_parts_of_any_size(model, content, most):
    check(fastlstm.load(Stream(content, most)), model)


def test_from_the_position_on(model, content):
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    check(fastlstm.load(file), model)
    file = io.BytesIO(b"before")
    file.seek(6)
    model.save(file)
    assert file.getvalue() == b"before" + content


class Partial(io.RawIOBase):
    """A raw file that takes ten bytes at a time, and fails after some."""

    def __init__(self, space=10**9):
        self.content, self.space = b"", space

    def writable(self):
        return True

    def write(self, data):
        if len(self.content) >= self.space:
            raise OSError(28, "No space left on device")
        part = bytes(data[:10])
        self.content += part
        return len(part)


def test_files_that_take_a_part(model, content):
    file = Partial()
    model.save(file)
    assert file.content == content


def test_objects_that_return_nothing(content, model):
    class Sink:
        content = b""

        def write(self, data):
            self.content += data

    sink = Sink()
    model.save(sink)
    assert sink.content == content


def test_an_error_on_the_way_leaves_what_no_reader_takes(model, content):
    file = Partial(space=len(content) // 2)
    with pytest.raises(OSError, match="No space left"):
        model.save(file)
    assert content.startswith(file.content)
    with pytest.raises(ModelFormatError, match="cut short|is damaged"):
        fastlstm.load(io.BytesIO(file.content))
    check(model, model)


def test_no_byte_is_written_of_a_model_that_cannot_be_saved():
    file = io.BytesIO(b"old")
    with pytest.raises(ValueError, match="holds NaN"):
        write_container(file, {"w": np.array([np.nan])}, {})
    with pytest.raises(ValueError, match="cannot be stored as JSON"):
        write_container(file, {}, {"x": object()})
    assert file.getvalue() == b"old"


def test_an_error_at_the_flush_is_the_caller_s(model):
    class Full(io.BytesIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        model.save(Full())


def test_a_file_that_takes_nothing(model):
    class Stuck(io.RawIOBase):
        def write(self, data):
            return 0

    with pytest.raises(OSError, match="the file object Stuck takes no bytes"):
        model.save(Stuck())


def test_a_file_that_has_nothing_yet():
    class Waiting(io.RawIOBase):
        def read(self, size=-1, /):
            return None

    with pytest.raises(BlockingIOError, match="the file object Waiting has no bytes yet"):
        fastlstm.load(Waiting())


def test_a_file_at_its_end(content):
    file = io.BytesIO(content)
    file.read()
    with pytest.raises(ModelFormatError, match="is empty.*if it was just written, call its seek"):
        fastlstm.load(file)


def test_bytes_behind_the_model_are_refused(content):
    with pytest.raises(ModelFormatError, match="the file object BytesIO is damaged.*belong"):
        fastlstm.load(io.BytesIO(content + b"\0"))


def test_other_objects(path, model, content):
    for wrong in (3, None, object(), [path]):
        with pytest.raises(TypeError, match="neither a path nor a file object with a method 'rea"):
            fastlstm.load(wrong)
        with pytest.raises(TypeError, match="neither a path nor a file object with a method 'wri"):
            model.save(wrong)
    with pytest.raises(TypeError, match="open for text; open it with mode 'rb'"):
        fastlstm.load(io.StringIO("model"))
    message = f"{path}.*open for text; open it with mode 'wb'"
    with open(path, "w", encoding="utf-8") as file, pytest.raises(TypeError, match=message):
        model.save(file)

    class Words:
        def read(self, size):
            return "words"

    with pytest.raises(TypeError, match="the file object Words gives str; open it with mode 'rb'"):
        fastlstm.load(Words())


def test_a_path_that_can_also_read_is_a_path(model, content, path):
    class Both(type(path)):
        def read(self, mode="r"):
            raise AssertionError("a path is opened")

    path.write_bytes(content)
    check(fastlstm.load(Both(path)), model)


def test_a_claim_takes_no_memory():
    """Of a header that announces gigabytes of data, only those are kept that come."""
    import json

    from tests.persist.test_container_hostile import entry, fields, seal

    size = 2**40
    blob = seal({"__metadata__": fields(), "w": entry(shape=(size // 4,), offsets=(0, size))})
    assert json.loads(blob[8:])
    for file in (io.BytesIO(blob), Stream(blob)):
        tracemalloc.start()
        try:
            with pytest.raises(ModelFormatError, match=f"0 bytes of data where {size} belong"):
                read_container(file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2**20


def test_containers_come_back(small_file):
    arrays, metadata = read_container(io.BytesIO(small_file))
    assert metadata == METADATA
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)

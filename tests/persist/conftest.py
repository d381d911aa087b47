"""A small container, and its bytes, for the tests of the file format."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

from fastlstm.persist.container import write_container

ZEROS = "0" * 64
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file semantics")

ARRAYS = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5,
    "bias": np.array([1e-300, -0.0, 1.5]),
    "ids": np.array([-1, 2**31 - 1], dtype=np.int32),
}
METADATA = {"classes": ["neg", "pos"], "vocabulary": ["好", "naïve", "🙂"], "dropout": 0.1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.fastlstm"


@pytest.fixture
def small_file(path):
    """The bytes of a small valid file."""
    write_container(path, ARRAYS, METADATA)
    return path.read_bytes()


class Stream:
    """Bytes that come once and in small parts, as through a pipe: nothing but ``read``."""

    def __init__(self, content, most=7):
        self._file, self._most = io.BytesIO(content), most

    def read(self, size, /):
        return self._file.read(min(size, self._most))

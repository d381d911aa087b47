"""Files that a command is about to read or write."""

from __future__ import annotations

import os

from fastlstm.cli.output import quoted
from fastlstm.core.tables import FORMATS, SPREADSHEETS, suffix_of


def check_input(path) -> None:
    """Refuse a file of documents that is not there, or of no known format, before others are read.

    Raises
    ------
    ValueError, OSError, ImportError
        What reading it would raise.
    """
    from fastlstm.data.files import check_file
    from fastlstm.data.parquet import need_pyarrow
    from fastlstm.data.tables import format_of

    check_file(path)
    if format_of(path) == "parquet":
        need_pyarrow(path)


def check_target(path, sources=(), *, option="--out", suffix=None) -> None:
    """Refuse a file that could not or should not be written, before anything is read.

    ``check_free`` says later whether it may be replaced.

    Parameters
    ----------
    path : str
    sources : sequence of (str or None)
        Files that the command reads or writes as well, which it must not replace.
    option : str
        Name of the option that gave the path, for messages.
    suffix : str or None
        That of a better name where the file is no table, so that the suffixes of tables are
        refused.

    Raises
    ------
    ValueError
        Names what is wrong and the mend.
    """
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; pass the name of a file with {option}")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: there is no such folder; make it, or pass another {option}")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{folder}: no permission to write there; pass another {option}")
    for source in sources:
        if source is not None and _is_same(path, source):
            raise ValueError(
                f"{path} is a file that this command reads or writes; pass another {option}"
            )
    if suffix == ".fastlstm" and os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file, to which no model is written")
    found = suffix_of(path)
    if suffix is not None and (found in FORMATS or found in SPREADSHEETS):
        what = {".fastlstm": "a model", ".html": "a page", ".onnx": "a graph"}[suffix]
        better = quoted(os.path.splitext(os.fspath(path))[0] + suffix)
        raise ValueError(
            f"{path}: {found} is a suffix of tables, and {what} is written; pass another name, "
            f"such as {option} {better}"
        )


def check_free(path, force, option="--out") -> None:
    """Refuse to replace a file without ``force``, once the input is known to be usable.

    A pipe, or a device such as /dev/null, holds nothing that could be lost.
    """
    if os.path.isfile(path) and not force:
        raise ValueError(f"{path} exists; pass --force to replace it, or another {option}")


def _is_same(path, other) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.abspath(path) == os.path.abspath(other)


def is_model(path) -> bool:
    """Whether a file begins as the model files of this package do."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return b'"format":"fastlstm"' in file.read(200)

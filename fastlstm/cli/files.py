"""Files that a command is about to write."""

from __future__ import annotations

import os


def check_target(path, sources=(), *, force=False, models=False, option="--out") -> None:
    """Refuse a file that could not or should not be written, before time is spent.

    Parameters
    ----------
    path : str
    sources : sequence of (str or None)
        Files that the command reads or writes as well, which it must not replace.
    force : bool
        An existing file may be replaced.
    models : bool
        An existing model file may be replaced even without ``force``.
    option : str
        Name of the option that gave the path, for messages.

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
    if os.path.exists(path) and not force and not (models and is_model(path)):
        raise ValueError(f"{path} exists; pass --force to replace it, or another {option}")


def _is_same(path, other) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.abspath(path) == os.path.abspath(other)


def is_model(path) -> bool:
    """Whether a file begins as the model files of this package do."""
    if not os.path.isfile(path):
        return True  # /dev/null and the like hold nothing that could be lost
    with open(path, "rb") as file:
        return b'"format":"fastlstm"' in file.read(200)

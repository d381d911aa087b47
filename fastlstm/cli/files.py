"""Files that a command is about to write."""

from __future__ import annotations

import os


def check_target(path, sources=(), *, force=False, models=False) -> None:
    """Refuse a file that could not or should not be written, before time is spent.

    Parameters
    ----------
    path : str
    sources : sequence of (str or None)
        Files that the command reads, which it must not replace.
    force : bool
        An existing file may be replaced.
    models : bool
        An existing model file may be replaced even without ``force``.

    Raises
    ------
    ValueError
        Names what is wrong and the mend.
    """
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; pass the name of a file with --out")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: there is no such folder; make it, or pass another --out")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{folder}: no permission to write there; pass another --out")
    for source in sources:
        both = source is not None and os.path.exists(path) and os.path.exists(source)
        if both and os.path.samefile(path, source):
            raise ValueError(f"{path} is a file that this command reads; pass another --out")
    if os.path.exists(path) and not force and not (models and _is_model(path)):
        raise ValueError(f"{path} exists; pass --force to replace it, or another --out")


def _is_model(path) -> bool:
    """Whether a file begins as the model files of this package do."""
    if not os.path.isfile(path):
        return True  # /dev/null and the like hold nothing that could be lost
    with open(path, "rb") as file:
        return b'"format":"fastlstm"' in file.read(200)

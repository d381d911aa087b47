"""Files that a command is about to write."""

from __future__ import annotations

import os


def check_target(path, sources=()) -> None:
    """Refuse a file that could not be written, before time is spent on its content.

    Parameters
    ----------
    path : str
    sources : sequence of (str or None)
        Files that the command reads, which it must not replace.

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

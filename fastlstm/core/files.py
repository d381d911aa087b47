"""Files that take the place of others."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable


def opener_like(target: str | os.PathLike[str]) -> Callable[[str, int], int] | None:
    """An opener, as ``open`` takes it, for a file that is to take the place of another.

    It gets the permissions of the other; None, the system's own, where there is none yet.
    """
    try:
        mode = stat.S_IMODE(os.stat(target).st_mode)
    except OSError:
        return None

    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags, 0o600)  # nobody else reads it meanwhile
        os.chmod(path, mode)
        return descriptor

    return opener

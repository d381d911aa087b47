"""Where the package keeps what it can make or fetch again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache_dir() -> Path:
    """Per-user cache folder of the package, not created here.

    ``$FASTLSTM_CACHE`` if set, otherwise the system's own place for caches.
    """
    override = os.environ.get("FASTLSTM_CACHE")
    if override:
        return Path(override)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fastlstm"

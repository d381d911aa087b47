"""Numbers and e-mail addresses, which tell of single persons, made alike."""

from __future__ import annotations

import re
from functools import cache

from fastlstm.text.rewriting import Rewriting

E_MAIL = "email"

# RFC 5321, 4.5.3.1: 64 characters before the sign and 255 behind it, at most.
_LOCAL, _DOMAIN = 64, 255


@cache
def redacted() -> tuple[Rewriting, ...]:
    """A word for e-mail addresses, and 0 for every digit."""
    address = rf"(?<![\w.+-])[\w.+-]{{1,{_LOCAL}}}@[\w-][\w.-]{{0,{_DOMAIN - 1}}}"
    return (
        Rewriting("@", re.compile(address), f" {E_MAIL} "),
        Rewriting("", re.compile(r"\d"), "0"),
    )

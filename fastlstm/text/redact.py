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
    # ASCII alone: Chinese text may stand around it without a space.
    word = "A-Za-z0-9_"
    local, domain = rf"[{word}.%+-]{{1,{_LOCAL}}}", rf"[{word}-][{word}.-]{{0,{_DOMAIN - 1}}}"
    address = rf"(?<![{word}.%+-]){local}@{domain}"
    return (
        Rewriting("@", re.compile(address), f" {E_MAIL} "),
        Rewriting("", re.compile(r"\d"), "0"),
    )

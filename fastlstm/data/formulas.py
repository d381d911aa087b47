"""Cells that a spreadsheet would take for formulas.

Programs guard them with an apostrophe in csv and tsv files. It is no part of the text, so
whoever reads such a file takes it off.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_GUARD = "'"


def guarded(cell: str) -> str:
    """A cell as it is written."""
    return _GUARD + cell if _needs_guard(cell) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before ``guarded``."""
    rest = cell.removeprefix(_GUARD)
    return rest if rest is not cell and _needs_guard(rest) else cell


def _needs_guard(cell: str) -> bool:
    # A text that begins with apostrophes before a formula must not lose one when it is read.
    bare = cell.lstrip(_GUARD)
    return bool(_FORMULA.match(bare)) and not _NUMBER.fullmatch(bare)

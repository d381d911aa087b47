"""Characters that look or mean alike become one.

`FOLDED_BLOCKS`, `FOLDED`, `DROPPED`, `APOSTROPHES`, `SEXES` and `DOTTED` are the whole table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from fastlstm.text.rewriting import Rewriting

# First and last character of blocks in which each is written as its form NFKC has it.
FOLDED_BLOCKS = {
    "full-width and half-width forms": ("\uff01", "\uffdc"),
    "small forms": ("\ufe50", "\ufe6b"),
    "Latin and Armenian ligatures": ("\ufb00", "\ufb17"),
    "Hebrew presentation forms": ("\ufb1d", "\ufb4f"),
    "Arabic presentation forms A": ("\ufb50", "\ufdf2"),
    "Arabic presentation forms B": ("\ufe70", "\ufefc"),
    "letters and digits of mathematics": ("\U0001d400", "\U0001d7ff"),
    "circled letters": ("\u24b6", "\u24e9"),
    "Kangxi radicals": ("\u2f00", "\u2fd5"),
}
FOLDED = {
    "'": "\u2018\u2019\u201b",
    '"': "\u201c\u201d\u201e\u201f",
    "-": "\u2010\u2011\u2212",
    "...": "\u2026",
    "\u00a3": "\uffe1",
    "\u00a5": "\uffe5",
}
# First and last character of what is dropped.
DROPPED = {
    "emoji presentation": ("\ufe0f", "\ufe0f"),
    "skin tones": ("\U0001f3fb", "\U0001f3ff"),
    "Arabic tatweel": ("\u0640", "\u0640"),
    "Arabic short vowels": ("\u064b", "\u0652"),
    "Arabic superscript alef": ("\u0670", "\u0670"),
    "Hebrew accents and points": ("\u0591", "\u05bd"),
    "Hebrew rafe": ("\u05bf", "\u05bf"),
    "Hebrew shin and sin dots": ("\u05c1", "\u05c2"),
    "Hebrew upper and lower dots": ("\u05c4", "\u05c5"),
    "Hebrew qamats qatan": ("\u05c7", "\u05c7"),
}
# Apostrophes between letters; elsewhere accents, primes and letters of their own.
APOSTROPHES = "`\u00b4\u02b9\u02bb\u02bc\u02c8\u2032\ua78c"

# Dropped where an emoji of a person is joined to them.
SEXES = "\u2640\u2642"

# What str.lower makes of the Turkish dotted capital; also in texts lower-cased elsewhere.
DOTTED = "i\u0307"


# Different characters up to which one search for each is faster than a function of each match.
_FEW = 16


def _range(first: str, last: str) -> map[str]:
    return map(chr, range(ord(first), ord(last) + 1))


@cache
def folding_table() -> dict[str, str]:
    """What each folded character becomes, but for those that depend on others beside them."""
    dropped = {char for ends in DROPPED.values() for char in _range(*ends)}
    table = dict.fromkeys(dropped, "")
    for ends in FOLDED_BLOCKS.values():
        for char in _range(*ends):
            plain = unicodedata.normalize("NFKC", char)
            # Vowels alone are written over a space or a tatweel.
            plain = "".join(part for part in plain if part != " " and part not in dropped)
            if plain != char:
                table[char] = plain
    for plain, chars in FOLDED.items():
        table.update(dict.fromkeys(chars, plain))
    return table


def _apostrophe(mark: re.Match[str]) -> str:
    text, at = mark.string, mark.start()
    between = 0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha()
    return "'" if between else mark[0]


def _folded(char: re.Match[str]) -> str:
    plain = folding_table().get(char[0])
    return _apostrophe(char) if plain is None else plain


class _Table:
    """The pattern of what `_folded` tells; it replaces few characters each at once."""

    def __init__(self) -> None:
        # As ranges: Python looks through single characters beyond U+FFFF one by one.
        ranges = [*FOLDED_BLOCKS.values(), *DROPPED.values()]
        ends = "".join(f"{first}-{last}" for first, last in ranges)
        pattern = re.compile(f"[{ends}{''.join(FOLDED.values())}{APOSTROPHES[1:]}]")
        self._find, self._sub, self.finditer = pattern.findall, pattern.sub, pattern.finditer

    def sub(self, by: str | Callable[[re.Match[str]], str], text: str) -> str:
        found = set(self._find(text))
        table = folding_table()
        if len(found) > _FEW or not found <= table.keys():
            return self._sub(by, text)
        for char in found:
            text = text.replace(char, table[char])
        return text


@cache
def grave_accents() -> tuple[Rewriting, ...]:
    """The one rule for texts in ASCII."""
    return (Rewriting("`", re.compile("`"), _apostrophe),)


@cache
def foldings() -> tuple[Rewriting, ...]:
    """The rules for other texts. The result may have to be composed (NFC)."""
    return (
        Rewriting("", _Table(), _folded),
        Rewriting("\u200d", re.compile(f"\u200d[{SEXES}]"), ""),
    )


@cache
def dotted() -> tuple[Rewriting, ...]:
    """The rule for what is lower-cased."""
    return (Rewriting(DOTTED, re.compile(DOTTED), "i"),)

"""Rules that rewrite parts of a text.

Cleaning applies them to a text; `fastlstm.text.offsets` applies the same ones with a note
of where each character came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol


class Finder(Protocol):
    """What a rule needs of a pattern; those of ``re`` and ``regex`` have it."""

    def sub(self, by: str | Callable[[re.Match[str]], str], text: str, /) -> str:
        """The text with something else in the place of each match."""

    def finditer(self, text: str, /) -> Iterator[re.Match[str]]:
        """The matches, from left to right."""


class Rewriting(NamedTuple):
    """One rule.

    Attributes
    ----------
    sign : str
        A text that does not hold it has nothing to rewrite. Looking for it is much faster
        than looking for the pattern.
    pattern : Finder
        Takes time linear in the length of the text, whatever it holds.
    by : str or callable
        What takes the place of a match, or a function of the match that tells it.
    """

    sign: str
    pattern: Finder
    by: str | Callable[[re.Match[str]], str]


def rewrite(text: str, rules: Iterable[Rewriting]) -> str:
    """A text after all rules, one after the other."""
    for sign, pattern, by in rules:
        if sign in text:
            text = pattern.sub(by, text)
    return text

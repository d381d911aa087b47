"""Rules that rewrite parts of a text.

Cleaning applies them to a text; `fastlstm.text.offsets` applies the same ones with a note
of where each character came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
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
        A character; a text that does not hold it has nothing to rewrite. Looking for it is
        much faster than looking for the pattern. "" is in every text.
    pattern : Finder
        Takes time linear in the length of the text, whatever it holds.
    by : str or callable
        What takes the place of a match, or a function of the match that tells it.
    further : str
        As ``sign``, but of any length, which takes longer to look for.
    """

    sign: str
    pattern: Finder
    by: str | Callable[[re.Match[str]], str]
    further: str = ""


# Rules that follow each other and have the same sign, which is looked for once.
Grouped = tuple[tuple[str, tuple[Rewriting, ...]], ...]


def grouped(rules: Iterable[Rewriting]) -> Grouped:
    """Rules in their order, by their signs."""
    return tuple((sign, tuple(group)) for sign, group in groupby(rules, lambda rule: rule.sign))


def rewrite(text: str, rules: Grouped) -> str:
    """A text after all rules, one after the other."""
    for sign, group in rules:
        if sign in text:
            for _, pattern, by, further in group:
                if further in text:
                    text = pattern.sub(by, text)
    return text

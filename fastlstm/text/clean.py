"""Cleaning of documents: markup and what is invisible goes.

Every step takes time linear in the length of the document, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

# A name must end in a space, "/" or ">": <br/> is a tag, <me@home.org> is not.
TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?::[A-Za-z0-9-]+)?(?:[\s/][^<>]*)?>")
# html.unescape fails on decimal references longer than Python's limit for integers.
LONG_REFERENCE = re.compile(r"&#[0-9]{9,};?")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# What str.isprintable takes for visible, although it is not: fillers, variation selectors.
FILLER = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


@cache
def compile_invisible() -> Any:
    """Pattern of characters without width that are no part of an emoji."""
    import regex

    # Keeps a joiner between pictographs, the emoji presentation after one or in a
    # keycap, and the tags of a flag; drops whatever else is invisible.
    return regex.compile(
        r"(?V1)[\p{DI}--[\u200d\ufe0f\U000e0020-\U000e007f]]+"
        r"|(?<![\p{ExtPict}\p{EMod}\ufe0f])\u200d|\u200d(?!\p{ExtPict})"
        r"|(?<!\p{ExtPict})\ufe0f(?!\u20e3)"
        r"|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
    )


@cache
def compile_long_marks() -> Any:
    """Pattern of marks behind thirty others in a row."""
    import regex

    # UAX #15, section 13: text in Stream-Safe Format has at most 30 marks in a row.
    return regex.compile(r"(\p{M}{30})\p{M}+")


def find_comments(text: str) -> Iterator[tuple[int, int]]:
    """Where each HTML comment begins and ends."""
    # Two searches that only move forward; a lazy pattern would be quadratic where
    # many comments open and none closes.
    start = 0
    while (opened := text.find("<!--", start)) >= 0:
        closed = text.find("-->", opened + 4)
        if closed < 0:
            return
        start = closed + 3
        yield opened, start


def _drop_comments(text: str) -> str:
    pieces, start = [], 0
    for opened, closed in find_comments(text):
        pieces.append(text[start:opened])
        start = closed
    pieces.append(text[start:])
    return " ".join(pieces)


def clean(text: str) -> str:
    """Remove from a document what is markup or invisible.

    HTML comments and tags become a space and entities are decoded; ``a < b`` and
    ``<3`` stay. Control characters and lone surrogates become a space.
    Characters without width (soft hyphens, direction marks, joiners) are dropped,
    except inside an emoji. The result is in Unicode's form NFC and can be encoded
    as UTF-8.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    if "<" in text:
        if "<!--" in text:
            text = _drop_comments(text)
        text = TAG.sub(" ", text)
    if "&" in text:
        import html  # its table of names takes a millisecond to load

        text = html.unescape(LONG_REFERENCE.sub(" ", text))
    printable = text.isprintable()
    if not printable:
        text = CONTROL.sub(" ", text)
    if text.isascii():
        return text
    if not printable or FILLER.search(text):
        text = compile_invisible().sub("", text)
    if not unicodedata.is_normalized("NFC", text):
        # Ordering an endless row of marks takes quadratic time.
        text = unicodedata.normalize("NFC", compile_long_marks().sub(r"\1", text))
    return text

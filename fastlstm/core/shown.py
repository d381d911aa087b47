"""Texts from outside, shown without harm."""

from __future__ import annotations

import html
import re
from collections.abc import Sized

# Escape sequences and direction overrides in a document would act on the terminal.
# Lone surrogates cannot be encoded.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# The same for a page, where line breaks are harmless and lone surrogates cannot be encoded.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: object) -> str:
    """``str(text)`` with spaces for what a terminal would act on or cannot be shown."""
    return _ACTIVE.sub(" ", str(text))


def brief(value: object) -> str:
    """``repr(value)``, of a long one its beginning and how many items it has."""
    text = repr(value)
    if len(text) <= 200 or not isinstance(value, Sized):
        return text
    return f"{text[:160]} ... ({len(value):,} items)"


def as_html(text: object) -> str:
    """``str(text)`` as HTML that shows it and does nothing.

    Control characters and direction marks appear as their numbers.
    """
    escaped = html.escape(str(text))
    return _UNSHOWN.sub(lambda found: f'<span class="unseen">U+{ord(found[0]):04X}</span>', escaped)


def isolated(text: object) -> str:
    """The same, in a direction of its own that ends with it."""
    return f'<bdi dir="auto">{as_html(text)}</bdi>'

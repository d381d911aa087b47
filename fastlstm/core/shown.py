"""Texts from outside, shown without harm."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence, Sized
from typing import Any, TypeVar

T = TypeVar("T")

# Escape sequences and direction overrides in a document would act on the terminal.
# Lone surrogates cannot be encoded.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# The same for a page, where line breaks are harmless and lone surrogates cannot be encoded.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DIGITS = re.compile(r"([0-9]+(?:\.[0-9]+)?)")


def display_order(labels: Sequence[object]) -> list[int]:
    """Positions of labels in the order in which tables show them: numbers by their size.

    "2 stars" comes before "10 stars" and "-2" before "-1". The order of a model's
    ``classes_`` is another one, that of Python's ``sorted``.
    """
    texts = [str(label) for label in labels]
    if all(map(_NUMBER.fullmatch, texts)):
        return sorted(range(len(texts)), key=lambda i: (float(texts[i]), texts[i]))

    def parts(i: int) -> tuple[list[tuple[float, str]], str]:
        found = _DIGITS.split(texts[i])  # digits at every second place
        return [(float(p), "") if n % 2 else (0.0, p) for n, p in enumerate(found)], texts[i]

    return sorted(range(len(texts)), key=parts)


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


# Characters of a text of which only the beginning is shown.
_EXCERPT = 60


def excerpt(text: object) -> str:
    """The beginning of a text on one line."""
    line = " ".join(plain(text)[: 4 * _EXCERPT].split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 3]}..."


class ShownList(list[T]):
    """A list of records that shows the first few of them and counts the others.

    Slices are of the same kind; copies and pickles too.
    """

    _N_SHOWN = 10

    def __repr__(self) -> str:
        shown = [repr(each) for each in self[: self._N_SHOWN]]
        others = len(self) - len(shown)
        return "[" + ",\n ".join([*shown, *([f"... {others:,} more"] if others else [])]) + "]"

    def _repr_html_(self) -> str:
        others = len(self) - self._N_SHOWN
        more = f"<p>... and {others:,} more</p>" if others > 0 else ""
        return self._html_of(list(self[: self._N_SHOWN])) + more

    def _html_of(self, first: list[T]) -> str:
        """HTML of some records."""
        raise NotImplementedError

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return type(self)(found) if isinstance(place, slice) else found

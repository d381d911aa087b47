"""Where each token stands in the text that a user wrote.

Cleaning removes markup, decodes entities and normalises letters. Here the same steps
are taken with a note of where each character came from.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from fastlstm.text.tokenize import (
    CONTROL,
    FILLER,
    LONG_REFERENCE,
    MAX_MARK_RUN,
    MAX_TOKEN_LENGTH,
    TAG,
    compile_invisible,
    compile_long_marks,
    find_comments,
)

# What html.unescape takes for a reference.
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")

# A callable's tokens need not stand in the text; each is looked for this far ahead.
_LOOK_AHEAD = 1000


class TracedText(NamedTuple):
    """A text whose characters know where they came from.

    Attributes
    ----------
    text : str
    start, end : int64 arrays, shape (len(text),)
        Character ``i`` stands for the original characters ``start[i]`` to ``end[i]``.
    """

    text: str
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, text: str) -> TracedText:
        """The original itself."""
        places = np.arange(len(text))
        return cls(text, places, places + 1)

    def replaced(self, spans: Iterable[tuple[int, int]], by: Callable[[str], str]) -> TracedText:
        """With ``by(text of the span)`` in the place of each span; spans rise, none is empty."""
        pieces, starts, ends, done = [], [], [], 0
        for first, last in spans:
            new = by(self.text[first:last])
            pieces += [self.text[done:first], new]
            starts += [self.start[done:first], np.full(len(new), self.start[first])]
            ends += [self.end[done:first], np.full(len(new), self.end[last - 1])]
            done = last
        if not done:
            return self
        pieces.append(self.text[done:])
        return TracedText(
            "".join(pieces),
            np.concatenate([*starts, self.start[done:]]),
            np.concatenate([*ends, self.end[done:]]),
        )

    def rewritten(self, pattern, by: Callable[[str], str]) -> TracedText:
        """With ``by(match)`` in the place of each match of a compiled pattern."""
        return self.replaced((match.span() for match in pattern.finditer(self.text)), by)


def clean_traced(text: str, lowercase: bool) -> TracedText:
    """What ``tokenize.clean`` and then, if asked for, ``str.lower`` make of a text."""
    traced = TracedText.of(text)
    if "<" in text:
        traced = traced.replaced(find_comments(text), _space).rewritten(TAG, _space)
    if "&" in traced.text:
        traced = traced.rewritten(LONG_REFERENCE, _space).rewritten(_REFERENCE, html.unescape)
    printable = traced.text.isprintable()
    if not printable:
        traced = traced.rewritten(CONTROL, _space)
    if not traced.text.isascii():
        if not printable or FILLER.search(traced.text):
            traced = traced.rewritten(compile_invisible(), lambda _: "")
        if not unicodedata.is_normalized("NFC", traced.text):
            traced = _normalised(traced)
    return _lowered(traced) if lowercase else traced


def _space(_: str) -> str:
    return " "


def _normalised(traced: TracedText) -> TracedText:
    import regex

    traced = traced.rewritten(compile_long_marks(), lambda marks: marks[:30])
    whole = unicodedata.normalize("NFC", traced.text)
    # Character by character as a reader sees them; word by word where that is too fine.
    for unit in (r"\X", r"\S+"):
        found = traced.rewritten(regex.compile(unit), lambda t: unicodedata.normalize("NFC", t))
        if found.text == whole:
            return found
    raise AssertionError("the normal form of a text is that of its words")


def _lowered(traced: TracedText) -> TracedText:
    whole = traced.text.lower()
    if len(whole) == len(traced.text):
        return traced._replace(text=whole)
    letters = [letter.lower() for letter in traced.text]
    counts = [len(letter) for letter in letters]
    # The whole has final sigmas, which the letters alone have not.
    return TracedText(whole, np.repeat(traced.start, counts), np.repeat(traced.end, counts))


def token_offsets(text: str, tokens: list[str], lowercase: bool, named: bool = True) -> np.ndarray:
    """Where the tokens of a document stand in it.

    Parameters
    ----------
    text : str
        As the user wrote it.
    tokens : list of str
    lowercase : bool
    named : bool
        Whether a named tokenizer made the tokens; those of a callable may be missing.

    Returns
    -------
    offsets : int64 array, shape (n_tokens, 2)
        Token ``i`` is ``text[offsets[i, 0]:offsets[i, 1]]``; (-1, -1) where it was not found.
    """
    traced = clean_traced(text, lowercase)
    searched = _plain_quotes(traced.text)
    found = np.full((len(tokens), 2), -1, dtype=np.int64)
    cursor = 0
    for number, token in enumerate(tokens):
        token = _plain_quotes(token)
        limit = len(searched) if named else cursor + len(token) + _LOOK_AHEAD
        at = searched.find(token, cursor, limit) if token else -1
        if at < 0:
            continue
        cursor = at + len(token)
        if named and token == token[0] * MAX_MARK_RUN and not token[0].isalnum():
            cursor = _end_of_run(searched, at)  # marks that the tokenizer left out
        found[number] = traced.start[at], traced.end[cursor - 1]
    return found


def _plain_quotes(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _end_of_run(text: str, at: int) -> int:
    end = at
    while end < min(len(text), at + MAX_TOKEN_LENGTH) and text[end] == text[at]:
        end += 1
    return end

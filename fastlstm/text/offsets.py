"""Where each token stands in the text that a user wrote.

Cleaning removes markup, decodes entities and normalises letters. Here the same rules
are applied with a note of where each character came from.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from fastlstm.text.chinese import next_han
from fastlstm.text.clean import (
    ALL_STEPS,
    CONTROL,
    FILLER,
    compile_invisible,
    compile_long_marks,
    rules_of,
)
from fastlstm.text.rewriting import Finder, Grouped
from fastlstm.text.tokenizers import steps_of
from fastlstm.text.words import MAX_MARK_RUN, MAX_TOKEN_LENGTH, end_before_cut
from fastlstm.text.zh_script import to_simplified

# A callable's tokens need not stand in the text. Each is looked for this far around the
# ones before, at so many places on either side.
_LOOK_AHEAD = 1000
_MOST_PLACES = 32


# Where each token begins and ends; None where it was not found.
Spans = list[tuple[int, int] | None]


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

    def rewritten(self, pattern: Finder, by: str | Callable[[re.Match[str]], str]) -> TracedText:
        """What ``pattern.sub(by, text)`` makes of the text; no match is empty."""
        pieces, starts, ends, done = [], [], [], 0
        for match in pattern.finditer(self.text):
            new = by if isinstance(by, str) else by(match)
            if new == match[0]:
                continue
            first, last = match.span()
            pieces += [self.text[done:first], new]
            if len(new) == last - first:  # character by character
                starts.append(self.start[done:last])
                ends.append(self.end[done:last])
            else:
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

    def after(self, rules: Grouped) -> TracedText:
        """What ``rewrite(text, rules)`` makes of the text."""
        traced = self
        for sign, group in rules:
            if sign in traced.text:
                for _, pattern, by, further in group:
                    if further in traced.text:
                        traced = traced.rewritten(pattern, by)
        return traced


def clean_traced(text: str, lowercase: bool, steps: tuple[str, ...] = ALL_STEPS) -> TracedText:
    """What ``clean(text, steps, lowercase)`` makes of a text."""
    rules = rules_of(steps)
    traced = TracedText.of(text)
    if not text.isascii():
        traced = traced.after(rules.mangled)
    traced = traced.after(rules.markup)
    printable = traced.text.isprintable()
    if not printable:
        traced = traced.rewritten(CONTROL, " ")
    if not traced.text.isascii():
        if not printable or FILLER.search(traced.text):
            traced = traced.rewritten(compile_invisible(), "")
        traced = traced.after(rules.folding)
        if not unicodedata.is_normalized("NFC", traced.text):
            traced = _normalised(traced)
    traced = traced.after(rules.social)
    if lowercase:
        traced = _lowered(traced)
    return traced if traced.text.isascii() else traced.after(rules.lowered)


def _normalised(traced: TracedText) -> TracedText:
    import regex

    traced = traced.rewritten(compile_long_marks(), lambda marks: marks[0][:30])
    whole = unicodedata.normalize("NFC", traced.text)
    # Character by character as a reader sees them; word by word where that is too fine.
    for unit in (r"\X", r"\S+"):
        found = traced.rewritten(regex.compile(unit), _composed)
        if found.text == whole:
            return found
    raise AssertionError("the normal form of a text is that of its words")


def _composed(unit: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", unit[0])


def _lowered(traced: TracedText) -> TracedText:
    whole = traced.text.lower()
    if len(whole) == len(traced.text):
        return traced._replace(text=whole)
    letters = [letter.lower() for letter in traced.text]
    counts = [len(letter) for letter in letters]
    # The whole has final sigmas, which the letters alone have not.
    return TracedText(whole, np.repeat(traced.start, counts), np.repeat(traced.end, counts))


def token_offsets(
    text: str,
    tokens: list[str],
    lowercase: bool,
    tokenizer: str | Callable[[str], list[str]] = "auto",
    normalize: str | Iterable[str] | None = "all",
    zh_script: str | None = None,
) -> np.ndarray:
    """Where the tokens of a document stand in it.

    Parameters
    ----------
    text : str
        As the user wrote it.
    tokens : list of str
    lowercase : bool
    tokenizer : {"auto", "word", "char", "jieba"} or callable
        What made the tokens; those of a callable may be missing in the text.
    normalize : "all", iterable of str, or None, default="all"
        As in `fastlstm.text.tokenizers.get_tokenizer`.
    zh_script : {"simplified"} or None
        What the tokenizer read.

    Returns
    -------
    offsets : int64 array, shape (n_tokens, 2)
        Token ``i`` is ``text[offsets[i, 0]:offsets[i, 1]]``; (-1, -1) where it was not found.
    """
    traced = clean_traced(text, lowercase, steps_of(tokenizer, normalize))
    # As long as the text, character by character.
    searched = to_simplified(traced.text) if zh_script else traced.text
    searched, tokens = _plain_quotes(searched), [_plain_quotes(token) for token in tokens]
    if callable(tokenizer):
        spans = _in_order(searched, tokens)
        if None in spans:
            spans = _most_in_order(searched, tokens)
    else:
        spans = _of_named(searched, tokens, tokenizer)
    found = np.full((len(tokens), 2), -1, dtype=np.int64)
    for number, span in enumerate(spans):
        if span is not None:
            found[number] = traced.start[span[0]], traced.end[span[1] - 1]
    return found


def _plain_quotes(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _end_before_cut(text: str, at: int, tokenizer: str) -> int:
    if tokenizer != "jieba":
        return end_before_cut(text, at, split_scripts=tokenizer != "word")
    # Of scripts without spaces, it divides Han alone, and what adjoins it ends there.
    end = end_before_cut(text, at, split_scripts=False)
    han = next_han(text, at, min(end + 1, len(text)))
    if han > end or han == len(text):
        return end
    return end_before_cut(text, at, split_scripts=False, stop=han)


def _of_named(text: str, tokens: list[str], tokenizer: str) -> Spans:
    """Each token where the one before ended, in the text that it was made from."""
    spans: Spans = []
    cursor = 0
    for token in tokens:
        at = text.find(token, cursor)
        if at < 0:
            spans.append(None)
            continue
        end = cursor = at + len(token)
        if token == token[0] * MAX_MARK_RUN and not token[0].isalnum():
            end = cursor = _end_before_cut(text, at, tokenizer)  # all marks of the run
        elif len(token) == MAX_TOKEN_LENGTH:
            cursor = max(end, _end_before_cut(text, at, tokenizer))
        spans.append((at, end))
    return spans


def _in_order(text: str, tokens: list[str]) -> Spans:
    """Each token at its first place behind the one before."""
    spans: Spans = []
    cursor = 0
    for token in tokens:
        at = text.find(token, cursor, cursor + len(token) + _LOOK_AHEAD) if token else -1
        if at < 0:
            spans.append(None)
            continue
        cursor = at + len(token)
        spans.append((at, cursor))
    return spans


class _Found(NamedTuple):
    """A token at a place, and the one before."""

    number: int
    place: tuple[int, int]
    before: _Found | None


def _most_in_order(text: str, tokens: list[str]) -> Spans:
    """As many tokens as possible at places that do not overlap, in their order.

    The longest common subsequence of the tokens and their occurrences near each other
    (Hunt and Szymanski 1977).
    """
    ends: list[int] = []  # for each number of tokens, where they may end at the earliest
    last: list[_Found] = []  # the last of those tokens
    for number, token in enumerate(tokens):
        for at in sorted(_near(text, token, ends[-1] if ends else 0), reverse=True):
            n, end = bisect_right(ends, at), at + len(token)
            found = _Found(number, (at, end), last[n - 1] if n else None)
            if n == len(ends):
                ends.append(end)
                last.append(found)
            elif end < ends[n]:
                ends[n], last[n] = end, found
    spans: Spans = [None] * len(tokens)
    node = last[-1] if last else None
    while node is not None:
        spans[node.number], node = node.place, node.before
    return spans


def _near(text: str, token: str, middle: int) -> list[int]:
    """Places of a token, some before and some behind ``middle``."""
    if not token:
        return []
    places: list[int] = []
    at = middle
    while len(places) < _MOST_PLACES:
        at = text.rfind(token, max(0, middle - _LOOK_AHEAD), at + len(token) - 1)
        if at < 0:
            break
        places.append(at)
    n_before, at = len(places), middle - 1
    while len(places) < n_before + _MOST_PLACES:
        at = text.find(token, at + 1, middle + len(token) + _LOOK_AHEAD)
        if at < 0:
            break
        places.append(at)
    return places

"""Division of cleaned documents into words or characters.

Every step takes time linear in the length of the document, whatever it holds.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from functools import cache
from itertools import chain, groupby
from typing import Any

from fastlstm.text.social import MARKERS

MAX_TOKEN_LENGTH = 64
MAX_MARK_RUN = 3

# Emoji, after UTS #51: a pictograph with its presentation or skin tone, joined to
# others or followed by tags. Bounded, so that a chain without end is cut.
_PICTOGRAPH = r"\p{ExtPict}(?:\ufe0f|\p{EMod})?"
_KEYCAP = r"[0-9#*]\ufe0f?\u20e3"
_EMOJI = (
    r"\p{RI}{1,2}|"
    rf"{_PICTOGRAPH}(?:[\U000e0020-\U000e007f]{{1,8}}|(?:\u200d{_PICTOGRAPH}){{1,6}})?"
)
# Letters of scripts written without spaces. The long vowel marks of Japanese belong
# to no single script; the two vowels in _MARKS are letters that follow their base.
_NO_SPACES = (
    r"[[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
    r"&&[\p{L}\p{Nl}]]"
)
_MARKS = r"[\p{M}\u0e33\u0eb3]*+"
_PUNCTUATION = r"[^\p{L}\p{N}\p{M}\s\p{Cc}\p{Cf}\p{Cs}\p{ExtPict}\p{RI}]"


def _emoticon(digit: str, inner: str) -> str:
    # ":/" is not the start of "://", ":d" not that of ":data", "<3" not that of "<30".
    return (
        rf"[:;=]['^-]?(?:[()\[\]{{}}|\\*]|/(?!/)|[DdPpOo](?!{inner}))"
        rf"|<3(?!{digit}|[.,]{digit})"
    )


_MARKERS = frozenset(MARKERS)


def _marker(markers: bool) -> str:
    """The alternative for `MARKERS`, if they are tokens."""
    return f"<(?:{'|'.join(marker[1:-1] for marker in MARKERS)})>|" if markers else ""


@cache
def _compile_ascii(markers: bool) -> Callable[[str], list[str]]:
    digit, inner = "[0-9]", "[A-Za-z0-9]"
    # One alternative for each mark is faster than a group with a back reference;
    # the look-ahead spares them all at spaces, and so does a space as part of the match.
    # Frequent marks come first.
    runs = "|".join(
        (_marker(markers) if mark == "<" else "") + f"{re.escape(mark)}{{1,{MAX_TOKEN_LENGTH}}}"
        for mark in sorted(string.punctuation, key="?<-'!,.".rfind, reverse=True)
    )
    # An empty alternative is faster than a group that may be missing, and most words begin
    # with a letter.
    rest = rf"(?:'{inner}+(?:'{inner}+|)|)"
    return re.compile(
        rf" ?([A-Za-z]{inner}*{rest}|{digit}+(?:[.,]{digit}+){{1,8}}|{inner}+{rest}"
        rf"|(?=[!-/:-@\[-`{{-~])(?:{_emoticon(digit, inner)}|{runs}))"
    ).findall


# Words whose tokens are kept: about 10 MB.
_LONGEST_KEPT, _MOST_KEPT = 24, 1 << 15

_ASCII_RUN = re.compile(rf"([!-/:-@\[-`{{-~])\1{{{MAX_MARK_RUN}}}")


@cache
def _compile_unicode(split_scripts: bool, markers: bool = False) -> Any:
    """The same tokens as `_compile_ascii` on ASCII; group 2 holds the mark of a run.

    Repeats that hold a group or a back reference are bounded, because the engine keeps
    something for each turn; a longer run goes on in the next token.
    """
    import regex

    digit = r"\p{Nd}"
    if split_scripts:
        first, inner = rf"[\p{{L}}\p{{N}}--{_NO_SPACES}]", rf"[\p{{L}}\p{{N}}\p{{M}}--{_NO_SPACES}]"
        single = rf"{_NO_SPACES}{_MARKS}|"
    else:
        first, inner, single = r"[\p{L}\p{N}]", r"[\p{L}\p{N}\p{M}]", ""
    return regex.compile(
        r"(?V1)(?=\S)("
        rf"{_marker(markers)}{_KEYCAP}|{digit}++(?:[.,]{digit}++){{1,8}}+"
        rf"|{first}{inner}*+(?:'{inner}++){{0,2}}+|{single}{_EMOJI}"
        rf"|{_emoticon(digit, inner)}|({_PUNCTUATION})\2{{0,{MAX_TOKEN_LENGTH - 1}}}+)"
    )


@cache
def _compile_characters() -> Any:
    import regex

    base = r"[^\s\p{M}\p{Cc}\p{Cf}\p{Cs}]"
    return regex.compile(rf"(?V1){_KEYCAP}|{_EMOJI}|{base}{_MARKS}").findall


def cut_long(tokens: list[str]) -> list[str]:
    """Tokens of more than 64 characters, cut to their first 64."""
    if max(map(len, tokens), default=0) > MAX_TOKEN_LENGTH:
        return [token[:MAX_TOKEN_LENGTH] for token in tokens]
    return tokens


def _split_ascii(text: str, markers: bool) -> list[str]:
    tokens = _compile_ascii(markers)(text)
    if _ASCII_RUN.search(text):
        # Of the tokens that begin with a mark only runs and markers are longer than this.
        tokens = [
            token if token[0].isalnum() or token in _MARKERS else token[:MAX_MARK_RUN]
            for token in tokens
        ]
    return cut_long(tokens) if _may_be_long(text) else tokens


def _may_be_long(text: str) -> bool:
    """Whether more than 64 characters stand without a space, as no token has one."""
    at = 0  # faster than the length of each token
    while len(text) - at > MAX_TOKEN_LENGTH:
        space = text.rfind(" ", at, at + MAX_TOKEN_LENGTH + 1)
        if space < 0:
            return True
        at = space + 1
    return False


def _split_unicode(text: str, split_scripts: bool, markers: bool = False) -> list[str]:
    found = _compile_unicode(split_scripts, markers).findall(text)
    return cut_long([token[:MAX_MARK_RUN] if mark else token for token, mark in found])


def split_words(text: str, split_scripts: bool, markers: bool = False) -> list[str]:
    """Divide a cleaned document into words, numbers, marks, emoji and emoticons.

    Parameters
    ----------
    text : str
        The result of `clean`.
    split_scripts : bool
        Whether letters of Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar are
        tokens of their own, each with the marks that follow it.
    markers : bool, default=False
        Whether `fastlstm.text.social.MARKERS` are tokens.

    Returns
    -------
    list of str
    """
    if text.isascii():
        return _split_ascii(text, markers)
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    # No token crosses a space, so stretches of ASCII words can take the faster pattern.
    tokens: list[str] = []
    for ascii_only, words in groupby(text.split(), str.isascii):
        if ascii_only:
            tokens += _split_ascii(" ".join(words), markers)
        else:
            tokens += chain.from_iterable(map(_tokens_of(split_scripts, markers), words))
    return tokens


class _Kept(dict[str, list[str]]):
    """Tokens of words that are not ASCII; few words make up most of a language's texts."""

    def __init__(self, split_scripts: bool, markers: bool) -> None:
        self._how = split_scripts, markers

    def __missing__(self, word: str) -> list[str]:
        tokens = _split_unicode(word, *self._how)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[word] = tokens
        return tokens


@cache
def _tokens_of(split_scripts: bool, markers: bool) -> Callable[[str], list[str]]:
    return _Kept(split_scripts, markers).__getitem__


def end_before_cut(text: str, at: int, split_scripts: bool, stop: int | None = None) -> int:
    """Where a token of ``split_words`` that begins at ``at`` ended before it was cut short.

    What stands from ``stop`` on is not looked at.
    """
    found = _compile_unicode(split_scripts).match(text, at, len(text) if stop is None else stop)
    return found.end() if found else at


def split_characters(text: str) -> list[str]:
    """Divide a cleaned document into characters with their marks; spaces are dropped."""
    if text.isascii():
        return list("".join(text.split()))
    return cut_long(_compile_characters()(text))

"""Cleaning of documents and their division into tokens.

Every step takes time linear in the length of the document, whatever it holds.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import groupby

MAX_TOKEN_LENGTH = 64
MAX_MARK_RUN = 3

TOKENIZERS = ("auto", "word", "char", "jieba")

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


@cache
def compile_invisible():
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
def compile_long_marks():
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


def _emoticon(digit: str, inner: str) -> str:
    # ":/" is not the start of "://", ":d" not that of ":data", "<3" not that of "<30".
    return (
        rf"[:;=]['^-]?(?:[()\[\]{{}}|\\*]|/(?!/)|[DdPpOo](?!{inner}))"
        rf"|<3(?!{digit}|[.,]{digit})"
    )


@cache
def _compile_ascii():
    digit, inner = "[0-9]", "[A-Za-z0-9]"
    # One alternative for each mark is faster than a group with a back reference;
    # the look-ahead spares them all at spaces.
    runs = "|".join(f"{re.escape(mark)}{{1,{MAX_TOKEN_LENGTH}}}" for mark in string.punctuation)
    return re.compile(
        rf"{digit}+(?:[.,]{digit}+){{1,8}}"
        rf"|{inner}+(?:'{inner}+(?:'{inner}+)?)?"
        rf"|(?=[!-/:-@\[-`{{-~])(?:{_emoticon(digit, inner)}|{runs})"
    ).findall


_ASCII_RUN = re.compile(rf"([!-/:-@\[-`{{-~])\1{{{MAX_MARK_RUN}}}")


@cache
def _compile_unicode(split_scripts: bool):
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
        rf"{_KEYCAP}|{digit}++(?:[.,]{digit}++){{1,8}}+"
        rf"|{first}{inner}*+(?:'{inner}++){{0,2}}+|{single}{_EMOJI}"
        rf"|{_emoticon(digit, inner)}|({_PUNCTUATION})\2{{0,{MAX_TOKEN_LENGTH - 1}}}+)"
    )


@cache
def _compile_characters():
    import regex

    base = r"[^\s\p{M}\p{Cc}\p{Cf}\p{Cs}]"
    return regex.compile(rf"(?V1){_KEYCAP}|{_EMOJI}|{base}{_MARKS}").findall


def cut_long(tokens: list[str]) -> list[str]:
    """Tokens of more than 64 characters, cut to their first 64."""
    if max(map(len, tokens), default=0) > MAX_TOKEN_LENGTH:
        return [token[:MAX_TOKEN_LENGTH] for token in tokens]
    return tokens


def _split_ascii(text: str) -> list[str]:
    tokens = _compile_ascii()(text)
    if _ASCII_RUN.search(text):
        # Of the tokens that begin with a mark only runs are longer than this.
        tokens = [token if token[0].isalnum() else token[:MAX_MARK_RUN] for token in tokens]
    return cut_long(tokens)


def _split_unicode(text: str, split_scripts: bool) -> list[str]:
    found = _compile_unicode(split_scripts).findall(text)
    return cut_long([token[:MAX_MARK_RUN] if mark else token for token, mark in found])


def split_words(text: str, split_scripts: bool) -> list[str]:
    """Divide a cleaned document into words, numbers, marks, emoji and emoticons.

    Parameters
    ----------
    text : str
        The result of `clean`.
    split_scripts : bool
        Whether letters of Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar are
        tokens of their own, each with the marks that follow it.

    Returns
    -------
    list of str
    """
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if text.isascii():
        return _split_ascii(text)
    # No token crosses a space, so stretches of ASCII words can take the faster pattern.
    tokens = []
    for ascii_only, words in groupby(text.split(), str.isascii):
        stretch = " ".join(words)
        tokens += _split_ascii(stretch) if ascii_only else _split_unicode(stretch, split_scripts)
    return tokens


def end_before_cut(text: str, at: int, split_scripts: bool) -> int:
    """Where a token of ``split_words`` that begins at ``at`` ended before it was cut short."""
    found = _compile_unicode(split_scripts).match(text, at)
    return found.end() if found else at


def split_characters(text: str) -> list[str]:
    """Divide a cleaned document into characters with their marks; spaces are dropped."""
    if text.isascii():
        return list("".join(text.split()))
    return cut_long(_compile_characters()(text))


def _call(function: Callable[[str], list[str]], text: str) -> list[str]:
    tokens = function(text)
    if not isinstance(tokens, (list, tuple)):
        raise TypeError(
            f"the tokenizer returned {type(tokens).__name__}; it must return a list of str, "
            "for example list(tokens)"
        )
    if not all(issubclass(kind, str) for kind in set(map(type, tokens))):
        wrong = next(token for token in tokens if not isinstance(token, str))
        raise TypeError(
            f"the tokenizer returned a list that holds {type(wrong).__name__}; every token "
            "must be str, for example [str(token) for token in tokens]"
        )
    return list(tokens)


def _tokenize(text: str, split: Callable[[str], list[str]], lowercase: bool) -> list[str]:
    text = clean(text)
    return split(text.lower() if lowercase else text)


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] = "auto", lowercase: bool = True
) -> Callable[[str], list[str]]:
    """A function from a document to its tokens.

    Parameters
    ----------
    tokenizer : {"auto", "word", "char", "jieba"} or callable, default="auto"
        - "word": words of letters, digits and combining marks with inner
          apostrophes; numbers such as 3.5 and 1,000; runs of one mark, of which at
          most three are kept; emoji; emoticons such as ``:)`` and ``<3``.
        - "auto": like "word", but in scripts written without spaces (Han, Hiragana,
          Katakana, Thai, Lao, Khmer, Myanmar) each letter with its marks is a token.
        - "char": each character with its marks; spaces are dropped.
        - "jieba": Chinese words by ``rjieba``, everything else like "word".
        - callable: called with the cleaned, lower-cased document; returns a list or
          tuple of str, which is used as it is.

        The named tokenizers cut tokens longer than 64 characters to their first 64.
    lowercase : bool, default=True

    Returns
    -------
    callable
        From str to list of str. It can be pickled if a callable `tokenizer` can.

    Raises
    ------
    ValueError
        `tokenizer` is no known name and not callable.
    ImportError
        `tokenizer` is "jieba" and ``rjieba`` is not installed.
    """
    if callable(tokenizer):
        split = partial(_call, tokenizer)
    elif tokenizer in ("auto", "word"):
        split = partial(split_words, split_scripts=tokenizer == "auto")
    elif tokenizer == "char":
        split = split_characters
    elif tokenizer == "jieba":
        # Here, because chinese.py itself builds on this module.
        from fastlstm.text.chinese import import_rjieba, split_chinese

        import_rjieba()
        split = split_chinese
    else:
        names = ", ".join(map(repr, TOKENIZERS))
        raise ValueError(f"tokenizer must be one of {names} or a callable, got {tokenizer!r}")
    return partial(_tokenize, split=split, lowercase=lowercase)

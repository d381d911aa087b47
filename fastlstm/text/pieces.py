"""A text that is too long to be held, in pieces that can be divided into tokens one by one.

No token of the tokenizers that have names crosses a space, so a text is cut at line breaks, else
at spaces, else behind full-width marks. It is not cut within markup, which may hold all of them:
the pieces have the tokens of the whole text. Two things are left: markup that is longer than a
piece, and text for as long without any place to cut, which is cut anywhere.
"""

from __future__ import annotations

import errno
import gzip
import os
import re
import zlib
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Characters of a piece; it may have twice as many, and less before long markup.
PIECE = 1 << 16

# Characters that a tag has at most; a "<" that nothing closes is no tag.
_LONGEST_TAG = 1 << 12

_TAG_END = re.compile("[<>]")

_SPACES = ("\n", " ", "\t")

# Marks behind which a text without spaces is cut.
_MARKS = ("\u3002", "\uff01", "\uff1f", "\uff1b", "\uff0c", "\u3001")


def pieces(texts: Iterable[str], size: int = PIECE) -> Iterator[str]:
    """The texts, joined as they are, in pieces of ``2 * size`` characters at most."""
    waiting, n_waiting = [], 0
    for text in texts:
        for first in range(0, len(text), size):
            waiting.append(text[first : first + size])
            n_waiting += len(waiting[-1])
            if n_waiting >= 2 * size:
                joined = "".join(waiting)
                while len(joined) >= 2 * size:
                    at = _border(joined[: 2 * size], size)
                    yield joined[:at]
                    joined = joined[at:]
                waiting, n_waiting = [joined], len(joined)
    last = "".join(waiting)
    if last:
        yield last


def _border(text: str, low: int) -> int:
    """Where to cut, behind ``low`` characters if markup allows it."""
    opens, closes = _comments(text)
    if closes and closes[-1] > len(text) and 0 < opens[-1] <= low:
        return opens[-1]  # it ends out of sight, and a comment stands for a space
    end = _end_of_markup(text, low, opens, closes)
    behind = [end] if low < end < len(text) else []
    for mark in (*_SPACES, *_MARKS):
        at = text.find(mark, low - 1)
        while 0 <= at < len(text) - 1:
            cut = at + 1
            end = _end_of_markup(text, cut, opens, closes)
            if end == cut and (mark.isspace() or text[cut] != mark):
                return cut
            if cut < end < len(text) and text[end - 1] == ">":
                behind.append(end)
            at = text.find(mark, max(end - 1, cut))
    if behind:  # markup, which stands for a space
        return min(behind)
    # Markup without an end, or a single word.
    ends = [text.find(mark, low - 1) + 1 for mark in _SPACES]
    return next((end for end in ends if low <= end < len(text)), low)


def _comments(text: str) -> tuple[list[int], list[int]]:
    """Where comments begin and end; the last one may end behind the text."""
    opens: list[int] = []
    closes: list[int] = []
    at = text.find("<!--")
    while at >= 0:
        closed = text.find("-->", at + 4)
        opens.append(at)
        closes.append(closed + 3 if closed >= 0 else len(text) + 1)
        at = text.find("<!--", closes[-1])
    return opens, closes


def _end_of_markup(text: str, at: int, opens: list[int], closes: list[int]) -> int:
    """Where the markup ends that is cut at ``at``, which is ``at`` where there is none."""
    if text.startswith("#", at):  # "don #39;t", a reference without its "&"
        return at + 1
    number = bisect(opens, at - 1) - 1
    if number >= 0 and at < closes[number]:
        return closes[number]
    tag = text.rfind("<", max(0, at - _LONGEST_TAG), at)
    if tag < 0 or text.find(">", tag, at) >= 0 or text[tag + 1 : tag + 2].isspace():
        return at
    found = _TAG_END.search(text, at, tag + _LONGEST_TAG)
    if found is None:
        return at if len(text) >= tag + _LONGEST_TAG else len(text)
    return found.end() if found[0] == ">" else at  # no tag holds a "<"


def texts_of(source: Any, encoding: str | None = None) -> Iterator[str]:
    """What ``source`` holds, some characters at a time.

    Parameters
    ----------
    source : str or path-like, text file object, or iterable of str
        The path of a file, gzipped if its name ends in ``.gz``; an open file; or texts.
    encoding : str or None
        Of a file that is given by its path; None is UTF-8.

    Raises
    ------
    TypeError
        If it is something else, or gives bytes.
    OSError
        If the file cannot be read.
    ValueError
        If the file is a folder, or not in that encoding.
    """
    if isinstance(source, (str, os.PathLike)):
        yield from _of_file(source, encoding)
        return
    read = getattr(source, "read", None)
    if read is not None:
        given: Iterable[Any] = iter(lambda: read(PIECE), "")
    elif isinstance(source, (bytes, bytearray, Mapping)) or not isinstance(source, Iterable):
        raise TypeError(
            f"source is {type(source).__name__}; pass the path of a text file, an open text file, "
            "or an iterable of str"
        )
    else:
        given = source
    for number, text in enumerate(given):
        if not isinstance(text, str):
            hint = " Open the file in text mode." if isinstance(text, bytes) else ""
            raise TypeError(
                f"source must give str, but its item {number}, counted from 0, is "
                f"{type(text).__name__}.{hint}"
            )
        yield text


def _of_file(path: str | os.PathLike[str], encoding: str | None) -> Iterator[str]:
    name = os.fspath(path)
    if not os.path.exists(path):
        hint = "" if isinstance(path, os.PathLike) else "; pass [text] to read a text itself"
        raise FileNotFoundError(errno.ENOENT, f"there is no such file{hint}", name[:80])
    if os.path.isdir(path):
        raise ValueError(f"{name} is a folder; pass the name of a file in it")
    opened: Any = gzip.open if str(name).lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding=encoding or "utf-8-sig", newline="") as stream:
            while text := stream.read(PIECE):
                yield text
    except LookupError:
        raise ValueError(f"encoding {encoding!r} is not known; for example 'latin-1'") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: not a whole gzip file ({error})") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: not {encoding or 'UTF-8'} ({error.reason}). Name its encoding: pass "
            "open(path, encoding=...) in Python, --encoding NAME on the command line."
        ) from None

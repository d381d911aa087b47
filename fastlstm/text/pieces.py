"""A text that is too long to be held, in pieces that can be divided into tokens one by one.

No token crosses a space, so a text is cut at line breaks, else at spaces. It is not cut within
markup, which may hold spaces: the pieces have the tokens of the whole text. Two things are left:
markup longer than a piece, and pieces without any space or mark of a sentence, which are cut
wherever they are long enough.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import Any

# Characters of a piece, at least, and twice as many at most.
PIECE = 1 << 16

# Characters that a tag has at most; a "<" that nothing closes is no tag.
_LONGEST_TAG = 1 << 12

# Marks behind which a text without spaces is cut.
_MARKS = ("\u3002", "\uff01", "\uff1f", "\uff1b", "\uff0c", "\u3001", ".", "!", "?", ",")

# Places of one kind that are looked at.
_PLACES = 64


def pieces(texts: Iterable[str], size: int = PIECE) -> Iterator[str]:
    """The texts, joined as they are, in pieces of ``size`` to ``2 * size`` characters.

    The last one may be shorter.
    """
    waiting, n_waiting = [], 0
    for text in texts:
        for first in range(0, len(text), size):
            waiting.append(text[first : first + size])
            n_waiting += len(waiting[-1])
            if n_waiting >= 2 * size:
                joined = "".join(waiting)
                while len(joined) >= 2 * size:
                    at = _border(joined, size)
                    yield joined[:at]
                    joined = joined[at:]
                waiting, n_waiting = [joined], len(joined)
    last = "".join(waiting)
    if last:
        yield last


def _border(text: str, low: int) -> int:
    """Where to cut, behind ``low`` characters at least."""
    for mark in ("\n", " ", *_MARKS):
        at = low - 1
        for _ in range(_PLACES):
            at = text.find(mark, at)
            if at < 0 or at + 1 >= len(text):
                break
            at += 1
            if not _is_within(text, at):
                return at
    return low


def _is_within(text: str, at: int) -> bool:
    """Whether markup begins before ``at`` and ends behind it, or a reference without its "&"."""
    if text.startswith("#", at):  # "don #39;t"
        return True
    comment = text.rfind("<!--", 0, at)
    if comment >= 0 and text.find("-->", comment + 4, at) < 0 <= text.find("-->", at - 2):
        return True
    tag = text.rfind("<", max(0, at - _LONGEST_TAG), at)
    return tag >= 0 and text.find(">", tag, at) < 0 and not text[tag + 1 : tag + 2].isspace()


def texts_of(source: Any) -> Iterator[str]:
    """What ``source`` holds, some characters at a time.

    Parameters
    ----------
    source : str or path-like, text file object, or iterable of str
        The path of a file in UTF-8; an open file; or texts.

    Raises
    ------
    TypeError
        If it is something else, or gives bytes.
    OSError
        If the file cannot be read.
    ValueError
        If it is not UTF-8.
    """
    if isinstance(source, (str, os.PathLike)):
        yield from _of_file(source)
        return
    read = getattr(source, "read", None)
    if read is not None:
        given: Iterable[Any] = iter(lambda: read(PIECE), "")
    elif isinstance(source, (bytes, bytearray)) or not isinstance(source, Iterable):
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


def _of_file(path: str | os.PathLike[str]) -> Iterator[str]:
    if not os.path.exists(path):
        hint = "" if isinstance(path, os.PathLike) else "; pass [text] to read a text itself"
        shown = os.fspath(path)[:80]
        raise FileNotFoundError(errno.ENOENT, f"there is no such file{hint}", shown)
    with open(path, encoding="utf-8-sig", newline="") as stream:
        try:
            while text := stream.read(PIECE):
                yield text
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{os.fspath(path)}: not UTF-8 ({error.reason}). Pass an open file: "
                "open(path, encoding=...)."
            ) from None

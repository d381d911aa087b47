"""Documents from standard input, and predictions on all cores."""

from __future__ import annotations

import io
import os
import sys


def read_lines(stream, name: str) -> list[str]:
    """Documents of a binary stream, one a line; an empty line is an empty document.

    Raises
    ------
    ValueError
        If there is none, or a line is not UTF-8.
    """
    raw = stream.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}: line {line} is not UTF-8; convert it to UTF-8") from None
    # Universal newlines; str.splitlines would also cut at form feeds and U+2028.
    texts = [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]
    if not texts:
        raise ValueError(f"{name}: no documents; write one a line")
    return texts


def stdin_is_terminal() -> bool:
    """Whether nothing is piped in, so that reading would wait for the keyboard."""
    return sys.stdin.isatty()


def argument_text(text: str) -> str:
    """A text of the command line, of which Python may have kept undecoded bytes.

    Where the locale is not UTF-8, the bytes are still those that the user typed.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", errors="replace")
    return text

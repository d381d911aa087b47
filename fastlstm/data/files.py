"""Bytes of a file, gunzipped, and the text they stand for."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fastlstm.core.files import opener_like

# UTF-32's mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ONE_HIGH = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_MORE_HIGH = re.compile(rb"[\x80-\xff]{2,}")
_LETTER = re.compile(rb"[A-Za-z]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
_GUESSED_ON = 100_000


def is_gzip(path: Path) -> bool:
    """Whether a file of that name is gzipped."""
    return path.name.lower().endswith(".gz")


def check_file(path: str | os.PathLike) -> None:
    """Refuse what cannot be opened as a file.

    Raises
    ------
    ValueError
        It is a folder.
    OSError
        It is not there, or may not be read.
    """
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; pass the name of a file in it")
    if not os.path.exists(path) or os.path.isfile(path):  # opening a pipe would take from it
        with open(path, "rb"):
            pass


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, gunzipped if its name ends in ``.gz``.

    Raises
    ------
    ValueError
        If the file is not what gzip writes, or only the beginning of it.
    OSError
        If it cannot be opened.
    """
    try:
        with (gzip.open if is_gzip(path) else open)(path, "rb") as stream:
            return stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error})") from None


def decode(raw: bytes, name: object, encoding: str | None = None) -> str:
    """The text of bytes, without a byte order mark.

    A byte order mark says the encoding. Without one it is ``encoding``, or UTF-8, or
    UTF-16 where nothing else is possible.

    Parameters
    ----------
    raw : bytes
    name : object
        Of the file, for messages.
    encoding : str, optional
        Any that Python knows.

    Raises
    ------
    ValueError
        If the encoding is unknown or is not that of the bytes. The message names the
        line, and the encoding if it can be guessed.
    """
    if encoding is not None:
        _check_encoding(encoding)
    known = next((codec for mark, codec in _MARKS if raw.startswith(mark)), encoding)
    text: str | None
    try:
        text = raw.decode(known or "utf-8")
    except UnicodeDecodeError as error:
        text = None if known else _bare_utf16(raw)
        if text is None:
            at = error.start
            line = len(re.findall(rb"\r\n|\r|\n", raw[:at])) + 1
            raise ValueError(
                f"{name}: line {line} is not {_shown(known)} (byte {raw[at]:#04x} at offset "
                f"{at}){_mend(raw, encoding)}"
            ) from None
    except UnicodeError as error:
        raise ValueError(f"{name}: not {_shown(known)} ({error}){_mend(raw, encoding)}") from None
    if "\0" in text:
        found = None if known else _bare_utf16(raw)
        if found is None:
            raise ValueError(
                f"{name}: not {_shown(known)} text (a zero byte at offset {raw.index(0)})"
                f"{_mend(raw, encoding)}"
            )
        text = found
    return text.removeprefix("\ufeff")


def _check_encoding(encoding):
    try:
        with contextlib.suppress(UnicodeError):
            b"ab".decode(encoding)  # refuses codecs that are not for text, too
    except (LookupError, ValueError):
        raise ValueError(
            f"encoding {encoding!r} is not known; names are such as utf-8, utf-16, gb18030, "
            "big5, shift_jis, cp1251, cp1252 and latin-1"
        ) from None


def _shown(codec) -> str:
    return "UTF-8" if codec in (None, "utf-8") else codec.upper()


def _bare_utf16(raw: bytes) -> str | None:
    """Bytes as UTF-16 without its mark, if they are that in one byte order and no other."""
    found = []
    for codec in ("utf-16-le", "utf-16-be"):
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode(codec)
            # In the wrong order a line feed is U+0A00, which no text has.
            if re.search(r"[\r\n]", text) and not re.search("[\u0a00\u0d00]", text):
                found.append(text)
    return found[0] if len(found) == 1 and not _CONTROL.search(found[0]) else None


def _mend(raw: bytes, encoding: str | None) -> str:
    """What the bytes look like, and what to do."""
    guess, words = _guess(raw)
    if encoding is not None:
        return f"{words}; pass " + (f"--encoding {guess}" if guess else "another --encoding")
    if guess is None:
        return (
            f'{words}; save as UTF-8 (in Excel "CSV UTF-8"), or name its encoding: --encoding '
            "NAME, such as cp1252 (encoding= in Python)"
        )
    return f"{words}; add --encoding {guess} (encoding={guess!r} in Python), or save as UTF-8"


def _guess(raw: bytes) -> tuple[str | None, str]:
    """The encoding of what is not in the one that was tried, if it shows, and in words."""
    start = raw[:_GUESSED_ON]
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        4 * start.count(0) > len(start)
    ):
        return None, ", it looks like damaged UTF-16"
    with contextlib.suppress(UnicodeDecodeError):
        if b"\0" not in raw:
            raw.decode("utf-8")
            return "utf-8", ", it looks like UTF-8"
    # Bytes above ASCII stand in pairs there, and mostly alone in European languages and Big5.
    alone, together = len(_ONE_HIGH.findall(start)), len(_MORE_HIGH.findall(start))
    if together > 9 * alone:
        with contextlib.suppress(UnicodeDecodeError):
            raw.decode("gb18030")
            return "gb18030", ", it looks like GB18030 or GBK"
    # In Big5 every other byte is one.
    if alone > max(2, 9 * together) and 8 * alone < len(_LETTER.findall(start)):
        with contextlib.suppress(UnicodeDecodeError):
            raw.decode("cp1252")
            return "cp1252", ", it looks like Windows-1252 or Latin-1"
    return None, ""


def lines(content: str) -> Iterator[str]:
    """Lines with their ends.

    ``str.splitlines`` would also cut at form feeds and U+2028, which texts contain.
    """
    return (match.group() for match in _LINE.finditer(content))


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """What is written takes the place of a file when all of it is there; else that stays."""
    if path.exists() and not path.is_file():
        with open(path, "wb") as stream:  # a pipe or a device
            yield stream
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".fastlstm-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb", opener=opener_like(target)) as stream:
            yield stream
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise

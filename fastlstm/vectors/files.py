"""Files of word vectors that other tools write."""

from __future__ import annotations

import gzip
import io
import re
import struct
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# What a reader hands over: tokens, and a float32 array with a row for each.
Read = tuple[list[str], np.ndarray]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_FASTTEXT = struct.pack("<i", 793712314)  # how fastText's models begin

# Lines that tell how many numbers a vector has, where the first line does not say it.
_LINES_LOOKED_AT = 100

# No tool writes such a token; a reader that lost its place does.
_UNREADABLE = re.compile("[\x00-\x1f\x7f\ufffd]")


def reader_of(path: Path):
    """The function that reads a file of this name; ValueError if there is none."""
    name = path.name.lower().removesuffix(".gz")
    for suffix, read in _READERS.items():
        if name.endswith(suffix):
            return read
    raise ValueError(
        f"{path}: the suffix is not .vec, .txt or .bin (also with .gz) or .npz; unpack "
        "other archives first."
    )


def read_npz(path: Path, wanted: Container[str] | None) -> Read:
    """The arrays "tokens" and "vectors"."""
    try:
        # numpy leaves a file open that it opened and cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            absent = [name for name in ("tokens", "vectors") if name not in arrays]
            if absent:
                raise ValueError(f'there is no array "{absent[0]}".')
            tokens, vectors = arrays["tokens"].tolist(), arrays["vectors"]
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"the archive is damaged: {error}.") from error
    if wanted is not None:
        kept = [row for row, token in enumerate(tokens) if token in wanted]
        tokens, vectors = [tokens[row] for row in kept], vectors[kept]
    return tokens, vectors


def read_text(path: Path, wanted: Container[str] | None) -> Read:
    """A token and its numbers a line.

    Raises
    ------
    ValueError
        Names the line that has another form.
    """
    tokens: dict[str, None] = {}
    vectors, broken = [], []
    with _unpacked(path) as file:
        lines = _lines(file)
        head = list(islice(lines, _LINES_LOOKED_AT))
        width, n_skipped = _layout(head)
        for number, line in islice(chain(head, lines), n_skipped, None):
            # A token may hold spaces, numbers do not.
            parts = line.rsplit(None, width)
            spaces = line[: len(line) - len(line.lstrip())]
            if len(parts) == width and spaces:
                parts = [spaces[:-1], *parts]  # a token of spaces
            if len(parts) <= width or not width:
                raise ValueError(
                    f"line {number} has {len(line.split())} fields, not a token and {width} "
                    "numbers."
                )
            try:
                token = parts[0].decode("utf-8")
            except UnicodeDecodeError:
                broken.append(number)
                continue
            if token in tokens or (wanted is not None and token not in wanted):
                continue  # the first of equal tokens is the most frequent
            try:
                vectors.append(np.array(parts[1:], dtype=np.float32))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}.") from error
            tokens[token] = None
    if broken:
        warnings.warn(
            f"{path}: {len(broken)} vectors are left out, since their tokens are not UTF-8; the "
            f"first stands in line {broken[0]}.",
            stacklevel=4,
        )
    return list(tokens), np.stack(vectors) if vectors else np.zeros((0, width), np.float32)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbers and content of the lines that are not empty."""
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            if number == 1:
                if line.startswith(_UTF_16):
                    raise ValueError("the file is UTF-16; save it as UTF-8.")
                line = line.removeprefix(_BYTE_ORDER_MARK)
            line = line.rstrip()
            if line:
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"line {number + 1}: the file is damaged or cut off: {error}.") from error


def _layout(head: list[tuple[int, bytes]]) -> tuple[int, int]:
    """How many numbers a vector has, and how many lines come before the first one."""
    if not head:
        return 0, 0
    first = head[0][1].split()
    if len(first) == 2 and all(field.isdigit() for field in first):
        return int(first[1]), 1
    # The first token may hold spaces, and another may be a number.
    return Counter(_count_numbers(line.split()) for _, line in head).most_common(1)[0][0], 0


def _count_numbers(fields: list[bytes]) -> int:
    """How many fields behind the first are numbers, from the last one on."""
    for count, field in enumerate(reversed(fields[1:])):
        try:
            float(field)
        except ValueError:
            return count
    return len(fields) - 1


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked if they are gzip's, whatever its name says."""
    with open(path, "rb") as file:
        if file.peek(2)[:2] != _GZIP:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked) as lines:
            yield lines


def read_binary(path: Path, wanted: Container[str] | None) -> Read:
    """A binary file of word2vec or fastText, through gensim.

    Raises
    ------
    ImportError
        gensim is not installed.
    ValueError
        gensim cannot read the file.
    """
    KeyedVectors, load_facebook_vectors = _import_gensim(path)  # noqa: N806 (a class)
    with _unpacked(path) as file:
        is_fasttext = file.read(len(_FASTTEXT)) == _FASTTEXT
    try:
        if is_fasttext:
            keyed = load_facebook_vectors(str(path))
        else:
            keyed = KeyedVectors.load_word2vec_format(
                str(path), binary=True, unicode_errors="replace"
            )
    except (EOFError, ValueError, AssertionError, NotImplementedError, struct.error) as error:
        raise ValueError(f"gensim cannot read it: {error or type(error).__name__}.") from error
    tokens, vectors = from_gensim(keyed)
    if wanted is None:
        return tokens, vectors
    kept = [row for row, token in enumerate(tokens) if token in wanted]
    return [tokens[row] for row in kept], vectors[kept]


def _import_gensim(path: Path) -> tuple[Any, Any]:
    """What of gensim reads the two kinds of binary files."""
    try:
        from gensim.models import KeyedVectors
        from gensim.models.fasttext import load_facebook_vectors
    except ImportError as error:
        raise ImportError(
            f"{path}: a binary file needs gensim to be read: pip install 'fastlstm[vectors]'. "
            "Or pass the same vectors as text: fastText offers .vec beside .bin, and where gensim "
            "is, KeyedVectors.load_word2vec_format(name, binary=True)"
            ".save_word2vec_format('vectors.vec') writes it."
        ) from error
    return KeyedVectors, load_facebook_vectors


def check_file(path: Path) -> None:
    """Refuse a file that could not be read as vectors, as far as that is quickly seen.

    Raises
    ------
    ValueError
        Its suffix is not known.
    ImportError
        It is binary, and gensim is not installed.
    OSError
        It cannot be opened.
    """
    read = reader_of(path)
    with open(path, "rb"):
        pass
    if read is read_binary:
        _import_gensim(path)


def from_gensim(keyed: Any) -> Read:
    """Tokens and vectors of gensim's ``KeyedVectors``.

    Where a file repeats a token, gensim keeps the first and leaves a row of zeros without a
    key at the end. Where tokens of a binary file hold spaces, it takes the rest of a token for
    numbers, and the next token is one that no text has.
    """
    tokens, vectors = keyed.index_to_key, keyed.vectors
    kept = [row for row, token in enumerate(tokens) if token is not None]
    unreadable = [row for row in kept if _UNREADABLE.search(str(tokens[row]))]
    if unreadable:
        warnings.warn(
            f"{len(unreadable)} word vectors are left out, since their tokens are unreadable; the "
            f"first is {tokens[unreadable[0]]!r}. If tokens of a binary file hold spaces, gensim "
            "loses its place there, and the vector before is wrong, too: read such vectors from "
            "a text file.",
            stacklevel=4,
        )
        kept = sorted(set(kept).difference(unreadable))
    if len(kept) < len(tokens):
        tokens, vectors = [tokens[row] for row in kept], vectors[kept]
    return [str(token) for token in tokens], vectors


_READERS = {".npz": read_npz, ".vec": read_text, ".txt": read_text, ".bin": read_binary}

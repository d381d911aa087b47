"""Writing columns to files that ``read_table`` reads back."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from fastlstm.data.files import is_gzip, replaced
from fastlstm.data.formulas import guarded
from fastlstm.data.parquet import parquet_bytes

# Suffixes of files to write, and what is written.
WRITTEN = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_QUOTED_TSV = re.compile('[\t\r\n]|^"')
_OTHER_DELIMITERS = re.compile("[;\t|]")


def written_format(path: str | os.PathLike) -> str:
    """The format that the suffix of a file to write says; csv if it has none.

    Raises
    ------
    ValueError
        If nothing is written under that suffix.
    """
    name = Path(path).name.lower().removesuffix(".gz")
    suffix = os.path.splitext(name)[1]
    if suffix and suffix not in WRITTEN:
        raise ValueError(
            f"{path}: the suffix says what to write, and must be one of {', '.join(WRITTEN)} "
            "(each also with .gz)"
        )
    return WRITTEN.get(suffix, "csv")


def distinct(names: Iterable[str]) -> list[str]:
    """Names of which those that came before get a number: "a", "a_2"."""
    found: list[str] = []
    for name in names:
        free, number = name, 1
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


def write_columns(
    stream_or_path: TextIO | BinaryIO | str | os.PathLike,
    names: Sequence[str],
    columns: Sequence[Any],
    format: str = "csv",
) -> None:
    """Write columns as csv, tsv, JSON Lines, a JSON array, or Parquet.

    In csv and tsv, a str that a spreadsheet would run as a formula gets a leading
    apostrophe; numbers are written as they are; objects and arrays of JSON are written as
    JSON. JSON keeps every value, but NaN becomes null. In JSON and Parquet names that occur
    twice get a number.

    Parameters
    ----------
    stream_or_path : stream or path-like
        A text stream, or a binary one for Parquet. A path is written as UTF-8, gzipped if
        it ends in ``.gz``; the file that was there stays until all is written.
    names : sequence of str
    columns : sequence
        The values of each column, all of one length; for Parquet also Arrow arrays.
    format : {"csv", "tsv", "jsonl", "json", "parquet"}
        What to write. Parquet needs pyarrow.

    Raises
    ------
    ValueError
        If the format is unknown.
    ImportError
        If pyarrow is needed and missing.
    """
    if format not in WRITTEN.values():
        known = ", ".join(dict.fromkeys(WRITTEN.values()))
        raise ValueError(f"format must be one of {known}; it is {format!r}")
    write: Callable = _FORMATS[format]
    if hasattr(stream_or_path, "write"):
        write(stream_or_path, names, columns)
        return
    path = Path(stream_or_path)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(replaced(path))
        if is_gzip(path):
            name = path.name[: -len(".gz")]
            stream = stack.enter_context(gzip.GzipFile(name, "wb", fileobj=stream))  # type: ignore
        if format != "parquet":
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
            write(text, names, columns)
            text.flush()
            text.detach()
        else:
            write(stream, names, columns)


class _LineFeedEnds:
    """Passes on the csv writer's rows with ``\\n`` at their end.

    The writer quotes a cell for a carriage return inside it only (before Python
    3.13) if its own line end has one, and "\\r\\n" would be doubled on Windows.
    """

    def __init__(self, stream):
        self._stream = stream

    def write(self, row):
        self._stream.write(row.removesuffix("\r\n") + "\n")


def _write_csv(stream, names, columns):
    stream = _LineFeedEnds(stream)
    names = [_safe_cell(name) for name in names]
    # Whoever takes the delimiter from the header must not find another one there.
    bare = not any(map(_OTHER_DELIMITERS.search, names))
    header = csv.QUOTE_MINIMAL if bare else csv.QUOTE_ALL
    csv.writer(stream, lineterminator="\r\n", quoting=header).writerow(names)
    csv.writer(stream, lineterminator="\r\n").writerows(
        [_safe_cell(value) for value in values] for values in zip(*columns, strict=True)
    )


def _write_tsv(stream, names, columns):
    """Plain where no cell needs quotes; else all are quoted, so that there is no doubt."""
    rows = [
        [_safe_cell(value) for value in values] for values in [names, *zip(*columns, strict=True)]
    ]
    quoted = any(isinstance(c, str) and _QUOTED_TSV.search(c) for row in rows for c in row)
    if quoted:
        csv.writer(
            _LineFeedEnds(stream), "excel-tab", lineterminator="\r\n", quoting=csv.QUOTE_ALL
        ).writerows(rows)
        return
    for row in rows:
        stream.write("\t".join("" if cell is None else str(cell) for cell in row) + "\n")


def _safe_cell(value):
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=_plain_value)
    if not isinstance(value, str):
        return None if value != value else value
    # JSON input can hold both: a lone surrogate has no UTF-8 form, and csv readers
    # stop at a zero byte.
    value = _UNWRITABLE.sub("\ufffd", value)
    return guarded(value)


def _write_jsonl(stream, names, columns):
    for line in _objects(names, columns):
        stream.write(line + "\n")


def _write_json(stream, names, columns):
    between = "[\n"
    for line in _objects(names, columns):
        stream.write(between + line)
        between = ",\n"
    stream.write("\n]\n" if between == ",\n" else "[]\n")


def _objects(names, columns):
    names = distinct(names)
    for values in zip(*columns, strict=True):
        # NaN, a missing number, is no JSON.
        record = {n: None if v != v else v for n, v in zip(names, values, strict=True)}
        line = json.dumps(record, ensure_ascii=False, default=_plain_value)
        if _SURROGATE.search(line):
            line = json.dumps(record, default=_plain_value)
        yield line


def _write_parquet(stream, names, columns):
    stream.write(parquet_bytes(distinct(names), columns, "the file to write"))


def _plain_value(value):
    """What JSON can hold: a NumPy scalar's number, else a text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value.item() if hasattr(value, "item") else str(value)


_FORMATS = {
    "csv": _write_csv, "tsv": _write_tsv, "jsonl": _write_jsonl, "json": _write_json,
    "parquet": _write_parquet,
}  # fmt: skip

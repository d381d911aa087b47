"""Reading labelled documents from files, and writing predictions to files.

``read_table`` reads csv, tsv, JSON Lines and plain text, each also gzipped, into
lists of str. It guesses which columns are meant where that is safe and asks where
it is not.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

TEXT_NAMES = (
    "text", "review", "content", "comment", "sentence", "document", "tweet", "body", "message",
    "文本", "评论", "内容", "评价",
)  # fmt: skip
# "rating" and "stars" are left out: beside a label they give it away.
LABEL_NAMES = (
    "label", "sentiment", "class", "target", "category", "y", "polarity", "标签", "情感", "类别",
)  # fmt: skip

FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt",
}  # fmt: skip
_DELIMITERS = ",;\t|"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_ONE_HIGH = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_MORE_HIGH = re.compile(rb"[\x80-\xff]{2,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_MAX_FIELD = 2**31 - 1
_field_limit_lock = threading.Lock()


class Table(NamedTuple):
    """Documents, and their labels if any, read from one file.

    Attributes
    ----------
    texts : list of (str or None)
        One document a record. None only where JSON has null or no such key.
    labels : list of str, or None
        Labels as written. None if the caller needed none.
    text_column, label_column : str or None
        Names of the columns used; None where there is no such column.
    columns : tuple of str
        All the columns of the file; empty for plain text.
    rows : list of int
        Line on which each record starts, counted from 1, for messages.
    """

    texts: list
    labels: list | None
    text_column: str | None
    label_column: str | None
    columns: tuple
    rows: list


class _Parsed(NamedTuple):
    """A file's records before columns are chosen; ``column(i)`` lists the i-th one's cells."""

    columns: tuple[str, ...]
    column: Callable[[int], list]
    rows: list[int]


def read_table(
    path: str | os.PathLike,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    need_labels: bool = True,
) -> Table:
    """Read documents and labels from a file.

    The suffix says the format: ``.csv`` (delimiter ``,`` ``;`` tab or ``|``, taken
    from the header), ``.tsv`` (with or without quoting), ``.jsonl`` or ``.ndjson``
    (one object a line), ``.txt`` (one document a line, no labels), each also with
    ``.gz``. The encoding is UTF-8, with or without a byte order mark. Blank lines
    are skipped, except in ``.txt``, where they are empty documents.

    Parameters
    ----------
    path : path-like
        The file.
    text_column, label_column : str, optional
        Columns to use. Without them a column is found by its name (see
        ``TEXT_NAMES`` and ``LABEL_NAMES``, in any case); in a file of two columns
        whose names say nothing, the one with the longer cells is the text.
    need_labels : bool
        If False, labels are read only where ``label_column`` is given, and may be
        missing (None).

    Returns
    -------
    Table
        Texts, labels, the columns used and the line of each record.

    Raises
    ------
    ValueError
        If the file is empty, malformed or not UTF-8, if no column or several fit,
        or if labels are missing. The message names the line and the mend.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    kind = _format_of(path)
    content = _read_content(path)
    if kind == "txt":
        return _plain_text_table(content, path, text_column, label_column, need_labels)
    parse = {"csv": _parse_csv, "tsv": _parse_tsv, "jsonl": _parse_jsonl}[kind]
    parsed = parse(content, path)
    text, label = _choose_columns(parsed, path, text_column, label_column, need_labels)
    columns, rows = parsed.columns, parsed.rows
    texts = _cells(parsed, text, path)
    if label is None:
        return Table(texts, None, columns[text], None, columns, rows)
    labels = _read_labels(parsed, label, path, need_labels)
    return Table(texts, labels, columns[text], columns[label], columns, rows)


def _format_of(path):
    name = path.name.lower().removesuffix(".gz")
    kind = FORMATS.get(os.path.splitext(name)[1])
    if kind is None:
        raise ValueError(
            f"{path}: the format is told by the suffix, which must be one of "
            f"{', '.join(FORMATS)} (each also with .gz)"
        )
    return kind


def _read_content(path):
    try:
        with _opener(path)(path, "rb") as stream:
            raw = stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error})") from None
    try:
        content = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 (byte {raw[error.start]:#04x} at offset {error.start})"
            f'{_looks_like(raw)}; save as UTF-8 (in Excel "CSV UTF-8")'
        ) from None
    if "\0" in content:
        # UTF-16 without its mark, or not text at all.
        raise ValueError(
            f"{path}: not UTF-8 text (a zero byte at offset {raw.index(0)}){_looks_like(raw)}; "
            "save as UTF-8"
        )
    return content.removeprefix("\ufeff")


def _looks_like(raw: bytes) -> str:
    """A guess at the encoding of what is not UTF-8, for a message."""
    start = raw[:100_000]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or 4 * start.count(0) > len(start):
        return ", it looks like UTF-16"
    # Bytes above ASCII stand in pairs there, and mostly alone in European languages and Big5.
    if len(_MORE_HIGH.findall(start)) > 9 * len(_ONE_HIGH.findall(start)):
        with contextlib.suppress(UnicodeDecodeError):
            raw.decode("gb18030")
            return ", it looks like GB18030 or GBK"
    return ""


def _opener(path):
    return gzip.open if path.name.lower().endswith(".gz") else open


def _lines(content) -> Iterator[str]:
    # str.splitlines would also cut at form feeds and U+2028, which texts contain.
    return (match.group() for match in _LINE.finditer(content))


def _plain_text_table(content, path, text_column, label_column, need_labels):
    given = text_column if text_column is not None else label_column
    if given is not None:
        raise ValueError(f"{path}: a .txt file has no columns, so there is no column {given!r}")
    if need_labels:
        raise ValueError(
            f"{path}: a .txt file has no labels; labels need a .csv, .tsv or .jsonl file"
        )
    texts = [line.rstrip("\r\n") for line in _lines(content)]
    if not texts:
        raise ValueError(f"{path}: the file is empty")
    return Table(texts, None, None, None, (), list(range(1, len(texts) + 1)))


# --- csv and tsv -----------------------------------------------------------------


def _parse_csv(content, path):
    delimiter = _sniff_delimiter(content)
    records, rows = _read_quoted(content, delimiter, path)
    misfit = _first_misfit(records)
    if misfit is not None:
        raise ValueError(
            f"{path}: the record on line {rows[misfit]} has {len(records[misfit])} cells, the "
            f"header has {len(records[0])} (delimiter {delimiter!r}); put cells that contain the "
            'delimiter in double quotes, and write a quote inside them as ""'
        )
    return _with_header(records, rows, path)


def _sniff_delimiter(content):
    """The delimiter that cuts the header into most cells; the first of equals."""

    def cells_in_header(delimiter):
        reader = csv.reader(_lines(content), delimiter=delimiter)
        return len(next((record for record in reader if record), ()))

    with _no_field_limit():
        return max(_DELIMITERS, key=cells_in_header)


def _read_quoted(content, delimiter, path):
    """Records and the line each starts on; ValueError where the quoting is broken."""
    records, rows = [], []
    start = 1
    # Without strict, a quote that is never closed swallows the rest of the file.
    reader = csv.reader(_lines(content), delimiter=delimiter, strict=True)
    try:
        with _no_field_limit():
            for record in reader:
                if record:
                    records.append(record)
                    rows.append(start)
                start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}: the quoting of the record that starts on line {start} is broken ({error}); "
            'a quote inside a quoted cell is written as ""'
        ) from None
    return records, rows


@contextlib.contextmanager
def _no_field_limit():
    # The limit belongs to the whole process, so it is put back.
    with _field_limit_lock:
        limit = csv.field_size_limit(_MAX_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def _first_misfit(records):
    """Index of the first record that has not as many cells as the header, or None."""
    return next((i for i, r in enumerate(records) if len(r) != len(records[0])), None)


def _parse_tsv(content, path):
    """Read a tsv file that may or may not be quoted.

    The registered format has no quoting, but spreadsheets and ``DataFrame.to_csv``
    quote. A file that fits its header both ways counts as quoted if some cell is
    quoted and all the quoting is well formed, unless that would join two cells.
    """
    plain, plain_rows = [], []
    for number, line in enumerate(_lines(content), start=1):
        if line := line.rstrip("\r\n"):
            plain.append(line.split("\t"))
            plain_rows.append(number)
    misfit = _first_misfit(plain)
    if misfit is None and not any(cell.startswith('"') for r in plain for cell in r):
        return _with_header(plain, plain_rows, path)
    try:
        quoted, quoted_rows = _read_quoted(content, "\t", path)
        quoted_fits = _first_misfit(quoted) is None
    except ValueError:
        quoted_fits = False
    if misfit is None:
        quoted_fits = quoted_fits and not any("\t" in cell for r in quoted for cell in r)
    if quoted_fits:
        return _with_header(quoted, quoted_rows, path)
    if misfit is None:
        return _with_header(plain, plain_rows, path)
    raise ValueError(
        f"{path}: line {plain_rows[misfit]} has {len(plain[misfit])} cells, the header has "
        f"{len(plain[0])}, and read as a quoted file it does not fit either; take tabs and line "
        "breaks out of the texts, or save as .csv"
    )


def _with_header(records, rows, path):
    if not records:
        raise ValueError(f"{path}: the file is empty")
    if len(records) == 1:
        raise ValueError(f"{path}: the file has a header and no records")
    columns = tuple(name.strip() for name in records[0])
    body = records[1:]
    return _Parsed(columns, lambda index: [record[index] for record in body], rows[1:])


# --- JSON Lines ------------------------------------------------------------------


def _parse_jsonl(content, path):
    objects, rows = [], []
    for number, line in enumerate(_lines(content), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}: line {number} is not valid JSON ({error.msg} at column {error.colno})"
            ) from None
        except (ValueError, RecursionError) as error:
            # A number of thousands of digits, or brackets nested as deep.
            raise ValueError(f"{path}: line {number} cannot be read as JSON ({error})") from None
        if not isinstance(value, dict):
            raise ValueError(
                f"{path}: line {number} is not a JSON object; each line must be one, like "
                '{"text": "...", "label": "..."}'
            )
        objects.append(value)
        rows.append(number)
    if not objects:
        raise ValueError(f"{path}: the file is empty")
    columns = tuple(dict.fromkeys(key for value in objects for key in value))
    return _Parsed(columns, lambda index: [v.get(columns[index]) for v in objects], rows)


# --- columns and cells -----------------------------------------------------------


def _choose_columns(parsed, path, text_column, label_column, need_labels):
    """Positions of the text and the label column; the latter None if not wanted."""
    columns = parsed.columns
    text = _given_column(columns, text_column, "text_column", path)
    label = _given_column(columns, label_column, "label_column", path)
    if text is not None and text == label:
        raise ValueError(f"{path}: text_column and label_column are both {text_column!r}")
    if text is None:
        text = _only_one(_matching(columns, TEXT_NAMES, label), columns, "text", path)
    if label is None:
        labels = _matching(columns, LABEL_NAMES, text)
        if need_labels or len(labels) == 1:
            label = _only_one(labels, columns, "label", path)
    # A nameless column is a row index that was saved with the data.
    named = [index for index, name in enumerate(columns) if name]
    if text is None and len(named) == 2:
        others = [index for index in named if index != label]
        text = others[0] if len(others) == 1 else _longer_column(parsed, others)
    if label is None and need_labels and text is not None and len(named) == 2:
        label = next((index for index in named if index != text), None)
    if text is None:
        raise _unknown_column(columns, "text", path)
    if label is None and need_labels:
        raise _unknown_column(columns, "label", path)
    return text, label if need_labels or label_column is not None else None


def _given_column(columns, name, parameter, path):
    if name is None:
        return None
    if columns.count(name) != 1:
        fault = "more than one" if name in columns else "no"
        raise ValueError(
            f"{path}: {parameter}={name!r}, but there is {fault} column of that name; the columns "
            f"are {_listed(columns)}"
        )
    return columns.index(name)


def _matching(columns, names, taken):
    return [
        index
        for index, name in enumerate(columns)
        if name.strip().casefold() in names and index != taken
    ]


def _only_one(matches, columns, role, path):
    if len(matches) > 1:
        raise ValueError(
            f"{path}: several columns could be the {role}: "
            f"{_listed([columns[i] for i in matches])}; {_how_to_name(role)}"
        )
    return matches[0] if matches else None


def _longer_column(parsed, indices):
    totals = [
        sum(len(str(value)) for value in parsed.column(index) if value is not None)
        for index in indices
    ]
    if totals[0] == totals[1]:
        return None
    return indices[0] if totals[0] > totals[1] else indices[1]


def _unknown_column(columns, role, path):
    return ValueError(
        f"{path}: cannot tell which column is the {role}; the columns are {_listed(columns)}; "
        f"{_how_to_name(role)}"
    )


def _how_to_name(role):
    return f"name it: --{role}-column NAME ({role}_column= in Python)"


def _listed(names):
    return ", ".join(repr(name) for name in names)


def _cells(parsed, index, path):
    """The cells of a column as str, or None where JSON has nothing."""
    values = parsed.column(index)
    for value, row in zip(values, parsed.rows, strict=True):
        if isinstance(value, (dict, list)):
            kind = "an object" if isinstance(value, dict) else "an array"
            raise ValueError(
                f"{path}: {parsed.columns[index]!r} on line {row} is {kind}; it must be a string"
            )
    # NaN is how some writers put a missing value into JSON.
    return [None if value is None or value != value else str(value) for value in values]


def _read_labels(parsed, index, path, need_labels):
    labels = [
        label if label is not None and label.strip() else None
        for label in _cells(parsed, index, path)
    ]
    missing = [row for label, row in zip(labels, parsed.rows, strict=True) if label is None]
    if missing and need_labels:
        first = ", ".join(str(row) for row in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{path}: no label in column {parsed.columns[index]!r} on line {first}{more}; fill "
            "them in or drop the rows"
        )
    return labels


# --- predictions -----------------------------------------------------------------


def write_predictions(
    stream_or_path: TextIO | str | os.PathLike,
    records: Iterable[dict[str, Any]],
    fieldnames: Sequence[str],
    format: str = "csv",
) -> None:
    """Write records as csv or JSON Lines.

    In csv, a str that a spreadsheet would run as a formula gets a leading
    apostrophe; numbers are written as they are. JSON Lines keeps every str exactly.

    Parameters
    ----------
    stream_or_path : text stream or path-like
        A path is written as UTF-8, gzipped if it ends in ``.gz``.
    records : iterable of dict
        Missing fields are empty (csv) or null (JSON).
    fieldnames : sequence of str
        The fields and their order.
    format : {"csv", "jsonl"}
        What to write.

    Raises
    ------
    ValueError
        If the format is unknown or a record has a field not in ``fieldnames``.
    """
    if format not in ("csv", "jsonl"):
        raise ValueError(f"format must be 'csv' or 'jsonl', got {format!r}")
    write = _write_csv if format == "csv" else _write_jsonl
    if hasattr(stream_or_path, "write"):
        write(stream_or_path, records, fieldnames)
        return
    path = Path(stream_or_path)
    with _opener(path)(path, "wt", encoding="utf-8", newline="\n") as stream:
        write(stream, records, fieldnames)


class _LineFeedEnds:
    """Passes on the csv writer's rows with ``\\n`` at their end.

    The writer quotes a cell for a carriage return inside it only (before Python
    3.13) if its own line end has one, and "\\r\\n" would be doubled on Windows.
    """

    def __init__(self, stream):
        self._stream = stream

    def write(self, row):
        self._stream.write(row.removesuffix("\r\n") + "\n")


def _write_csv(stream, records, fieldnames):
    writer = csv.writer(_LineFeedEnds(stream), lineterminator="\r\n")
    writer.writerow([_safe_cell(name) for name in fieldnames])
    for values in _in_order(records, fieldnames):
        writer.writerow([_safe_cell(value) for value in values])


def _safe_cell(value):
    if not isinstance(value, str):
        return value
    # JSON input can hold both: a lone surrogate has no UTF-8 form, and csv readers
    # stop at a zero byte.
    value = _UNWRITABLE.sub("\ufffd", value)
    if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def _write_jsonl(stream, records, fieldnames):
    for values in _in_order(records, fieldnames):
        record = dict(zip(fieldnames, values, strict=True))
        line = json.dumps(record, ensure_ascii=False, default=_plain_number)
        if _SURROGATE.search(line):
            line = json.dumps(record, default=_plain_number)
        stream.write(line + "\n")


def _plain_number(value):
    """Turn a NumPy scalar into a Python number for the JSON encoder."""
    return value.item()


def _in_order(records, fieldnames):
    known = set(fieldnames)
    for number, record in enumerate(records):
        if not known.issuperset(record):
            extra = _listed(name for name in record if name not in known)
            raise ValueError(f"record {number} has fields that are not in fieldnames: {extra}")
        yield [record.get(name) for name in fieldnames]

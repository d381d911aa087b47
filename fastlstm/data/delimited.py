"""csv and tsv, as programs and spreadsheets write them; lines of fastText."""

from __future__ import annotations

import contextlib
import csv
import re
import threading
from itertools import islice

from fastlstm.data.files import lines
from fastlstm.data.parsed import Parsed, clean_name

_DELIMITERS = ",;\t|"
_SNIFFED = 100  # records
# Spreadsheets say the delimiter so, and do not count it among the rows.
_DECLARED = re.compile(r'"?sep=([^"\w\r\n])"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_MAX_FIELD = 2**31 - 1
_field_limit_lock = threading.Lock()

FASTTEXT_PREFIX = "__label__"


# --- csv ---------------------------------------------------------------------------


def parse_csv(content: str, path, header: bool = True) -> Parsed:
    """Records of a csv file; ValueError names the line that does not fit.

    The delimiter is that of a first line ``sep=;``, or the one that cuts the header into
    most cells; without a header, the one that cuts all records alike.
    """
    first = 1
    if declared := _DECLARED.match(content):
        delimiter, first = declared[1], 2
        content = content[declared.end() :]
    else:
        delimiter = _sniff_delimiter(content, header)
    records, rows = _read_quoted(content, delimiter, path, first)
    records, rows, n_empty = _tidied(records, rows, header)
    misfit = _first_misfit(records)
    if misfit is not None:
        raise ValueError(
            f"{path}: the record on line {rows[misfit]} has {len(records[misfit])} cells, the "
            f"{'header' if header else 'first'} has {len(records[0])} (delimiter {delimiter!r}); "
            "put cells that contain the delimiter in double quotes, and write a quote inside "
            'them as ""'
        )
    return _parsed(records, rows, n_empty, path, header)


def _sniff_delimiter(content, header):
    """The delimiter with most cells in the header or in each record; the first of equals."""

    def cells(delimiter):
        reader = csv.reader(lines(content), delimiter=delimiter)
        records = (record for record in reader if "".join(record).strip())
        widths = {len(record) for record in islice(records, 1 if header else _SNIFFED)}
        return widths.pop() if len(widths) == 1 else 0

    with _no_field_limit():
        return max(_DELIMITERS, key=cells)


def _read_quoted(content, delimiter, path, first=1):
    """Records and the line each starts on; ValueError where the quoting is broken."""
    records, rows = [], []
    start = first
    # Without strict, a quote that is never closed swallows the rest of the file.
    reader = csv.reader(lines(content), delimiter=delimiter, strict=True)
    try:
        with _no_field_limit():
            for record in reader:
                if record:
                    records.append(record)
                    rows.append(start)
                start = reader.line_num + first
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


# --- tsv ---------------------------------------------------------------------------


def parse_tsv(content: str, path, header: bool = True) -> Parsed:
    """Records of a tsv file that may or may not be quoted.

    The registered format has no quoting, but spreadsheets and ``DataFrame.to_csv``
    quote. A file that fits its header both ways counts as quoted if some cell is
    quoted and all the quoting is well formed, unless that would join two cells. It
    counts as quoted in any case if all cells of its first record are.
    """
    plain, plain_rows = [], []
    for number, line in enumerate(lines(content), start=1):
        if line := line.rstrip("\r\n"):
            plain.append(line.split("\t"))
            plain_rows.append(number)
    plain, plain_rows, n_empty = _tidied(plain, plain_rows, header)
    as_plain = plain, plain_rows, n_empty, path, header
    misfit = _first_misfit(plain)
    if misfit is None and not any(cell.startswith('"') for r in plain for cell in r):
        return _parsed(*as_plain)
    try:
        quoted, quoted_rows = _read_quoted(content, "\t", path)
        quoted, quoted_rows, n_empty = _tidied(quoted, quoted_rows, header)
        fits = _first_misfit(quoted) is None
    except ValueError:
        fits = False
    if misfit is None and not all(re.fullmatch('"[^"]*"', cell) for cell in plain[0]):
        fits = fits and not any("\t" in cell for r in quoted for cell in r)
    if fits:
        return _parsed(quoted, quoted_rows, n_empty, path, header)
    if misfit is None:
        return _parsed(*as_plain)
    raise ValueError(
        f"{path}: line {plain_rows[misfit]} has {len(plain[misfit])} cells, the "
        f"{'header' if header else 'first'} has {len(plain[0])}, and read as a quoted file it "
        "does not fit either; take tabs and line breaks out of the texts, or save as .csv"
    )


# --- both --------------------------------------------------------------------------


def _tidied(records, rows, header):
    """Records without what spreadsheets add to a table, and the number of empty ones.

    Left out are records of blank cells alone, if any record has several cells, and a
    delimiter at the end of each line.
    """
    n = len(records)
    if any(len(record) > 1 for record in records):
        kept = [i for i, record in enumerate(records) if "".join(record).strip()]
        if len(kept) < n:
            records, rows = [records[i] for i in kept], [rows[i] for i in kept]
    n_empty = n - len(records)
    if header and len(records) > 1:
        first, body = records[0], records[1:]
        widths = {len(record) for record in body}
        if widths == {len(first) + 1} and not any(record[-1].strip() for record in body):
            records = [[*first, ""], *body]
        elif widths == {len(first) - 1} and not first[-1].strip():
            records = [first[:-1], *body]
    while (
        records
        and len(records[0]) > 1
        and not any(record[-1].strip() for record in records)
        and _first_misfit(records) is None
    ):
        records = [record[:-1] for record in records]
    return records, rows, n_empty


def _first_misfit(records):
    """Index of the first record that has not as many cells as the first one, or None."""
    return next((i for i, r in enumerate(records) if len(r) != len(records[0])), None)


def _parsed(records, rows, n_empty, path, header):
    if not records:
        raise ValueError(f"{path}: the file is empty")
    if not header:
        columns = tuple(str(number) for number in range(1, len(records[0]) + 1))
        return Parsed(columns, _reader_of(records), rows, n_empty=n_empty, header=False)
    if len(records) == 1:
        raise ValueError(
            f"{path}: the file has a header and no records (if its one line is a record, pass "
            "--no-header, header=False in Python)"
        )
    columns = tuple(map(clean_name, records[0]))
    return Parsed(columns, _reader_of(records[1:]), rows[1:], n_empty=n_empty, header=True)


def _reader_of(records):
    return lambda index: [record[index] for record in records]


# --- lines of fastText ---------------------------------------------------------------


def is_fasttext(content: str) -> bool:
    """Whether the first line with anything on it begins with a label of fastText."""
    return content.lstrip().startswith(FASTTEXT_PREFIX)


def parse_fasttext(content: str, path) -> Parsed:
    """Labels and texts of lines such as ``__label__pos a good film``; blank ones are skipped.

    Raises
    ------
    ValueError
        If a line has no label or several.
    """
    records, rows = [], []
    for number, line in enumerate(lines(content), start=1):
        words = line.rstrip("\r\n").lstrip().split(None, 1)
        if not words:
            continue
        label, text = words[0], words[1] if len(words) > 1 else ""
        if not label.startswith(FASTTEXT_PREFIX) or label == FASTTEXT_PREFIX:
            raise ValueError(
                f"{path}: line {number} does not begin with a label such as {FASTTEXT_PREFIX}pos, "
                "as the first one does; label it or drop it"
            )
        if text.startswith(FASTTEXT_PREFIX):
            raise ValueError(
                f"{path}: line {number} has several labels; a document has one here, so choose"
            )
        records.append([label.removeprefix(FASTTEXT_PREFIX), text])
        rows.append(number)
    return Parsed(("label", "text"), _reader_of(records), rows)

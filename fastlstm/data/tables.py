"""Reading labelled documents from files.

``read_table`` reads csv, tsv, JSON, JSON Lines, Parquet and plain text, each also
gzipped, into lists of str. It guesses which columns are meant where that is safe and
asks where it is not. ``writing`` is the way back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fastlstm.core.tables import FORMATS, LABEL_NAMES, SPREADSHEETS, TEXT_NAMES, suffix_of
from fastlstm.data.columns import choose_columns
from fastlstm.data.delimited import is_fasttext, parse_csv, parse_fasttext, parse_tsv
from fastlstm.data.files import check_file, decode, lines, read_bytes
from fastlstm.data.formulas import unguarded
from fastlstm.data.json_tables import parse_json, parse_jsonl
from fastlstm.data.parquet import parse_parquet
from fastlstm.data.parsed import Parsed, is_blank

__all__ = ["FORMATS", "LABEL_NAMES", "TEXT_NAMES", "Table", "format_of", "read_table"]


class Table(NamedTuple):
    """Documents, and their labels if any, read from one file.

    Attributes
    ----------
    texts : list of (str or None)
        One document a record. None only where JSON has null or no such key, or Parquet
        has no value.
    labels : list of str, or None
        Labels without space around them. None if the caller needed none.
    text_column, label_column : str or None
        Names of the columns used; None where there is no such column.
    columns : tuple of str
        All the columns of the file; empty for plain text.
    rows : list of int
        Where each record is, counted from 1, for messages.
    unit : {"line", "row"}
        What ``rows`` count: lines, or rows of a JSON array or of Parquet.
    n_empty : int
        Records that were left out because all their columns are empty.
    n_unlabelled : int
        Records that were left out because they have no label.
    text_index : int or None
        Position of the text column among ``columns``.
    parsed : Parsed or None
        All the file's values, as it has them, those of records without a label too; None for
        plain text.
    """

    texts: list
    labels: list | None
    text_column: str | None
    label_column: str | None
    columns: tuple
    rows: list
    unit: str = "line"
    n_empty: int = 0
    n_unlabelled: int = 0
    text_index: int | None = None
    parsed: Parsed | None = None


def read_table(
    path: str | os.PathLike,
    *,
    text_column: str | int | None = None,
    label_column: str | int | None = None,
    need_labels: bool = True,
    encoding: str | None = None,
    header: bool = True,
    usual_text: str | None = None,
    drop_unlabelled: bool = False,
) -> Table:
    """Read documents and labels from a file.

    The suffix says the format: ``.csv`` (delimiter ``,`` ``;`` tab or ``|``, taken
    from the header, or any in a first line ``sep=;``), ``.tsv`` (with or without
    quoting), ``.jsonl`` or ``.ndjson`` (one object a line), ``.json`` (an array of
    objects, or one object a line), ``.parquet`` (needs pyarrow), ``.txt`` (one document
    a line; with ``__label__pos`` before each it has labels), each also with ``.gz``.
    Blank lines are skipped, except in ``.txt`` without labels, where they are empty
    documents; so are records of several columns that are all empty.

    Parameters
    ----------
    path : path-like
        The file.
    text_column, label_column : str or int, optional
        Columns to use: the name, in any case where that leaves one column, or the number,
        counted from 1, of a column if none has it for a name. Without them a column is
        found by its name (see ``TEXT_NAMES`` and ``LABEL_NAMES``, in any case); in a file
        of two columns whose names say nothing, the one with the longer cells is the text.
    need_labels : bool
        If False, labels are read only where ``label_column`` is given, and may be
        missing (None).
    encoding : str, optional
        Any that Python knows. A byte order mark in the file counts for more. Without
        either, the file is UTF-8, or UTF-16 where nothing else is possible.
    header : bool
        If False, the first line of csv and tsv is a record, and columns are named by
        their numbers.
    usual_text : str, optional
        Taken for the ``text_column`` if none is given and one column has this name.
    drop_unlabelled : bool
        If True, records without a label are left out where labels are needed.

    Returns
    -------
    Table
        Texts, labels, the columns used and the place of each record.

    Raises
    ------
    ValueError
        If the file is empty, malformed or in another encoding, if no column or several
        fit, if the header seems to be a record, or if labels are missing. The message
        names the line and the mend.
    ImportError
        If pyarrow is needed and missing.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    check_file(path)
    kind = format_of(path)
    raw = read_bytes(path)
    if kind == "parquet":
        parsed = parse_parquet(raw, path)
    else:
        content = decode(raw, path, encoding)
        if kind == "txt" and not is_fasttext(content):
            return _plain_text_table(content, path, text_column, label_column, need_labels)
        parsed = _parse(kind, content, path, header)
    if text_column is None and parsed.columns.count(usual_text) == 1:
        text_column = usual_text
    text, label = choose_columns(parsed, path, text_column, label_column, need_labels)
    texts, rows, labels = _cells(parsed, text, path), parsed.rows, None
    n_unlabelled = 0
    if label is not None:
        labels = _read_labels(parsed, label, path, need_labels and not drop_unlabelled)
        if need_labels and None in labels:
            kept = [i for i, found in enumerate(labels) if found is not None]
            n_unlabelled = len(labels) - len(kept)
            if not kept:
                raise ValueError(f"{path}: no label at all in column {parsed.columns[label]!r}")
            texts, rows, labels = ([each[i] for i in kept] for each in (texts, rows, labels))
    return Table(
        texts=texts,
        labels=labels,
        text_column=parsed.columns[text],
        label_column=None if label is None else parsed.columns[label],
        columns=parsed.columns,
        rows=rows,
        unit=parsed.unit,
        n_empty=parsed.n_empty,
        n_unlabelled=n_unlabelled,
        text_index=text,
        parsed=parsed,
    )


def _parse(kind, content, path, header) -> Parsed:
    if kind in ("csv", "tsv"):
        return (parse_csv if kind == "csv" else parse_tsv)(content, path, header)
    parse = {"jsonl": parse_jsonl, "json": parse_json, "txt": parse_fasttext}[kind]
    return parse(content, path)


def format_of(path: str | os.PathLike) -> str:
    """The format that a file's suffix says; ValueError if it says none."""
    suffix = suffix_of(path)
    kind = FORMATS.get(suffix)
    if suffix in SPREADSHEETS:
        raise ValueError(
            f"{path}: spreadsheets are not read; open it there, save it as CSV UTF-8, and pass that"
        )
    if suffix == ".fastlstm":
        raise ValueError(f"{path} is the name of a model; pass a file with documents")
    if kind is None:
        raise ValueError(
            f"{path}: the format is told by the suffix, which must be one of "
            f"{', '.join(FORMATS)} (each also with .gz)"
        )
    return kind


def _plain_text_table(content, path, text_column, label_column, need_labels):
    for role, given in (("text", text_column), ("label", label_column)):
        if given is not None:
            raise ValueError(
                f"{path}: a .txt file has no columns, so there is no column {given!r}; leave out "
                f"--{role}-column ({role}_column= in Python)"
            )
    if need_labels:
        raise ValueError(
            f"{path}: a .txt file has no labels, unless each line begins with one such as "
            "__label__pos; other labels need a file of another format, such as .csv"
        )
    texts = [line.rstrip("\r\n") for line in lines(content)]
    if not texts:
        raise ValueError(f"{path}: the file is empty")
    return Table(texts, None, None, None, (), list(range(1, len(texts) + 1)))


def _cells(parsed, index, path):
    """The cells of a column as str, or None where there is no value."""
    cells = []
    delimited = parsed.header is not None  # the formats that spreadsheets open
    for value, row in zip(parsed.column(index), parsed.rows, strict=True):
        if isinstance(value, str):
            cells.append(unguarded(value) if delimited else value)
        elif value is None or value != value:
            # NaN is how some writers put a missing value into JSON.
            cells.append(None)
        else:
            cells.append(
                _as_text(value, f"{path}: {parsed.columns[index]!r} on {parsed.unit} {row}")
            )
    return cells


def _as_text(value, where):
    if isinstance(value, (dict, list)):
        kind = "an object" if isinstance(value, dict) else "an array"
        raise ValueError(f"{where} is {kind}; it must be a string")
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{where} is not UTF-8 text; write it as a string") from None
    return str(value)


def _read_labels(parsed, index, path, need_labels):
    labels = [None if is_blank(label) else label.strip() for label in _cells(parsed, index, path)]
    missing = [row for label, row in zip(labels, parsed.rows, strict=True) if label is None]
    if missing and need_labels:
        first = ", ".join(str(row) for row in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{path}: no label in column {parsed.columns[index]!r} on {parsed.unit} {first}{more}; "
            "fill them in, or leave these rows out: --drop-unlabelled"
        )
    return labels

"""Parquet, through pyarrow where it is installed."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from fastlstm.data.parsed import Parsed, clean_name


def need_pyarrow(path) -> Any:
    """The module ``pyarrow``; ImportError says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            f"{path}: Parquet needs pyarrow: pip install 'fastlstm[parquet]'"
        ) from None
    return pyarrow


def parse_parquet(raw: bytes, path) -> Parsed:
    """Records of a Parquet file.

    Raises
    ------
    ValueError
        If it is none, or has no rows.
    ImportError
        If pyarrow is missing.
    """
    pa = need_pyarrow(path)
    try:
        table = pa.parquet.ParquetFile(pa.BufferReader(raw)).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({error})") from None
    rows = list(range(1, table.num_rows + 1))
    n_empty = 0
    if table.num_columns > 1 and rows:
        filled = _filled(pa, table)
        n_empty = filled.count(False)
        if n_empty:
            table = table.filter(pa.array(filled))
            rows = [row for row, there in zip(rows, filled, strict=True) if there]
    if not rows:
        raise ValueError(f"{path}: the file is empty")
    return Parsed(
        tuple(map(clean_name, table.column_names)),
        lambda index: _values(pa, table.column(index)),
        rows, "row", n_empty, arrow=table,
    )  # fmt: skip


def _filled(pa, table) -> list[bool]:
    """Whether each row has a value that is no blank str."""
    filled = [False] * table.num_rows
    for column in table.columns:
        if all(filled):
            break
        if _is_text(pa, column.type):
            there = [bool(value and value.strip()) for value in column.to_pylist()]
        else:
            there = column.is_valid().to_pylist()
        filled = [old or new for old, new in zip(filled, there, strict=True)]
    return filled


def _is_text(pa, kind) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return str(kind) in ("string", "large_string", "string_view")


def _values(pa, column) -> list:
    """Values as Python has them; times that it has not, as str."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        return column.cast(pa.string()).to_pylist()


def parquet_bytes(names: Sequence[str], columns: Sequence[Any], path) -> bytes:
    """A Parquet file.

    Parameters
    ----------
    names : sequence of str
        All different.
    columns : sequence
        Of each column its values, or an Arrow array, which is kept as it is. Objects and
        arrays of JSON, and values of mixed types, become str.
    path : object
        For messages.
    """
    pa = need_pyarrow(path)
    arrays = [each if isinstance(each, pa.ChunkedArray) else _array(pa, each) for each in columns]
    stream = io.BytesIO()
    pa.parquet.write_table(pa.table(arrays, names=list(names)), stream)
    return stream.getvalue()


def _array(pa, values):
    values = [_storable(value) for value in values]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [None if value is None else str(value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError):
        return pa.array([None if value is None else str(value) for value in values])


def _storable(value):
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str):
        # A lone surrogate has no UTF-8 form.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value.item() if hasattr(value, "item") else value

"""A file's records before it is known which columns are meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Parsed(NamedTuple):
    """Records of a file.

    Attributes
    ----------
    columns : tuple of str
        Names, of which some may be empty or the same.
    column : callable
        ``column(i)`` lists the values of the i-th column: str, or what JSON or Parquet has.
    rows : list of int
        Where each record is in the file, counted from 1.
    unit : {"line", "row"}
        What ``rows`` count.
    n_empty : int
        Records that were left out because all their columns are empty.
    header : bool or None
        Whether the names stand in a first line, which could also be a record. If False,
        they are the columns' numbers; None where the format has a place for names.
    arrow : pyarrow.Table or None
        The same columns as Parquet has them.
    """

    columns: tuple[str, ...]
    column: Callable[[int], list]
    rows: list[int]
    unit: str = "line"
    n_empty: int = 0
    header: bool | None = None
    arrow: Any = None


def clean_name(name: str) -> str:
    """The name of a column without the space and byte order marks around it."""
    return name.strip().strip("\ufeff").strip()


def is_blank(value: object) -> bool:
    """Whether a value says nothing: None, NaN, or a str of spaces."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())

"""Columns of a file beside its texts: for ``--side``, and for models that read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from fastlstm.cli.output import listed

if TYPE_CHECKING:
    import numpy as np


class Frame:
    """Columns of a file, as a table that classifiers take.

    Parameters
    ----------
    values : dict of str to list
        One list a column, of one length.
    """

    def __init__(self, values: dict[str, list[Any]]):
        self._values = values

    @property
    def columns(self) -> list[str]:
        return list(self._values)

    @property
    def shape(self) -> tuple[int, int]:
        return len(next(iter(self._values.values()))), len(self._values)

    def __getitem__(self, name: str) -> list[Any]:
        return self._values[name]

    @property
    def as_strings(self) -> set[str]:
        """Columns that hold strings."""
        return {
            name for name, values in self._values.items()
            if any(isinstance(value, str) for value in values)
        }  # fmt: skip

    def take(self, rows: Sequence[int] | np.ndarray) -> Frame:
        """The rows of these places."""
        return Frame({name: [v[row] for row in rows] for name, v in self._values.items()})


def frame_of(
    table, names: Sequence[str], path, text: str | None = None,
    as_strings: Collection[str] | None = None,
) -> Frame:  # fmt: skip
    """The texts of a file, and columns beside them.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Columns beside the text.
    path : path-like
        For messages.
    text : str or None
        What the column of the text is called in the frame; None leaves its name.
    as_strings : collection of str, or None
        Columns whose cells stay strings; None decides by the cells.

    Raises
    ------
    ValueError
        If the file has no such column, or several.
    """
    values = {text or table.text_column: table.texts}
    place = {row: number for number, row in enumerate(table.parsed.rows)} if table.parsed else {}
    for name in names:
        count = table.columns.count(name)
        if count != 1:
            there = f"{count} columns" if count else "no column"
            raise ValueError(
                f"{path}: there is {there} {name!r}; the file has {listed(table.columns)}"
            )
        cells = table.parsed.column(table.columns.index(name))
        found = typed(cells, None if as_strings is None else name in as_strings)
        values[name] = [found[place[row]] for row in table.rows]
    return Frame(values)


def typed(values: Sequence[Any], as_strings: bool | None = None) -> list[Any]:
    """Cells as numbers where all are, and None for those that are empty.

    Digits behind a 0, as of a postal code, are no number.
    """
    found = [None if isinstance(v, str) and not v.strip() else v for v in values]
    texts = [value for value in found if value is not None]
    if as_strings or not all(isinstance(value, str) for value in texts):
        return found
    if as_strings is None and any(v.strip()[:1] == "0" and v.strip()[1:2].isdigit() for v in texts):
        return found
    try:
        return [None if value is None else float(value) for value in found]
    except ValueError:
        return found


def chosen(table, side: Sequence[str], path) -> list[str]:
    """The columns that ``--side`` names: "auto" is all but text and label.

    Raises
    ------
    ValueError
        If there is none.
    """
    used = (table.text_column, table.label_column)
    names = list(side)
    if names == ["auto"]:
        names = [name for name in table.columns if name not in used]
    wrong = [name for name in names if name in used]
    if wrong or not names:
        what = f"{wrong[0]!r} holds the text or the label" if wrong else "no other column is there"
        raise ValueError(f"{path}: {what}; name columns beside them with --side")
    return names


def documents_of(reader, table, path):
    """What a model is to predict: the texts of a file, or its table for one that reads columns.

    Parameters
    ----------
    reader : SideReader or None
        The model's.
    table : Table
    path : path-like or None

    Raises
    ------
    ValueError
        If the model reads columns, and there are none, or not these.
    """
    if reader is None:
        return table.texts
    if reader.layout is None:
        raise ValueError("the model was fitted with X_side, which commands cannot give it")
    text, *more = reader.layout.text
    names = [*more, *reader.layout.side]
    if not names:
        return table.texts
    if table.parsed is None:
        raise ValueError(
            f"the model reads columns beside the text ({listed(names)}); pass a file that has "
            "them with --file"
        )
    as_strings = [*more, *(c.name for c in reader.encoder.columns if c.kind == "category")]
    return frame_of(table, names, path, text, as_strings)

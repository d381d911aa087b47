"""A table as documents: which of its columns hold the text, and what the others hold.

Tables are recognised by what their types offer, so none of their libraries is imported.
Rows go by their place, whatever the index of a frame says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.tables import TEXT_NAMES
from fastlstm.text.containers import FROM_0, column_names, is_missing, refuse_lazy, type_name

# Stands between the texts of several columns: a token of its own.
BETWEEN = " ||| "

# Types whose values are missing where they are None or NaN.
_PLAIN = {str, int, float, bool, type(None)}

# Columns of these names stand before a text, as its title.
TITLE_NAMES = ("title", "headline", "subject", "summary", "heading", "标题", "主题")

# Rows that tell whether a column holds texts.
_LOOKED_AT = 1000

# A text has this many characters on average, at least, and most texts differ.
_SHORTEST_TEXT = 20
_LEAST_DISTINCT = 0.5


class Layout(NamedTuple):
    """Which columns of a table are read.

    Attributes
    ----------
    text : tuple of str
        Names of the columns that hold the text, in their order.
    side : tuple of str
        Names of those beside it.
    """

    text: tuple[str, ...]
    side: tuple[str, ...]


def is_table(X: Any, name: str = "X") -> bool:
    """Whether it is a data frame or table, with its columns under names.

    Raises
    ------
    TypeError
        If it has not been computed.
    """
    refuse_lazy(X, name)
    return column_names(X) is not None


def columns_of(X: Any, name: str = "X") -> list[str]:
    """Names of the columns of a table.

    Raises
    ------
    ValueError
        If a name is not a str, or two columns have the same.
    """
    names = column_names(X) or []
    for column in names:
        if not isinstance(column, str):
            raise ValueError(
                f"{name} has a column named {column!r}, a {type_name(column)}; columns are found "
                f"by name: rename them to str, for example {name}.columns.astype(str)."
            )
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(
            f"{name} has {names.count(twice[0])} columns named {twice[0]!r}; rename or drop all "
            "but one."
        )
    return names


def column(X: Any, which: str) -> list[Any]:
    """The values of one column; missing ones are None."""
    series = X[which]
    for method in ("to_pylist", "tolist", "to_list"):  # pyarrow; pandas; polars
        if hasattr(type(series), method):
            values = list(getattr(series, method)())
            break
    else:
        values = list(series)
    if set(map(type, values)) <= _PLAIN:
        return [None if value != value else value for value in values]  # NaN
    return [None if is_missing(value) else value for value in values]


def find_layout(X: Any, text_column: str | Sequence[str] | None, with_side: bool) -> Layout:
    """Which columns hold the text, and which stand beside it.

    Parameters
    ----------
    X : data frame or table
    text_column : str, list or tuple of str, or None
        None finds it: a column of a usual name ("text", "review" and others), or the only one
        that holds texts.
    with_side : bool
        Whether other columns are read.

    Raises
    ------
    ValueError
        If there is no text column, if several could be it, or if a name is not there.
    """
    names = columns_of(X)
    if text_column is None:
        text = _found(X, names)
    else:
        text = (text_column,) if isinstance(text_column, str) else tuple(text_column)
        for which in text:
            if which not in names:
                raise ValueError(
                    f"text_column={which!r} is not a column of X, which has {_shown(names)}."
                )
        if len(set(text)) < max(1, len(text)):
            raise ValueError(f"text_column={text_column!r} names no column, or one twice.")
    side = tuple(name for name in names if name not in text) if with_side else ()
    return Layout(text, side)


def _found(X: Any, names: list[str]) -> tuple[str, ...]:
    if len(names) == 1:
        return (names[0],)
    strings = {name: values for name in names if (values := _strings(column(X, name)))}
    texts = [name for name, values in strings.items() if _reads_like_texts(values)]
    known = [name for name in strings if name.casefold() in TEXT_NAMES]
    if len(known) == 1 and (not texts or _is_prose(strings[known[0]])):
        texts = known
    titles = [name for name in strings if name.casefold() in TITLE_NAMES]
    bodies = [name for name in texts if name not in titles]
    if len(bodies) == 1:
        return (*titles, bodies[0]) if len(titles) == 1 else (bodies[0],)
    if not texts:
        raise ValueError(
            f"none of the columns of X ({_shown(names)}) seems to hold texts; name it with "
            "text_column=."
        )
    if len(texts) == 1:
        return (texts[0],)
    raise ValueError(
        f"several columns of X could hold the text: {_shown(bodies or texts)}. Name it with "
        f"text_column={(bodies or texts)[0]!r}, or all that are to be read together, with "
        f"text_column={(bodies or texts)!r}."
    )


def _strings(values: list[Any]) -> list[str]:
    """The first values of a column that are not missing; none if they are no strings."""
    some = [value for value in values if value is not None][:_LOOKED_AT]
    return some if all(isinstance(value, str) for value in some) else []


def _reads_like_texts(some: list[str]) -> bool:
    distinct = len(set(some)) / len(some)
    length = sum(map(len, some)) / len(some)
    return distinct >= _LEAST_DISTINCT and length >= _SHORTEST_TEXT and _is_prose(some)


def _is_prose(some: list[str]) -> bool:
    """Whether most are no keys: they have spaces or, in scripts without, other characters."""
    return 2 * sum(" " in value.strip() or not value.isascii() for value in some) >= len(some)


def texts_of(X: Any, layout: Layout, missing: str, name: str = "X") -> list[str]:
    """The text of each row; several columns one behind the other.

    Parameters
    ----------
    X : data frame or table
    layout : Layout
    missing : {"error", "empty"}
        What to do with a row that has no text in any of the columns, or with a column that
        is not there.
    name : str
        How messages call the table.

    Raises
    ------
    ValueError, TypeError
        Names the row and the column.
    """
    names = columns_of(X, name)
    parts = []
    for which in layout.text:
        if which not in names:
            if missing == "empty" and len(layout.text) > 1:
                continue
            raise ValueError(_no_column(name, which, names))
        parts.append(_texts(column(X, which), which, name))
    if not parts:
        raise ValueError(_no_column(name, layout.text[0], names))
    n = len(parts[0])
    texts = [BETWEEN.join(found) for found in zip(*parts, strict=True)]
    if missing == "error":
        for row in range(n):
            if all(part[row] is _NOTHING for part in parts):
                where = " and ".join(map(repr, layout.text))
                raise ValueError(
                    f"{name} has no text in row {row} (column {where}); "
                    f"set_params(missing='empty') takes it as empty, or drop the row. {FROM_0}"
                )
    return texts


class _Nothing(str):
    """Stands for a missing text, which is empty."""


_NOTHING = _Nothing()


def _texts(values: list[Any], which: str, name: str) -> list[str]:
    for row, value in enumerate(values):
        if value is None:
            values[row] = _NOTHING
        elif not isinstance(value, str):
            raise TypeError(
                f"{name} must hold str in column {which!r}, but row {row} is "
                f"{type_name(value)}; turn it into text, or name another text_column. {FROM_0}"
            )
    return values


def side_values(
    X: Any, side: Iterable[str], missing: str, name: str = "X"
) -> dict[str, list[Any] | None]:
    """The values of the columns beside the text; None for one that is not there.

    Raises
    ------
    ValueError
        If a column is not there while ``missing`` is "error".
    """
    names = columns_of(X, name)
    found: dict[str, list[Any] | None] = {}
    for which in side:
        if which in names:
            found[which] = column(X, which)
        elif missing == "empty":
            found[which] = None
        else:
            raise ValueError(
                _no_column(name, which, names)
                + " set_params(missing='empty') takes its values as missing."
            )
    return found


def _no_column(name: str, which: str, names: list[str]) -> str:
    return (
        f"{name} has no column {which!r}, which the model was fitted with; it has {_shown(names)}."
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more


def n_rows(X: Any) -> int:
    """Rows of a table."""
    shape = getattr(X, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) else len(X)


def check_vectors(vectors: Any, n_documents: int, name: str = "X_side") -> np.ndarray:
    """Vectors beside documents, float64, shape (n_documents, width); NaN is missing.

    Raises
    ------
    ValueError, TypeError
        If they are not two-dimensional numbers, of another number than the documents, or
        infinite.
    """
    if column_names(vectors) is not None:
        raise TypeError(
            f"{name} is a {type_name(vectors)}; its numbers go by their place, so pass a "
            f"two-dimensional array, for example {name}.to_numpy()."
        )
    if isinstance(vectors, np.ma.MaskedArray):
        vectors = np.ma.filled(vectors.astype(np.float64), np.nan)
    if np.iscomplexobj(vectors):
        raise TypeError(f"{name} has complex numbers; pass their parts as two numbers each.")
    try:
        found = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be a two-dimensional array of numbers: {error}. Encode other columns "
            "first, or pass a table as X."
        ) from error
    if found.ndim != 2:
        raise ValueError(
            f"{name} has {found.ndim} dimension(s); pass one vector a document: an array of "
            f"shape ({n_documents}, width)."
        )
    if len(found) != n_documents:
        raise ValueError(
            f"{name} has {len(found)} rows and X has {n_documents} documents; pass one vector a "
            "document, in the order of X."
        )
    bad = np.argwhere(np.isinf(found))
    if len(bad):
        row, place = bad[0]
        raise ValueError(
            f"{name} is infinite in row {row}, column {place}; use NaN for what is missing. "
            f"{FROM_0}"
        )
    return found

"""One column of values from the containers that users keep documents and labels in.

Containers are recognised by what their types offer, so none of their libraries is
imported. The type is asked, not the object: a pandas Series answers for the words of its
index, and a data frame for its columns.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.core.tables import FORMATS, LABEL_NAMES, SPREADSHEETS, TEXT_NAMES, suffix_of

# Rows of a frame that tell which column holds the texts.
_LOOKED_AT = 100

# What messages that name a row end with: the index of a data frame may have other numbers.
FROM_0 = "Rows are counted from 0."

# What is computed only when asked -> by which method.
_LAZY = {"toPandas": "toPandas", "__dask_graph__": "compute", "collect": "collect"}


def read_column(X: Any, name: str, what: str) -> list[Any] | np.ndarray:
    """The values of a container, not yet checked.

    Parameters
    ----------
    X : list, tuple or other sequence, ndarray, series, or one-column data frame
        Of pandas, polars or pyarrow, or what offers the same.
    name, what : str
        How messages call the argument, and what it should hold: "documents", "labels".

    Returns
    -------
    values : list, or ndarray of 1 or more dimensions
        Always a new list. An array where `X` is one or has a NumPy dtype; it may be
        `X`. Masked members, and missing ones of NumPy's StringDType, are None in it.

    Raises
    ------
    TypeError
        `X` is no such container.
    ValueError
        It has more than one column.
    """
    if isinstance(X, (list, tuple)):
        return _members(X)
    if isinstance(X, str) and _is_file_name(X):
        raise TypeError(
            f"{name} is the str {X!r}, which looks like the name of a file; {_how_to_read(X, what)}"
        )
    if isinstance(X, (str, bytes, bytearray)):
        raise TypeError(f"{name} is a single {type_name(X)}; pass a list of {what}: [{name}]")
    if isinstance(X, np.ndarray):
        return _array(X, name, what)
    kind = type(X)
    refuse_lazy(X, name)
    if hasattr(kind, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix; pass a list of {what}, not what was made of them"
        )
    columns = column_names(X)
    if columns is not None:
        if len(columns) != 1:
            raise ValueError(_several_columns(X, columns, name, what))
        series = X.iloc[:, 0] if hasattr(kind, "iloc") else X[columns[0]]
        return read_column(series, name, what)
    if isinstance(getattr(X, "dtype", None), np.dtype) and hasattr(kind, "__array__"):
        return _array(np.asarray(X), name, what)
    if hasattr(kind, "__len__") and _dimensions(X) == 1:
        for method in ("to_pylist", "tolist", "to_list"):  # pyarrow; pandas and others; polars
            if hasattr(kind, method):
                return list(getattr(X, method)())
        if isinstance(X, Sequence):
            return _members(X)
    if hasattr(kind, "__array__"):
        return _array(np.asarray(X), name, what)
    raise TypeError(
        f"{name} must be a list, tuple, one-dimensional array, series or one-column data frame "
        f"of {what}, got {type_name(X)}; {_mend(X, name, what)}"
    )


def refuse_lazy(X: Any, name: str) -> None:
    """Refuse what is computed only when asked, with a TypeError that says how to ask."""
    for sign, method in _LAZY.items():
        if hasattr(type(X), sign) and not isinstance(X, np.ndarray):
            raise TypeError(
                f"{name} is a {type_name(X)}, which has not been computed; "
                f"call {name}.{method}() first"
            )


def column_names(X: Any) -> list[Any] | None:
    """Names of the columns of a data frame or table; None for anything else."""
    if isinstance(X, np.ndarray) or _dimensions(X) != 2:
        return None
    # pyarrow's tables have "columns" too, but those are the data.
    for attribute in ("column_names", "columns"):
        if hasattr(type(X), attribute):
            return list(getattr(X, attribute))
    return None


def _several_columns(X: Any, columns: Sequence[Any], name: str, what: str) -> str:
    """The message for a frame of another number of columns than one."""
    shown = ", ".join(repr(column) for column in columns[:10])
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    likely = _likely_column(X, columns, what)
    example = "" if likely is None else f", probably {name}[{likely!r}]"
    return (
        f"{name} has {len(columns)} columns ({shown}{more}); pass the one with the {what}{example}"
    )


def _likely_column(X: Any, columns: Sequence[Any], what: str) -> Any:
    """The one column of a usual name, else the one with the longest texts; None if none is."""
    names = TEXT_NAMES if what == "documents" else LABEL_NAMES
    known = [column for column in columns if str(column).casefold() in names]
    if known:
        return known[0] if len(known) == 1 else None
    if what != "documents" or len(set(map(str, columns))) < len(columns):
        return None
    lengths: dict[Any, float] = {}
    # Whatever a frame may do, the message comes first.
    with contextlib.suppress(Exception):
        some = X.iloc[:_LOOKED_AT] if hasattr(type(X), "iloc") else X[:_LOOKED_AT]
        for column in columns:
            texts = [value for value in _members(list(some[column])) if isinstance(value, str)]
            if texts:
                lengths[column] = sum(map(len, texts)) / len(texts)
    longest = [column for column, n in lengths.items() if n == max(lengths.values())]
    return longest[0] if len(longest) == 1 else None


def type_name(X: Any) -> str:
    """Name of the type of a value with its module, by the shortest way to import it."""
    kind = type(X)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    package = kind.__module__.partition(".")[0].lstrip("_")
    if getattr(sys.modules.get(package), kind.__qualname__, None) is kind:
        return f"{package}.{kind.__qualname__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def plain_value(value: Any) -> Any:
    """A str or int for members of their subclasses, such as those of an Enum."""
    # str(value) and int(value) may call methods of the subclass.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__int__(value)
    return value


def is_missing(value: Any) -> bool:
    """Whether a value is None, masked, a NaN or NaT of any type, or pandas' NA."""
    if value is None or value is np.ma.masked:
        return True
    if isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def _members(X: Sequence[Any]) -> list[Any]:
    """The members of a sequence, taken out of scalars of pyarrow and 0-d arrays."""
    values = list(X)
    first = values[0] if values else None
    if hasattr(type(first), "as_py"):
        return [value.as_py() if hasattr(value, "as_py") else value for value in values]
    if getattr(first, "shape", None) == () and not isinstance(first, np.generic):
        return [value.item() if hasattr(value, "item") else value for value in values]
    return values


def _array(X: np.ndarray, name: str, what: str) -> np.ndarray:
    if X.ndim == 0:
        raise TypeError(f"{name} is an array without dimensions; pass a list of {what}")
    if isinstance(X, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(X)
        if not masked.any():
            return X.data
        values = X.data.astype(object)
        values[masked] = None
        return values
    if X.dtype.kind == "T":  # variable-width strings, which scikit-learn does not read
        na = getattr(X.dtype, "na_object", None)
        X = X.astype(object)
        if not isinstance(na, str):
            X[np.frompyfunc(lambda value: value is na, 1, 1)(X).astype(bool)] = None
        return X
    return np.asarray(X)  # not a matrix, which stays two-dimensional


def _dimensions(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return len(shape) if isinstance(shape, tuple) else 1


def _is_file_name(text: str) -> bool:
    """Whether a str is the name of a file of documents, or of any that is there."""
    return suffix_of(text) in (*FORMATS, *SPREADSHEETS) or os.path.isfile(text)


def _how_to_read(path: str, what: str) -> str:
    """How to read a file of documents, by its suffix."""
    kind = "excel" if suffix_of(path) in SPREADSHEETS else FORMATS.get(suffix_of(path), "txt")
    if kind == "txt":
        return (
            f"read the file first, for example open({path!r}, encoding='utf-8').read().splitlines()"
        )
    more = {"tsv": ", sep='\\t'", "jsonl": ", lines=True"}.get(kind, "")
    reader = {"tsv": "csv", "jsonl": "json"}.get(kind, kind)
    column = "text" if what == "documents" else "label"
    return (
        f"read the file first, for example pandas.read_{reader}({path!r}{more})[{column!r}], or "
        "train with the command fastlstm train"
    )


def _mend(X: Any, name: str, what: str) -> str:
    if isinstance(X, Mapping):
        return f"pass one of its values, such as {name}['text'], or list({name}.values())"
    if isinstance(X, (set, frozenset)):
        return f"it has no order: pass a list of {what}"
    if isinstance(X, os.PathLike):
        return _how_to_read(os.fsdecode(X), what)
    if hasattr(type(X), "readlines"):
        return f"read the file first, for example {name}.read().splitlines()"
    if isinstance(X, Iterable):
        return f"if it holds {what}, pass list({name})"
    return f"pass a list of {what}"

"""One column of values from the containers that users keep documents and labels in.

Containers are recognised by what their types offer, so none of their libraries is
imported. The type is asked, not the object: a pandas Series answers for the words of its
index, and a data frame for its columns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

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
    if isinstance(X, (str, bytes, bytearray)):
        raise TypeError(f"{name} is a single {type_name(X)}; pass a list of {what}: [{name}]")
    if isinstance(X, np.ndarray):
        return _array(X, name, what)
    kind = type(X)
    for sign, method in _LAZY.items():
        if hasattr(kind, sign):
            raise TypeError(
                f"{name} is a {type_name(X)}, which has not been computed; "
                f"call {name}.{method}() first"
            )
    if hasattr(kind, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix; pass a list of {what}, not what was made of them"
        )
    columns = column_names(X)
    if columns is not None:
        if len(columns) != 1:
            raise ValueError(several_columns(columns, name, what))
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


def column_names(X: Any) -> list[Any] | None:
    """Names of the columns of a data frame or table; None for anything else."""
    if isinstance(X, np.ndarray) or _dimensions(X) != 2:
        return None
    # pyarrow's tables have "columns" too, but those are the data.
    for attribute in ("column_names", "columns"):
        if hasattr(type(X), attribute):
            return list(getattr(X, attribute))
    return None


def several_columns(columns: Sequence[Any], name: str, what: str) -> str:
    """The message for a frame of another number of columns than one."""
    shown = ", ".join(repr(column) for column in columns[:10])
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    example = repr(columns[0]) if columns else "'text'"
    return (
        f"{name} has {len(columns)} columns ({shown}{more}); pass the one with the {what}, "
        f"for example {name}[{example}]"
    )


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


def _mend(X: Any, name: str, what: str) -> str:
    if isinstance(X, Mapping):
        return f"pass one of its values, such as {name}['text'], or list({name}.values())"
    if isinstance(X, (set, frozenset)):
        return f"it has no order: pass a list of {what}"
    if isinstance(X, os.PathLike):
        return f"read the file first, for example {name}.read_text().splitlines()"
    if hasattr(type(X), "readlines"):
        return f"read the file first, for example {name}.read().splitlines()"
    if isinstance(X, Iterable):
        return f"if it holds {what}, pass list({name})"
    return f"pass a list of {what}"

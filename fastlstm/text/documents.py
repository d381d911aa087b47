"""Reading of documents from the containers that users keep them in.

Data frames and series are recognised by what they offer, so none of their
libraries is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def check_documents(
    X: Any, *, missing: str = "error", name: str = "X"
) -> tuple[list[str], np.ndarray]:
    """Documents as a list of str.

    Parameters
    ----------
    X : list, tuple, ndarray of shape (n_documents,), series, or one-column data frame
        Documents; a series or data frame of pandas, polars or pyarrow.
    missing : {"error", "empty"}, default="error"
        What to do with None, NaN, ``pandas.NA`` and ``pandas.NaT``: raise, or take
        an empty document.
    name : str, default="X"
        How messages call the argument.

    Returns
    -------
    texts : list of str
        A new list; members of subclasses of str have become str.
    missing_mask : ndarray of bool, shape (n_documents,)
        Where a document was missing.

    Raises
    ------
    TypeError
        `X` is no such container, or a member is neither a str nor missing.
    ValueError
        There are no documents, more than one column, or missing documents while
        `missing` is "error".
    """
    if missing not in ("error", "empty"):
        raise ValueError(f"missing must be 'error' or 'empty', got {missing!r}")
    rows = _rows(X, name)
    if not rows:
        raise ValueError(f"{name} holds no documents; pass at least one")
    mask = np.zeros(len(rows), dtype=bool)
    if set(map(type, rows)) == {str}:
        return rows, mask
    texts = [""] * len(rows)
    for row, value in enumerate(rows):
        if isinstance(value, str):
            # str(value) may call a method of the subclass.
            texts[row] = str.__str__(value)
        elif is_missing(value):
            mask[row] = True
        else:
            raise TypeError(_wrong_member(row, value, name))
    if missing == "error" and mask.any():
        first = int(mask.argmax())
        raise ValueError(
            f"{name} has {mask.sum()} missing document(s), the first in row {first} "
            f"({rows[first]!r}); pass missing='empty' to take them as empty, or drop the row(s)"
        )
    return texts, mask


def _rows(X: Any, name: str) -> list[Any]:
    """The members of `X` as a new list, not yet checked."""
    if isinstance(X, (list, tuple)):
        return list(X)
    if isinstance(X, (str, bytes, bytearray)):
        raise TypeError(
            f"{name} is a single {type(X).__name__}; pass a list of documents: [{name}]"
        )
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix; pass a list of documents, the texts before they "
            "were vectorised"
        )
    if isinstance(X, np.ndarray):
        return _array_rows(X, name)
    columns = _column_names(X)
    if columns is not None:
        return _frame_rows(X, columns, name)
    if hasattr(X, "__len__") and _dimensions(X) == 1:
        for method in ("to_pylist", "to_list", "tolist"):  # pyarrow; polars and pandas; others
            if hasattr(X, method):
                return list(getattr(X, method)())
    if hasattr(X, "collect_schema"):
        raise TypeError(
            f"{name} is a {type(X).__name__}, which has not been computed; "
            f"call {name}.collect() first"
        )
    raise TypeError(
        f"{name} must be a list, tuple, one-dimensional array, series or one-column data frame "
        f"of documents, got {type(X).__name__}; if it holds documents, pass list({name})"
    )


def _dimensions(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return len(shape) if isinstance(shape, tuple) else 1


def _array_rows(X: np.ndarray, name: str) -> list[Any]:
    if X.size == 0:
        return []
    if X.dtype.kind in "biufcmMV":
        raise TypeError(
            f"{name} is an array of {X.dtype}; pass documents as str. "
            "LSTMClassifier takes token ids"
        )
    if X.ndim == 0:
        raise TypeError(f"{name} is an array without dimensions; pass a list of documents")
    if X.ndim > 1:
        columns = X.shape[1]
        one = X.ndim == 2 and columns == 1
        mend = f"{name}.ravel()" if one else f"one column, for example {name}[:, 0]"
        raise ValueError(
            f"{name} is an array of shape {X.shape}; documents are one-dimensional: pass {mend}"
        )
    return list(X.tolist())


def _column_names(X: Any) -> list[Any] | None:
    """Names of the columns of a data frame or table; None for anything else."""
    if _dimensions(X) != 2:
        return None
    # pyarrow's tables have "columns" too, but those are the data.
    for attribute in ("column_names", "columns"):
        names = getattr(X, attribute, None)
        if names is not None:
            return list(names)
    return None


def _frame_rows(X: Any, columns: list[Any], name: str) -> list[Any]:
    if len(columns) != 1:
        shown = ", ".join(repr(column) for column in columns[:10])
        more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
        example = repr(columns[0]) if columns else "'text'"
        raise ValueError(
            f"{name} has {len(columns)} columns ({shown}{more}); pass the one with the "
            f"documents, for example {name}[{example}]"
        )
    series = X.iloc[:, 0] if hasattr(X, "iloc") else X[columns[0]]
    return _rows(series, name)


def is_missing(value: Any) -> bool:
    """Whether a value is None, a NaN of any float type, or pandas' NA or NaT."""
    if value is None:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def _wrong_member(row: int, value: Any, name: str) -> str:
    kind = type(value).__name__
    if isinstance(value, (bytes, bytearray)):
        mend = "decode it, for example value.decode('utf-8')"
    elif isinstance(value, (Sequence, np.ndarray)):
        mend = "join its tokens, for example ' '.join(tokens), or pass token ids to LSTMClassifier"
    else:
        mend = "turn it into text, for example str(value), or drop the row"
    return f"{name} must hold str, but row {row} is {kind}; {mend}"

"""Documents, checked: from any container of ``read_column`` to a list of str."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.text.containers import (
    FROM_0,
    is_missing,
    plain_value,
    read_column,
    type_name,
)

# What to do with missing documents, by who takes them.
OF_ESTIMATOR = "set_params(missing='empty') takes them as empty"
OF_OTHERS = "pass '' in their place"


def check_documents(
    X: Any,
    *,
    missing: str = "error",
    name: str = "X",
    allow_empty: bool = False,
    mend: str = OF_ESTIMATOR,
) -> tuple[list[str], np.ndarray]:
    """Documents as a list of str.

    Parameters
    ----------
    X : list, tuple or other sequence, ndarray, series, or one-column data frame
        Documents; an array of shape (n_documents,) or (n_documents, 1); a series or data
        frame of pandas, polars or pyarrow.
    missing : {"error", "empty"}, default="error"
        What to do with None, NaN, ``pandas.NA``, ``pandas.NaT`` and masked members:
        raise, or take an empty document.
    name : str, default="X"
        How messages call the argument.
    allow_empty : bool, default=False
        Whether there may be no documents at all.
    mend : str
        What the message about missing documents advises, besides dropping them.

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
    values = read_column(X, name, "documents")
    rows = values if isinstance(values, list) else _of_array(values, name)
    if not rows and not allow_empty:
        raise ValueError(f"{name} holds no documents; pass at least one")
    mask = np.zeros(len(rows), dtype=bool)
    if set(map(type, rows)) <= {str}:
        return rows, mask
    texts = [""] * len(rows)
    for row, value in enumerate(rows):
        if isinstance(value, str):
            texts[row] = plain_value(value)
        elif is_missing(value):
            mask[row] = True
        else:
            raise TypeError(_wrong_member(row, value, name))
    if missing == "error" and mask.any():
        first = int(mask.argmax())
        raise ValueError(
            f"{name} has {mask.sum()} missing document(s), the first in row {first} "
            f"({rows[first]!r}); {mend}, or drop the row(s). {FROM_0}"
        )
    return texts, mask


def _of_array(X: np.ndarray, name: str) -> list[Any]:
    # A column without any value is numeric in pandas: its rows are missing.
    if X.size and X.dtype.kind in "biufcmMV" and not (X != X).all():
        raise TypeError(
            f"{name} is an array of {X.dtype}; pass documents as str. "
            "LSTMClassifier takes token ids"
        )
    # scikit-learn hands on one column as an array of two dimensions.
    if X.ndim > 2 or X.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"{name} is an array of shape {X.shape}; documents are one-dimensional: "
            f"pass one column, for example {name}[:, 0]"
        )
    return list(X.ravel().tolist())


def _wrong_member(row: int, value: Any, name: str) -> str:
    if isinstance(value, (bytes, bytearray)):
        mend = "decode it, for example value.decode('utf-8')"
    elif isinstance(value, (Sequence, np.ndarray)):
        mend = "join its tokens, for example ' '.join(tokens), or pass token ids to LSTMClassifier"
    elif isinstance(value, Mapping):
        mend = "take the text out of it, for example value['text'], or drop the row"
    else:
        mend = "turn it into text, for example str(value), or drop the row"
    return f"{name} must hold str, but row {row} is {type_name(value)}; {mend}. {FROM_0}"

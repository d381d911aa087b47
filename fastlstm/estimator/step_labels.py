"""Labels of steps: a container of them for each document, and one array inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.estimator.validation import check_labels, check_weights
from fastlstm.text.containers import FROM_0, type_name


def flat_labels(y: Any, lengths: np.ndarray, name: str = "y", checked: bool = True) -> np.ndarray:
    """Labels of all steps, one after the other.

    Parameters
    ----------
    y : sequence of 1-D array-likes, or 2-D array
        A label for each step of each document.
    lengths : int64 array, shape (n_documents,)
    name : str
        How messages call it.
    checked : bool
        Whether they are checked as labels to learn from.

    Raises
    ------
    ValueError, TypeError
        Names the document, and the step.
    """
    arrays = _of_documents(y, lengths, name, "labels", "label")
    if not arrays:
        return np.zeros(0, dtype=np.int64)
    flat = np.concatenate(arrays)
    kinds = {array.dtype.kind for array in arrays if len(array)}
    if len(kinds & set("OUS")) and len(kinds) > 1:
        flat = np.concatenate([array.astype(object) for array in arrays])
    if not checked:
        return flat
    try:
        return check_labels(flat, name)
    except (TypeError, ValueError):
        for row, array in enumerate(arrays):  # whose message names the document
            check_labels(array, f"{name} of document {row}")
        raise


def flat_weights(sample_weight: Any, lengths: np.ndarray) -> np.ndarray:
    """Weights of all steps: given for each step, or for each document and then all its steps."""
    if sample_weight is None or np.ndim(_first(sample_weight)) == 0:
        return np.repeat(check_weights(sample_weight, len(lengths)), lengths)
    arrays = _of_documents(sample_weight, lengths, "sample_weight", "weights", "weight")
    return check_weights(np.concatenate(arrays), int(lengths.sum()))


def _first(values: Any) -> Any:
    try:
        return next(iter(values))
    except (TypeError, StopIteration):
        return 0.0


def _of_documents(
    values: Any, lengths: np.ndarray, name: str, many: str, one: str
) -> list[np.ndarray]:
    if values is None:
        raise ValueError(f"{name} is None. Pass an array with one {one} a step for each document.")
    try:
        arrays = [np.asarray(given) for given in values]
    except TypeError as error:
        raise TypeError(
            f"{name} is {type_name(values)}. Pass an array with one {one} a step for each document."
        ) from error
    if len(arrays) != len(lengths):
        raise ValueError(
            f"X has {len(lengths)} documents and {name} has {many} of {len(arrays)} (inconsistent "
            f"numbers of samples). Pass an array with one {one} a step for each document."
        )
    for row, array in enumerate(arrays):
        if array.ndim != 1:
            raise ValueError(
                f"{name} of document {row} has {array.ndim} axes. With targets='steps' each "
                f"document has a 1-D array, one {one} a step. {FROM_0}"
            )
        if len(array) != lengths[row]:
            raise ValueError(
                f"{name} has {len(array)} {many} of document {row}, which has {lengths[row]} "
                f"steps. Pass one {one} a step. {FROM_0}"
            )
    return arrays


def by_document(values: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """What belongs to the steps of each document."""
    return np.split(values, offsets[1:-1])

"""Labels and weights of steps: a container of them for each document, and one array inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.estimator.sequences import SequenceData, place_of
from fastlstm.estimator.validation import check_labels, check_weights, read_labels
from fastlstm.text.containers import FROM_0, column_names, type_name


def flat_labels(
    y: Any, data: SequenceData, name: str = "y", documents: str = "X", checked: bool = True
) -> np.ndarray:
    """Labels of all steps, one after the other.

    Parameters
    ----------
    y : sequence of 1-D array-likes, or 2-D array
        A label for each step of each document. Those at padding are left out.
    data : SequenceData
    name, documents : str
        How messages call labels and documents.
    checked : bool
        Whether they are checked as labels to learn from.

    Raises
    ------
    ValueError, TypeError
        Names the document, and the step.
    """
    each = _of_documents(y, data, name, documents, "labels", "label")
    if not data.lengths.any():
        raise ValueError(f"no document of {documents} has a step, so there is nothing to label.")
    return _checked(each, check_labels if checked else read_labels, name)


def flat_weights(sample_weight: Any, data: SequenceData) -> np.ndarray:
    """Weights of all steps: given for each step, or for each document and then all its steps."""
    n, lengths = int(data.lengths.sum()), data.lengths
    if sample_weight is None or (
        column_names(sample_weight) is None and np.ndim(_first(sample_weight)) == 0
    ):
        return check_weights(np.repeat(check_weights(sample_weight, len(lengths)), lengths), n)
    weight = _joined(_of_documents(sample_weight, data, "sample_weight", "X", "weights", "weight"))
    try:
        return check_weights(weight, n)
    except ValueError as error:
        numbers = np.array(weight, dtype=np.float64)
        bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
        if not len(bad):
            raise
        row, step = place_of(bad[0], data.sequences_.offsets)
        raise ValueError(
            f"sample_weight is {weight[bad[0]]} in document {row}, step {step}. Weights are finite "
            f"numbers of at least 0, and 0 leaves a step out. {FROM_0}"
        ) from error


def refuse_unknown_labels(labels: np.ndarray, classes: Any, data: SequenceData, name: str) -> None:
    """Refuse labels of steps that are none of the classes, by document and step."""
    unknown = np.flatnonzero(~np.isin(labels, classes))
    if len(unknown):
        row, step = place_of(unknown[0], data.sequences_.offsets)
        raise ValueError(
            f"{name} has label {labels.tolist()[unknown[0]]!r} in document {row}, step {step}, "
            f"which is not among the classes {classes.tolist()}. The first call decides the "
            f"classes: pass them all there. {FROM_0}"
        )


def by_document(values: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """What belongs to the steps of each document."""
    return np.split(values, offsets[1:-1]) if len(offsets) > 1 else []


def _first(values: Any) -> Any:
    try:
        return next(iter(values))
    except (TypeError, StopIteration):
        return 0.0


def _of_documents(
    values: Any, data: SequenceData, name: str, documents: str, many: str, one: str
) -> list[Any]:
    """The values of each document without those at padding: a plain array, or a list."""
    mend = f"Pass an array with one {one} a step for each document"
    if values is None:
        raise ValueError(f"{name} is None. {mend}.")
    values = np.asarray(values) if column_names(values) is not None else values
    if hasattr(type(values), "to_pylist"):
        values = values.to_pylist()
    try:
        members = list(values)
    except TypeError as error:
        raise TypeError(f"{name} is {type_name(values)}. {mend}.") from error
    lengths, padded = data.lengths, data.real_
    if len(members) != len(lengths):
        raise ValueError(
            f"{documents} has {len(lengths)} documents and {name} has {many} of {len(members)} "
            f"(inconsistent numbers of samples). {mend}."
        )
    found: list[Any] = []
    for row, given in enumerate(members):
        own = given
        if not isinstance(own, np.ndarray) or own.dtype.kind == "O" or np.ma.isMaskedArray(own):
            if isinstance(own, str) or not hasattr(type(own), "__iter__"):
                raise ValueError(
                    f"{name} of document {row} is {type_name(own)}. With targets='steps' each "
                    f"document has a 1-D array, one {one} a step. {FROM_0}"
                )
            own = own.tolist() if hasattr(type(own), "tolist") else list(own)
        if isinstance(own, np.ndarray) and own.ndim != 1:
            raise ValueError(
                f"{name} of document {row} has {own.ndim} axes. With targets='steps' each "
                f"document has a 1-D array, one {one} a step. {FROM_0}"
            )
        if padded is not None and len(own) == len(padded[row]) != lengths[row]:
            own = [value for value, real in zip(own, padded[row], strict=True) if real]
        if len(own) != lengths[row]:
            raise ValueError(
                f"{name} has {len(own)} {many} of document {row}, which has {lengths[row]} "
                f"steps. Pass one {one} a step. {FROM_0}"
            )
        found.append(own)
    return found


def _joined(each: list[Any]) -> Any:
    """The values of some documents: one array where all are of one kind, else a list."""
    some = [own for own in each if len(own)]
    if some and all(isinstance(own, np.ndarray) for own in some):
        kinds = {own.dtype.kind for own in some}
        if len(kinds) == 1 and kinds <= set("biufU"):
            return np.concatenate(some)
    return [v for own in some for v in (own.tolist() if isinstance(own, np.ndarray) else own)]


def _checked(each: list[Any], check: Callable[[Any, str], np.ndarray], name: str) -> np.ndarray:
    """What ``check`` makes of all values; of an error it is found out which document it is in."""
    try:
        return check(_joined(each), name)
    except (TypeError, ValueError):
        low, high = 0, len(each)
        while high - low > 1:
            middle = (low + high) // 2
            if _fails(each[low:middle], check, name):
                high = middle
            elif _fails(each[middle:high], check, name):
                low = middle
            else:
                raise  # they do not go together
        check(each[low], f"{name} of document {low}")
        raise


def _fails(each: list[Any], check: Callable[[Any, str], np.ndarray], name: str) -> bool:
    try:
        check(_joined(each), name)
    except (TypeError, ValueError):
        return True
    return False

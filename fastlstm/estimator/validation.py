"""What users hand in, checked and turned into arrays; errors name row and mend."""

from __future__ import annotations

import difflib
import inspect
import numbers
from collections.abc import Sequence
from enum import Enum

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from fastlstm.core.records import PAD_ID
from fastlstm.text.containers import (
    FROM_0,
    column_names,
    is_missing,
    plain_value,
    read_column,
    type_name,
)

# Members of labels that are given as rows of a matrix.
_ROWS = (list, tuple, np.ndarray)

# Members that NumPy makes a number of, or a dtype that is refused by its name.
_SINGLE = (int, float, complex, bytes, np.generic)

# Of more labels than these scikit-learn says whether too many are distinct.
_FEW_LABELS = 20

# What other libraries call arguments of ``fit``.
_OTHER_NAMES = {
    **dict.fromkeys(("validation_data", "eval_set", "x_valid", "val_data"), ("X_val", "y_val")),
    **dict.fromkeys(("unlabelled", "unlabeled", "unlabelled_texts"), ("X_unlabelled",)),
    "weights": ("sample_weight",),
}

# How far probabilities that were rounded may be from a sum of 1.
_ROUNDED = 0.02


def refuse_unknown(estimator, method: str, unknown) -> None:
    """Refuse arguments that a method has not, as Python does, in words that help.

    Parameters
    ----------
    estimator : object
    method : str
        Its name.
    unknown : iterable of str
    """
    for name in unknown:
        known = [*inspect.signature(getattr(estimator, method)).parameters]
        near = [other for other in _OTHER_NAMES.get(name.casefold(), ()) if other in known]
        near = near or difflib.get_close_matches(name, known, n=1)
        method = f"{type(estimator).__name__}.{method}"
        hint = f" Did you mean {' and '.join(near)}?" if near else ""
        raise TypeError(f"{method}() got an unexpected keyword argument {name!r}.{hint}")


def check_labels(y, name="y") -> np.ndarray:
    """Labels as a 1-D array, all of one kind.

    Raises
    ------
    ValueError, TypeError
        For missing labels, labels of several types, more than one column, or continuous
        targets.
    """
    y = read_labels(y, name, warn=True)
    # That of a few labels, which no kind but floats and objects can fail, would take longer
    # than all else that is done with the labels of a small ``partial_fit``.
    if len(y) > _FEW_LABELS or y.dtype.kind in "fO":
        check_classification_targets(y)
    return y


def check_classes(classes) -> np.ndarray:
    """The ``classes`` of a first ``partial_fit``, sorted; at least 2."""
    classes = np.unique(read_labels(classes, "classes"))
    if len(classes) < 2:
        raise ValueError(
            f"classes has {len(classes)} label(s): a classifier needs at least 2 classes. "
            "Pass all labels that will ever occur."
        )
    return classes


def read_labels(y, name="y", *, warn=False) -> np.ndarray:
    """Labels from any container that documents may be in, as a 1-D array.

    Members of subclasses of str and int, such as those of an Enum, become plain. Numbers
    keep the width that the container has.

    Parameters
    ----------
    y : container
    name : str
        How messages call it.
    warn : bool, default=False
        Whether labels in one column of two dimensions draw scikit-learn's warning.
    """
    if y is None:
        raise ValueError(
            f"requires {name} to be passed, but the target {name} is None. "
            "Pass one label per document."
        )
    columns = column_names(y)
    if columns is not None and len(columns) > 1 and hasattr(type(y), "__array__"):
        _refuse_matrix(np.asarray(y), name, columns)
    array = read_column(y, name, "labels")
    if isinstance(array, list) or array.dtype.kind == "O":
        array = _of_members(array, y, name)
    if array.ndim == 2 and array.shape[1] > 1:
        _refuse_matrix(array, name, list(range(array.shape[1])))
    # A frame of one column is a column of two dimensions as well.
    if columns is not None or array.ndim != 1 or array.dtype.kind not in "OUbiuf":
        array = column_or_1d(array if columns is None else array.reshape(-1, 1), warn=warn)
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        _refuse_missing(array.tolist(), name)
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} is infinity in row {row}. Labels must be finite. {FROM_0}")
    if array.dtype.kind not in "OUbiuf":
        mend = (
            "Decode the bytes" if array.dtype.kind == "S" else "Use strings, integers or booleans"
        )
        raise ValueError(f"{name} has dtype {array.dtype}. {mend}.")
    return array


def _of_members(values: list | np.ndarray, container, name) -> np.ndarray:
    """An array of Python objects as one of their kind: all strings, or all numbers."""
    nested = [row for row, value in enumerate(values) if isinstance(value, _ROWS)]
    array = np.array([*values], dtype=object) if nested else values
    shape = (len(array),) if isinstance(array, list) else array.shape
    if nested and len(shape) == 1:
        raise ValueError(
            f"{name} holds {type_name(values[nested[0]])} in row {nested[0]}, not one label. "
            f"Pass one label per document. {FROM_0}"
        )
    members = list(array) if len(shape) == 1 else np.ravel(array).tolist()
    _refuse_missing(members, name)
    if any(isinstance(value, str) for value in members):
        dtype = None if isinstance(container, Sequence) else object
        return _of_text(members, name, dtype).reshape(shape)
    if hasattr(type(container), "__array__"):
        of_container = np.asarray(container)  # keeps the width of its numbers
        if of_container.dtype.kind in "biuf" and of_container.shape == shape:
            return of_container
    return _of_numbers(members, name).reshape(shape)


def _refuse_missing(values: list, name) -> None:
    rows = [row for row, value in enumerate(values) if is_missing(value)]
    if rows:
        raise ValueError(
            f"{name} has {len(rows)} missing label(s), the first in row {rows[0]} "
            f"({values[rows[0]]!r}). Drop these rows or label them. {FROM_0}"
        )


def _of_text(values: list, name, dtype) -> np.ndarray:
    is_text = [isinstance(value, str) for value in values]
    if not all(is_text):
        text, other = is_text.index(True), is_text.index(False)
        raise ValueError(
            f"{name} mixes types: row {text} is {values[text]!r} (str) and row {other} is "
            f"{values[other]!r} ({type(values[other]).__name__}). Convert the labels to one "
            f"type, for example with [str(label) for label in {name}]. {FROM_0}"
        )
    plain = [plain_value(value) for value in values]
    # NumPy's fixed width takes zeros at the end for padding.
    zeros = any(value.endswith("\0") for value in plain)
    return np.array(plain, dtype=object if zeros else dtype)


def _of_numbers(values: list, name) -> np.ndarray:
    # NumPy would take apart what has a buffer or a length.
    others = [row for row, value in enumerate(values) if not isinstance(value, _SINGLE)]
    array = np.array([] if others else [plain_value(value) for value in values])
    if others or array.dtype.kind == "O":
        row = others[0] if others else 0
        mend = "Use strings, or integers of at most 64 bits."
        if isinstance(values[row], Enum):
            mend = f"Use their values: [label.value for label in {name}]."
        kind = type_name(values[row])
        raise ValueError(f"Unknown label type: {kind} in row {row} of {name}. {mend} {FROM_0}")
    return array


def _refuse_matrix(y: np.ndarray, name, classes: list) -> None:
    """Say what to do with several columns of labels, if it is known what they hold.

    Parameters
    ----------
    y : array of shape (n_documents, n_classes)
    name : str
        How messages call it.
    classes : list
        Names of the columns.
    """
    if y.dtype.kind not in "biuf":
        return
    begin = f"{name} should be a 1d array, got an array of shape {y.shape}"
    y = y.astype(np.float64)
    if np.isin(y, (0, 1)).all():
        one = (y.sum(axis=1) == 1).all()
        what = "one-hot labels" if one else "several labels per document"
        other = "" if one else "fit a classifier on each column, or "
        raise ValueError(
            f"{begin}: {what}. A document has one label: {other}pass the class of each row, "
            f"np.array({classes!r})[np.argmax({name}, axis=1)]."
        )
    if (y >= 0).all() and np.allclose(y.sum(axis=1), 1, atol=_ROUNDED):
        raise ValueError(
            f"{begin}: probabilities of classes. Repeat each document once for every class, "
            "weighted by its probability, and hold out others that are not repeated, since a "
            "copy would be known from its siblings:\n"
            f"    Y, classes = np.asarray({name}), np.array({classes!r})\n"
            "    kept = np.arange(len(Y)) % 10 > 0\n"
            "    clf.fit(\n"
            "        [x for x, keep in zip(X, kept) if keep for _ in classes],\n"
            "        np.tile(classes, kept.sum()),\n"
            "        sample_weight=Y[kept].ravel(),\n"
            "        X_val=[x for x, keep in zip(X, kept) if not keep],\n"
            "        y_val=classes[Y[~kept].argmax(axis=1)],\n"
            "    )"
        )
    raise ValueError(f"{begin}. Pass one label per document.")


def encode_labels(y, classes=None, name="y") -> tuple[np.ndarray, np.ndarray]:
    """Classes in sorted order, and the index of each label among them.

    Parameters
    ----------
    y : array from ``check_labels``
    classes : array or None
        Allowed labels; None takes those of ``y``.
    name : str
        How messages call ``y``.
    """
    if classes is None:
        classes, indices = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{name} has one class ({classes.tolist()[0]!r}): a classifier needs at least "
                "2 classes. Add documents of another class."
            )
        return classes, indices.astype(np.int64)
    known = np.isin(y, classes)
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        raise ValueError(
            f"{name} has label {y.tolist()[row]!r} in row {row}, which is not among the classes "
            f"{classes.tolist()}. The first call decides the classes: pass them all there. {FROM_0}"
        )
    return classes, np.searchsorted(classes, y).astype(np.int64)


def check_not_swapped(texts: list[str], labels: np.ndarray) -> None:
    """Refuse documents that were given as labels, and labels as documents.

    It is certain where it is said: labels that are mostly different and longer than the
    documents, of which few are different, cannot be learned from them.
    """
    n = len(texts)
    if n < _FEW_LABELS or labels.dtype.kind not in "OU":
        return
    n_labels = len(set(labels.tolist()))
    if 2 * n_labels <= n or 4 * (n_texts := len(set(texts))) > n_labels:
        return
    if sum(map(len, labels.tolist())) > sum(map(len, texts)):
        raise ValueError(
            f"X holds {n_texts} different texts and y {n_labels} different labels of {n}, which "
            "are longer: X and y seem to be swapped. Pass the documents first: fit(texts, labels)."
        )


def is_swapped(X, y) -> bool:
    """Whether ``X``, which holds no documents, holds numbers, and ``y`` more different texts."""
    try:
        labels, texts = read_labels(X), read_labels(y)
    except (TypeError, ValueError):
        return False
    return (
        labels.dtype.kind in "biuf"
        and texts.dtype.kind in "OU"
        and len(np.unique(labels)) < len(set(texts.tolist()))
    )


def check_weights(sample_weight, n_rows: int) -> np.ndarray:
    """Sample weights as float64, shape (n_rows,); None is 1 for every row."""
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, np.ma.MaskedArray):
        sample_weight = np.ma.filled(sample_weight.astype(np.float64), np.nan)
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must hold numbers ({error}). Pass one weight per document."
        ) from error
    if weight.ndim == 0:
        weight = np.full(n_rows, float(weight))
    if weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, but sample_weight has {weight.ndim} "
            "dimensions. Pass one weight per document."
        )
    if len(weight) != n_rows:
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected {(n_rows,)}: "
            "pass one weight per document."
        )
    bad = np.flatnonzero(~np.isfinite(weight))
    if len(bad):
        raise ValueError(
            f"sample_weight is {weight[bad[0]]} (NaN or infinity) in row {bad[0]}; "
            f"weights must be finite. Use 0 to leave a row out. {FROM_0}"
        )
    bad = np.flatnonzero(weight < 0)
    if len(bad):
        raise ValueError(
            f"sample_weight is negative in row {bad[0]} ({weight[bad[0]]:g}). "
            f"Use 0 to leave a row out. {FROM_0}"
        )
    if n_rows and not weight.any():
        raise ValueError(
            "sample_weight is zero in every row: there is nothing to learn from. "
            "Give some rows a weight above 0."
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError("the sum of sample_weight is infinite. Scale the weights down.")
    return weight


def class_weights(class_weight, classes, indices) -> np.ndarray:
    """Weight of each row's class, shape (n_rows,)."""
    if class_weight is None:
        return np.ones(len(indices))
    if isinstance(class_weight, dict):
        class_weight = {plain_value(label): value for label, value in class_weight.items()}
        unknown = [label for label in class_weight if label not in set(classes.tolist())]
        if unknown:
            raise ValueError(
                f"class_weight has {unknown[0]!r}, which is not among the classes "
                f"{classes.tolist()}. Drop it, or spell it as in y."
            )
        for label, value in class_weight.items():
            # Type checkers see no order between numbers of any kind.
            if not isinstance(value, numbers.Real) or not 0 <= value < np.inf:  # type: ignore[operator]
                raise ValueError(
                    f"class_weight of {label!r} is {value!r}. Use a finite number of at least 0."
                )
        per_class = np.array([class_weight.get(label, 1.0) for label in classes.tolist()])
    else:
        # As compute_class_weight, which brings in scikit-learn's preprocessing.
        count = np.bincount(indices, minlength=len(classes))
        present = count > 0
        per_class = np.ones(len(classes))
        per_class[present] = len(indices) / (np.count_nonzero(present) * count[present])
    weight = per_class[indices].astype(np.float64)
    if len(weight) and not weight.any():
        raise ValueError(
            "class_weight is zero for every label in y: there is nothing to learn from. "
            "Give some class a weight above 0."
        )
    return weight


def check_token_ids(X: np.ndarray, vocabulary_size: int | None, name="X") -> np.ndarray:
    """A 2-D array of token ids as int32.

    Parameters
    ----------
    X : 2-D numeric array
        Floats are accepted where they are whole numbers.
    vocabulary_size : int or None
        Ids must be below it; None does not check.
    name : str
        How messages call ``X``.
    """

    def complain(bad, what, mend):
        row, column = np.argwhere(bad)[0]
        value = X[row, column]
        raise ValueError(f"{name} has {value} in row {row}, column {column}: {what}. {mend}")

    if X.dtype.kind == "f":
        whole = np.floor(X) == X
        if not whole.all():
            complain(
                ~whole, "token ids are whole numbers",
                "Use SequenceVectorizer to make ids from text, and SequenceData for numbers.",
            )  # fmt: skip
    if X.dtype.kind not in "iufb":
        raise ValueError(f"{name} has dtype {X.dtype}; token ids are integers.")
    if X.size and (X < 0).any():
        complain(X < 0, "Negative values in data: token ids start at 0", "0 is padding.")
    limit = np.iinfo(np.int32).max if vocabulary_size is None else vocabulary_size
    above = np.greater_equal(X, limit)
    if above.any():
        complain(
            above, f"the vocabulary has {limit} ids, 0 to {limit - 1}",
            "Map unknown tokens to 1, or fit with a larger vocabulary_size.",
        )  # fmt: skip
    return X.astype(np.int32)


def padding_mask(ids: np.ndarray) -> np.ndarray:
    """Where a padded array holds no zeros of either end, bool, shape of ``ids``."""
    width = ids.shape[1]
    real = ids != PAD_ID
    some = real.any(axis=1)
    first = np.where(some, real.argmax(axis=1), 0)
    last = np.where(some, width - real[:, ::-1].argmax(axis=1), 0)
    column = np.arange(width)
    inside: np.ndarray = (column >= first[:, None]) & (column < last[:, None])
    return inside


def check_same_length(n_documents: int, labels, X="X", y="y") -> None:
    """Refuse documents and labels that are not of one number."""
    if n_documents != len(labels):
        raise ValueError(
            f"{X} has {n_documents} documents and {y} has {len(labels)} labels (inconsistent "
            f"numbers of samples). Pass one label for each document."
        )

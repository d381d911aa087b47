"""Sequences of any length, as LSTMClassifier takes them: token ids, numbers beside them, both."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlstm.core.records import PAD_ID, UNK_ID, TokenSequences
from fastlstm.estimator.validation import check_token_ids, padding_mask
from fastlstm.text.containers import FROM_0, column_names, is_missing, type_name

# Token ids are below it.
_MOST_IDS = np.iinfo(np.int32).max


class SequenceData:
    """Documents as sequences of steps, each of its own length: token ids, features, or both.

    What :class:`LSTMClassifier` takes in place of a padded array. Indexing gives the documents
    of a slice, a mask or an array of places, so scikit-learn's splitters take it, too.

    Parameters
    ----------
    tokens : sequence of 1-D arrays of whole numbers, or 2-D array, or None
        Ids of each document; 0 is padding at either end of one, and is left out. None where
        features are all that there is.
    features : sequence of 2-D arrays of numbers, or 3-D array, or None
        For each document an array of shape (n_steps, n_features), with a step for each token;
        a data frame for each document, whose columns are then known by name, or anything that
        NumPy makes such an array of. NaN is a missing value. Beside padded tokens a 3-D array
        may be padded, too: rows at padding are left out. Without tokens every row is a step.

    Attributes
    ----------
    lengths : int64 array, shape (n_documents,)
        Steps of each document.
    n_features : int
        Numbers beside each step; 0 without features.
    has_tokens : bool
    tokens, features : list of arrays, one for each document, or None
        Views.

    Raises
    ------
    ValueError, TypeError
        For input that cannot be used; the message names the document and the step.

    Warns
    -----
    UserWarning
        If rows of a 3-D array without tokens look like padding.

    Examples
    --------
    >>> import numpy as np
    >>> from fastlstm import SequenceData
    >>> pitch = [np.array([[110.0], [np.nan]]), np.array([[220.0], [233.0], [196.0]])]
    >>> X = SequenceData(tokens=[[5, 2], [3, 2, 4]], features=pitch)
    >>> X
    SequenceData(2 documents, 5 steps, tokens, 1 feature)
    >>> X[[1]].lengths
    array([3])
    """

    def __init__(self, tokens=None, features=None):
        if tokens is None and features is None:
            raise ValueError("SequenceData needs tokens, features, or both.")
        ids, values = None, None
        self.names_: tuple[str, ...] = ()
        # Where documents that came padded hold steps; None where none did.
        self.real_: Any = None
        if tokens is not None:
            ids, lengths, self.real_ = _flat_tokens(tokens)
        if features is not None:
            if ids is None and _is_array_of(features, 3):
                _warn_of_padding(features)
            values, n_steps, self.names_ = _flat_features(features, self.real_)
            if ids is None:
                lengths = n_steps
            _check_lengths(lengths, n_steps)
        self.has_tokens = ids is not None
        if ids is None:
            ids = np.full(int(lengths.sum()), UNK_ID, dtype=np.int32)
        self.sequences_ = TokenSequences(ids, _offsets(lengths), None, values)

    @classmethod
    def of_padded(cls, ids: np.ndarray) -> SequenceData:
        """Documents of a padded array of ids that were checked."""
        flat, lengths, real = _without_padding(ids)
        return cls._of(TokenSequences(flat, _offsets(lengths)), True, (), real)

    @classmethod
    def _of(
        cls, sequences: TokenSequences, has_tokens: bool, names: tuple[str, ...], real: Any
    ) -> SequenceData:
        data = object.__new__(cls)
        data.sequences_, data.has_tokens = sequences, has_tokens
        data.names_, data.real_ = names, real
        return data

    def __array__(self, *_, **__):
        raise TypeError(
            "SequenceData is no array: its documents have different lengths. Pass it to "
            "LSTMClassifier as it is; .tokens and .features are lists of arrays."
        )

    @property
    def tokens(self) -> list[np.ndarray] | None:
        """Ids of each document."""
        sequences = self.sequences_
        return np.split(sequences.ids, sequences.offsets[1:-1]) if self.has_tokens else None

    @property
    def features(self) -> list[np.ndarray] | None:
        """Numbers of each document, shape (n_steps, n_features)."""
        sequences = self.sequences_
        if sequences.features is None:
            return None
        return np.split(sequences.features, sequences.offsets[1:-1])

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each document, int64, shape (n_documents,)."""
        return self.sequences_.lengths

    @property
    def n_features(self) -> int:
        """Numbers beside each step."""
        values = self.sequences_.features
        return 0 if values is None else int(values.shape[1])

    @property
    def shape(self) -> tuple[int]:
        """(n_documents,), for tools that ask."""
        return (len(self),)

    def __len__(self) -> int:
        return self.sequences_.n_documents

    def __getitem__(self, key) -> SequenceData:
        """The documents that ``key`` takes out of an array of them; one alone, too."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:  # as scikit-learn asks
            key = key[0]
        if not isinstance(key, (numbers.Integral, slice, tuple, type(Ellipsis))):
            key = np.asarray(key)
            key = key.astype(np.int64) if not key.size else key
        if isinstance(key, (bool, np.bool_, tuple)) or getattr(key, "ndim", 1) > 1:
            raise IndexError(
                "SequenceData has one axis, of documents: index it with a number, a slice, a mask "
                "or an array of places."
            )
        rows = np.atleast_1d(np.arange(len(self))[key])
        real = self.real_
        if real is not None:
            real = real[rows] if isinstance(real, np.ndarray) else [real[row] for row in rows]
        return self._of(self.sequences_.take(rows), self.has_tokens, self.names_, real)

    def __iter__(self):
        """Each document, alone."""
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        def count(n, what):
            return f"{n:,} {what}{'s' * (n != 1)}"

        parts = [count(len(self), "document"), count(len(self.sequences_.ids), "step")]
        parts += ["tokens"] * self.has_tokens
        if self.n_features:
            parts.append(count(self.n_features, "feature"))
        return f"SequenceData({', '.join(parts)})"


def _offsets(lengths: np.ndarray) -> np.ndarray:
    """Where documents of these lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _without_padding(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids of a padded array one after the other, lengths, and where there is no padding."""
    real = padding_mask(ids)
    return np.ascontiguousarray(ids[real]), real.sum(axis=1), None if real.all() else real


def _is_array_of(container: Any, ndim: int) -> bool:
    """Whether it is one array with so many axes, and not an array of objects."""
    is_array = isinstance(container, np.ndarray) and container.dtype.kind != "O"
    return is_array and container.ndim == ndim


def _flat_tokens(tokens: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Ids one after the other, lengths, and where documents that are padded hold steps."""
    if column_names(tokens) is not None or _is_array_of(tokens, 2):
        return _without_padding(check_token_ids(np.asarray(tokens), None, name="tokens"))
    arrays = [_ids(given, row) for row, given in enumerate(_documents(tokens, "tokens"))]
    of_each = [padding_mask(array[None])[0] if len(array) else array == 0 for array in arrays]
    is_padded = not all(own.all() for own in of_each)
    arrays = [array[own] for array, own in zip(arrays, of_each, strict=True)]
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    flat = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
    return flat, lengths, of_each if is_padded else None


def _ids(given: Any, row: int) -> np.ndarray:
    """One document's token ids, int32, with padding."""
    array = np.asarray(_plain(given))
    if array.dtype.kind == "O" and array.ndim == 1:
        array = np.array(array.tolist())
    if not array.size and array.ndim == 1:
        return np.zeros(0, dtype=np.int32)
    if array.ndim != 1:
        mend = "Pass a 1-D array of ids for each document"
        if array.ndim == 2:
            mend += ", or SequenceData(features=...) if these are numbers of steps"
        raise ValueError(
            f"tokens of document {row} are {type_name(given)} with {array.ndim} axes. {mend}. "
            f"{FROM_0}"
        )
    if array.dtype.kind not in "iufb":
        raise TypeError(
            f"tokens of document {row} are of dtype {array.dtype}. Token ids are whole "
            f"numbers; use SequenceVectorizer to make them from text. {FROM_0}"
        )
    bad = np.flatnonzero(~((array >= 0) & (array < _MOST_IDS) & (np.floor(array) == array)))
    if len(bad):
        raise ValueError(
            f"tokens have {array[bad[0]]} in document {row}, step {bad[0]}. Token ids are whole "
            f"numbers from 0 to {_MOST_IDS - 1:,}, and 0 is padding; numbers of steps are "
            f"features. {FROM_0}"
        )
    return array.astype(np.int32)


def _flat_features(features: Any, real: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Numbers of all steps one after the other, steps of each document, names of columns."""
    if _is_array_of(features, 2):
        raise ValueError(
            f"features are one array of shape {features.shape}. Pass a list with an array for each "
            "document: [array] if this is one, or [array[:n], array[n:], ...] if it holds several."
        )
    arrays: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    width, first = 0, 0  # of the first document with a step, and which one that is
    for row, given in enumerate(_documents(features, "features")):
        array, own = _numbers(given, row), tuple(map(str, column_names(given) or ()))
        if not array.size and array.ndim == 1:
            array = array.reshape(0, width)
        if real is not None and row < len(real) and len(array) == len(real[row]):
            array = array[real[row]]
        if array.ndim != 2:
            raise ValueError(
                f"features of document {row} are {type_name(given)} of shape {array.shape}. Pass "
                "an array of shape (n_steps, n_features) for each document; one feature is a "
                f"column, array[:, None]. {FROM_0}"
            )
        if len(array) and not width:
            width, first, names = array.shape[1], row, own
        if len(array) and array.shape[1] != width:
            raise ValueError(
                f"features of document {row} have {array.shape[1]} columns, and those of document "
                f"{first} {width}. Every step has the same features; NaN is a missing one. "
                f"{FROM_0}"
            )
        if len(array) and own != names:
            raise ValueError(
                f"features of document {row} are {list(own)}, and those of document {first} "
                f"{list(names)}. Pass the same columns in the same order. {FROM_0}"
            )
        bad = np.argwhere(np.isinf(array))
        if len(bad):
            raise ValueError(
                f"features of document {row} hold infinity in step {bad[0][0]}, column "
                f"{bad[0][1]}. Use NaN for what is missing. {FROM_0}"
            )
        arrays.append(array)
    width = width or max((array.shape[1] for array in arrays), default=0)
    if not width:
        what = "no column" if arrays else "no document"
        raise ValueError(f"features hold {what}. Leave them out, or pass numbers for each step.")
    arrays = [array if len(array) else np.zeros((0, width)) for array in arrays]
    n_steps = np.array([len(array) for array in arrays], dtype=np.int64)
    return np.concatenate(arrays), n_steps, names


def _plain(given: Any) -> Any:
    """Columns of lists, and arrays of arrays, as lists; anything else as it is."""
    for name in ("to_pylist", "to_list"):
        if hasattr(type(given), name) and column_names(given) is None:
            return getattr(given, name)()
    if isinstance(given, np.ndarray) and given.dtype.kind == "O":
        return [_plain(member) for member in given]
    return given


def _numbers(given: Any, row: int) -> np.ndarray:
    """One document's features as floats; whatever stands for a missing one is NaN."""
    try:
        if np.ma.isMaskedArray(given):
            given = np.ma.filled(given.astype(np.float64), np.nan)
        array = np.asarray(_plain(given))
        if array.dtype.kind in "cMmSUV":
            raise TypeError(f"they are of dtype {array.dtype}")
        if array.dtype.kind == "O":
            members = [np.nan if is_missing(value) else value for value in array.ravel().tolist()]
            array = np.array(members, dtype=np.float64).reshape(array.shape)
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        where, columns = "", column_names(given) or []
        for name in columns if len(columns) > 1 else ():
            try:
                _numbers(given[[name]], row)
            except (TypeError, ValueError):
                where = f", column {name!r},"
                break
        raise TypeError(
            f"features of document {row}{where} are not numbers ({error}). Make numbers of "
            f"categories and dates first. {FROM_0}"
        ) from error


def _warn_of_padding(features: np.ndarray) -> None:
    """Say so where most documents of a 3-D array end in rows of nothing but 0, or but NaN."""
    if features.shape[1] < 2 or features.dtype.kind not in "fiu":
        return
    last = features[:, -1]
    empty = (last == 0).all(axis=1) | (last != last).all(axis=1)
    if len(features) > 1 and 2 * np.count_nonzero(empty) > len(features):
        warnings.warn(
            f"{np.count_nonzero(empty)} of {len(features)} documents end in steps of nothing but 0 "
            "or NaN, which look like padding. They are read as steps: pass a list with an array of "
            "its own length for each document.",
            stacklevel=3,
        )


def _documents(container: Any, name: str) -> list:
    """The members of a container, one for each document."""
    mend = "Pass a list with an array for each document"
    if isinstance(container, Mapping):
        mend += f": list({name}.values())"
    elif isinstance(container, (set, frozenset)):
        mend += "; a set has no order"
    elif hasattr(type(container), "to_pylist") and column_names(container) is None:
        return container.to_pylist()
    elif column_names(container) is not None or hasattr(type(container), "get_group"):
        mend += f": [rows.drop(columns='id') for _, rows in {name}.groupby('id')]"
        if not hasattr(type(container), "groupby"):
            mend = mend.replace(f"{name}.groupby('id')", name)
    elif not isinstance(container, (str, bytes)) and hasattr(type(container), "__iter__"):
        return list(container)
    raise TypeError(f"{name} is {type_name(container)}. {mend}.")


def _check_lengths(lengths: np.ndarray, n_steps: np.ndarray) -> None:
    if len(lengths) != len(n_steps):
        raise ValueError(
            f"there are tokens of {len(lengths)} documents and features of {len(n_steps)}. Pass "
            "both for each document."
        )
    wrong = np.flatnonzero(lengths != n_steps)
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"document {row} has {lengths[row]} tokens and features of {n_steps[row]} steps. Pass "
            f"a row of features for each token. {FROM_0}"
        )


def place_of(position: int, offsets: np.ndarray) -> tuple[int, int]:
    """Document and step of a position among the steps of all documents."""
    row = int(np.searchsorted(offsets, position, side="right")) - 1
    return row, int(position - offsets[row])


def check_below(sequences: TokenSequences, vocabulary_size: int, name: str) -> None:
    """Refuse ids that a network has no vector for.

    Raises
    ------
    ValueError
        Names the document and the step.
    """
    above = np.flatnonzero(sequences.ids >= vocabulary_size)
    if not len(above):
        return
    row, step = place_of(above[0], sequences.offsets)
    raise ValueError(
        f"{name} has {sequences.ids[above[0]]} in document {row}, step {step}: the vocabulary has "
        f"{vocabulary_size} ids, 0 to {vocabulary_size - 1}. Map unknown tokens to {UNK_ID}, or "
        f"fit with a larger vocabulary_size. {PAD_ID} is padding. {FROM_0}"
    )

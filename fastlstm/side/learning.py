"""Learns how columns beside the text become numbers, with scikit-learn's encoders.

What they learned is taken over into plain records (``encoder.py``), which apply it in the
same way: a test compares them with the encoders themselves.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.core.errors import SideColumnWarning
from fastlstm.side.encoder import (
    LARGEST,
    Scaled,
    SideColumn,
    SideEncoder,
    as_category,
    as_date,
    date_names,
    dates,
    plain_numbers,
)
from fastlstm.side.steps import StepReader
from fastlstm.text.containers import FROM_0, type_name

# A category has a place of its own from this many rows on, and so many have at most.
_MIN_FREQUENCY = 10
_MAX_CATEGORIES = 50


def learn_columns(values: Mapping[str, list[Any] | None], where: str = "X") -> SideEncoder:
    """How to encode the columns of a table.

    Numbers and booleans are standardised, dates are taken apart into numbers, and all else
    are categories, of which rare ones share a place. A column of nothing but missing values,
    or of one value alone, is left out with a warning.

    Parameters
    ----------
    values : dict of str to list
        Missing values are None; a column may be missing, too.
    where : str
        How messages call the table.
    """
    columns, left_out = [], []
    for name, given in values.items():
        if given is None or not _differ(given):
            left_out.append(name)
            continue
        column = _learned(name, given, where)
        if column.kind == "category" and not column.categories:
            left_out.append(name)
        else:
            columns.append(column)
    if left_out:
        warnings.warn(
            f"{where} has the same value in every row, or none that is frequent, in column "
            f"{', '.join(map(repr, left_out))}: nothing can be learned from it, and it is left "
            "out.",
            SideColumnWarning,
            stacklevel=4,
        )
    return SideEncoder(tuple(columns))


def _differ(values: list[Any]) -> bool:
    """Whether there are two different ones."""
    first = as_category(values[0]) if values else ""
    return any(as_category(value) != first for value in values)


def learn_vectors(vectors: np.ndarray, name: str = "X_side") -> SideEncoder:
    """How to encode vectors of numbers, each of them standardised."""
    parts = _scaled(vectors, [f"{name}[{number}]" for number in range(vectors.shape[1])])
    return SideEncoder((SideColumn(name, "vector", parts),) if parts else ())


def kind_of(values: Sequence[Any]) -> str:
    """What a column holds: "number", "date" or "category"."""
    found = [value for value in values if value is not None]
    kinds = set(map(type, found))
    number = (int, float, np.number, np.bool_, datetime.timedelta)
    if all(issubclass(kind, number) or kind.__name__ == "Decimal" for kind in kinds):
        return "number"
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in kinds):
        return "date"
    if all(issubclass(kind, str) for kind in kinds) and all(
        len(v) >= len("2000-01-01") and as_date(v) is not None for v in found
    ):
        return "date"
    return "category"


def _learned(name: str, given: list[Any], where: str) -> SideColumn:
    kind = kind_of(given)
    for row, value in enumerate(given):
        if isinstance(value, (list, tuple, dict, set, np.ndarray)):
            raise ValueError(
                f"{where} has a {type_name(value)} in row {row} of column {name!r}; pass vectors "
                f"as X_side, and leave the column out. {FROM_0}"
            )
    if kind == "category":
        return _category(name, given)
    if kind == "date":
        return SideColumn(name, kind, _scaled(dates(given, name, where), date_names(name)))
    return SideColumn(name, kind, _scaled(plain_numbers(given, name, where)[:, None], [name]))


def _scaled(raw: np.ndarray, names: list[str]) -> tuple[Scaled, ...]:
    from sklearn.preprocessing import StandardScaler

    raw = np.clip(raw, -LARGEST, LARGEST)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a column without any number
        scaler = StandardScaler().fit(raw)
    gaps = np.isnan(raw).any(axis=0) & ~np.isnan(raw).all(axis=0)
    return tuple(
        Scaled(name, float(mean), float(scale), bool(gap))
        for name, mean, scale, gap in zip(
            names, np.nan_to_num(scaler.mean_), np.nan_to_num(scaler.scale_, nan=1.0), gaps,
            strict=True,
        )
    )  # fmt: skip


def _category(name: str, given: list[Any]) -> SideColumn:
    from sklearn.preprocessing import OneHotEncoder

    values = np.array([[as_category(value)] for value in given], dtype=object)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=min(_MIN_FREQUENCY, len(values) // 4),
        max_categories=_MAX_CATEGORIES,
    ) if len(values) >= 8 else OneHotEncoder(handle_unknown="ignore")  # fmt: skip
    encoder.fit(values)
    rare = getattr(encoder, "infrequent_categories_", [None])[0]
    rare = set() if rare is None else set(rare)
    kept = tuple(category for category in encoder.categories_[0] if category not in rare)
    return SideColumn(name, "category", (), kept, bool(rare))


def fitted_transformer(transformer: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """A copy of the user's transformer, fitted on the columns, and what it makes of them.

    That is its ``fit_transform``, which with some is not ``transform`` of the same rows.
    """
    from sklearn.base import clone

    copy = clone(transformer)
    if hasattr(copy, "fit_transform"):
        return copy, copy.fit_transform(X, y)
    return copy, copy.fit(X, y).transform(X)


def learn_steps(
    values: np.ndarray, tells_gaps: bool, has_tokens: bool, names: tuple[str, ...] = ()
) -> StepReader:
    """How features of steps are read, from those of the training documents.

    Parameters
    ----------
    values : float array, shape (n_steps, n_features)
        NaN where missing.
    tells_gaps : bool
        Whether gaps are told where nothing is missing, too.
    has_tokens : bool
    names : tuple of str
        Of the features, if they have some.
    """
    missing = np.isnan(values)
    values = np.clip(values.astype(np.float64), -LARGEST, LARGEST)
    with warnings.catch_warnings():  # of means of nothing
        warnings.simplefilter("ignore", RuntimeWarning)
        differ = np.nanmax(values, axis=0) > np.nanmin(values, axis=0)
        mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    differ &= scale > 0
    told = differ & (missing.any(axis=0) | tells_gaps)
    number_of: dict[bytes, int] = {}
    group = [
        number_of.setdefault(np.packbits(column).tobytes(), len(number_of)) if is_told else -1
        for column, is_told in zip(missing.T, told, strict=True)
    ]
    if not differ.all():
        which = np.flatnonzero(~differ)
        first = f"has number {which[0]}"
        if names:
            first = f"is {names[which[0]]!r}, number {which[0]}"
        warnings.warn(
            f"{len(which)} of {len(differ)} features of steps have no two different values and "
            f"are left out; the first {first}, counted from 0.",
            SideColumnWarning,
            stacklevel=2,
        )
    mean = tuple(np.where(differ, mean, 0.0).tolist())
    scale = tuple(np.where(differ, scale, 0.0).tolist())
    return StepReader(mean, scale, tuple(group), has_tokens, names)

"""What a model learned about columns beside the text, and their values as numbers.

It holds plain numbers and strings, so that a model file needs no code of scikit-learn to be
read: what its encoders learned (``learning.py``) is applied here as they apply it.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import numbers
from typing import Any, NamedTuple

import numpy as np

from fastlstm.text.containers import FROM_0, plain_value, type_name

# Of vectors beside documents, how models and messages call them.
VECTORS = "X_side"

KINDS = ("number", "category", "date", "vector")

# What a date is taken apart into.
DATE_PARTS = ("days", "year", "month", "day", "weekday", "hour")

_EPOCH = datetime.datetime(1970, 1, 1)

# Numbers beyond it are taken as it, so that their squares can be added up; and standard
# deviations from the mean likewise, so that a slip of the keyboard has no answer of its own.
LARGEST = 1e100
FARTHEST = 1e4

# Types that NumPy reads as numbers as they are.
_PLAIN = {float, int, bool, type(None)}

_TRUE, _FALSE = ("true", "yes"), ("false", "no")


class Scaled(NamedTuple):
    """A number to zero mean and unit variance, as StandardScaler does behind SimpleImputer.

    Attributes
    ----------
    name : str
    mean, scale : float
        A missing number takes the mean.
    flags_missing : bool
        Whether another number tells that it was missing.
    """

    name: str
    mean: float
    scale: float
    flags_missing: bool


class SideColumn(NamedTuple):
    """One column.

    Attributes
    ----------
    name : str
    kind : {"number", "category", "date", "vector"}
    scaled : tuple of Scaled
        The numbers that it is made of; of a category none.
    categories : tuple of str
        Those with a place of their own; of any other kind none.
    has_others : bool
        Whether rare and unknown categories share a place.
    """

    name: str
    kind: str
    scaled: tuple[Scaled, ...] = ()
    categories: tuple[str, ...] = ()
    has_others: bool = False

    @property
    def features(self) -> list[str]:
        """Names of the numbers that it becomes."""
        found = []
        for part in self.scaled:
            found += [part.name, *([f"{part.name} missing"] if part.flags_missing else [])]
        found += [f"{self.name}={category}" for category in self.categories]
        return [*found, *([f"{self.name}=(other)"] if self.has_others else [])]


class SideEncoder(NamedTuple):
    """All columns, or the one vector, beside a text.

    Attributes
    ----------
    columns : tuple of SideColumn
    """

    columns: tuple[SideColumn, ...]

    @property
    def features(self) -> list[str]:
        """Names of the numbers of ``encode``, in their order."""
        return [feature for column in self.columns for feature in column.features]

    @property
    def names(self) -> list[str]:
        """Names of the columns that are read."""
        return [column.name for column in self.columns]

    def encode(self, values: dict[str, Any], n: int, where: str = "X") -> np.ndarray:
        """The numbers that stand beside ``n`` texts.

        Parameters
        ----------
        values : dict of str to list, float array of vectors, or None
            Of each column; None is missing in every row.
        n : int
        where : str
            How messages call the table.

        Returns
        -------
        side : float32 array, shape (n, len(features))

        Raises
        ------
        ValueError
            Names row and column of a value that cannot be used.
        """
        found = [np.zeros((n, 0))]
        for column in self.columns:
            given = values[column.name]
            if column.kind == "category":
                found.append(_one_hot(column, given, n))
            else:
                found.append(scaled(column.scaled, raw_numbers(column, given, n, where)))
        return np.concatenate(found, axis=1).astype(np.float32)

    def state(self) -> list[dict[str, Any]]:
        """As JSON can hold it."""
        return [
            {
                **column._asdict(),
                "scaled": [list(part) for part in column.scaled],
                "categories": list(column.categories),
            }
            for column in self.columns
        ]

    @classmethod
    def from_state(cls, state: list[dict[str, Any]]) -> SideEncoder:
        """From what ``state`` gave.

        Raises
        ------
        ValueError
            If it is not of that form.
        """
        columns = []
        for found in state:
            if type(found["categories"]) is not list:
                raise ValueError(f"categories of {found['name']!r} are no list")
            parts = tuple(Scaled(*part) for part in found["scaled"])
            column = SideColumn(
                found["name"], found["kind"], parts, tuple(found["categories"]),
                found["has_others"],
            )  # fmt: skip
            _check(column)
            columns.append(column)
        return cls(tuple(columns))


def _check(column: SideColumn) -> None:
    parts = [part.name for part in column.scaled]
    strings = (column.name, *column.categories, *parts)
    sound = (
        column.kind in KINDS
        and (column.kind == "vector") == (column.name == VECTORS)
        and all(type(value) is str for value in strings)
        and type(column.has_others) is bool
        and all(type(part.flags_missing) is bool for part in column.scaled)
        and (column.kind == "category") == (not column.scaled)
        and len(set(column.categories)) == len(column.categories)
        and all(
            type(value) in (int, float) and math.isfinite(value)
            for part in column.scaled
            for value in (part.mean, part.scale)
        )
        and all(part.scale > 0 for part in column.scaled)
        and (column.kind != "number" or len(column.scaled) == 1)
        and (column.kind != "date" or parts == date_names(column.name))
    )
    if not sound:
        raise ValueError(f"the column {column.name!r} beside the text is not sound")


def date_names(name: str) -> list[str]:
    """Names of the numbers of a date."""
    return [f"{name}.{part}" for part in DATE_PARTS]


def raw_numbers(column: SideColumn, given: Any, n: int, where: str) -> np.ndarray:
    """What the column's values are before they are scaled, NaN where missing; (n, n_parts)."""
    if given is None:
        return np.full((n, len(column.scaled)), np.nan)
    if column.kind == "vector":
        return _of_width(column, given)
    if column.kind == "date":
        return dates(given, column.name, where)
    return plain_numbers(given, column.name, where)[:, None]


def _of_width(column: SideColumn, given: np.ndarray) -> np.ndarray:
    wanted = len(column.scaled)
    if given.shape[1] != wanted:
        raise ValueError(
            f"{column.name} has {given.shape[1]} columns, and the model was fitted with {wanted}."
        )
    return given


def plain_numbers(values: list[Any], name: str, where: str) -> np.ndarray:
    """Numbers, booleans and what reads as one of them, float64; NaN where missing."""
    with contextlib.suppress(OverflowError):  # a whole number that no float holds is named below
        if set(map(type, values)) <= _PLAIN:
            found = np.array(values, dtype=np.float64)  # None becomes NaN
            if not np.isinf(found).any():
                return found
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if value is None:
            continue
        found[row] = _as_number(value, row, name, where)
        if math.isinf(found[row]):
            raise ValueError(
                f"{where} is infinite in row {row} of column {name!r}; use None or NaN for what "
                f"is missing. {FROM_0}"
            )
    return found


def _as_number(value: Any, row: int, name: str, where: str) -> float:
    if isinstance(value, str):
        text = value.strip().casefold()
        if text in _TRUE or text in _FALSE:
            return float(text in _TRUE)
    elif isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "D"))
    elif isinstance(value, datetime.timedelta):
        return value / datetime.timedelta(days=1)
    elif isinstance(value, (list, tuple, dict, set, np.ndarray)):
        raise ValueError(_unfit(value, row, name, where, "a number"))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(_unfit(value, row, name, where, "a number")) from None


def _unfit(value: Any, row: int, name: str, where: str, wanted: str) -> str:
    return (
        f"{where} has {value!r} ({type_name(value)}) in row {row} of column {name!r}, where "
        f"{wanted} is expected; mend it, or leave the column out. {FROM_0}"
    )


def dates(values: list[Any], name: str, where: str) -> np.ndarray:
    """Dates in ``DATE_PARTS``, float64; NaN where missing."""
    found = np.full((len(values), len(DATE_PARTS)), np.nan)
    for row, value in enumerate(values):
        if value is None:
            continue
        moment = as_date(value)
        if moment is None:
            raise ValueError(_unfit(value, row, name, where, "a date"))
        days = (moment - _EPOCH) / datetime.timedelta(days=1)
        hour = moment.hour + moment.minute / 60
        found[row] = days, moment.year, moment.month, moment.day, moment.weekday(), hour
    return found


def as_date(value: Any) -> datetime.datetime | None:
    """A date or what ISO 8601 writes as one, without its time zone (as UTC); None if it is none."""
    try:
        return _moment(value)
    except (OverflowError, ValueError):  # of years that a calendar does not have
        return None


def _moment(value: Any) -> datetime.datetime | None:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc)
        return datetime.datetime(
            value.year, value.month, value.day, value.hour, value.minute, value.second
        )
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)
    return None


def scaled(parts: tuple[Scaled, ...], raw: np.ndarray) -> np.ndarray:
    """Each number scaled, and behind it, where wanted, whether it was missing."""
    found = []
    for number, part in enumerate(parts):
        is_missing = np.isnan(raw[:, number])
        values = np.clip(raw[:, number], -LARGEST, LARGEST)
        with np.errstate(over="ignore"):
            away = (np.where(is_missing, part.mean, values) - part.mean) / part.scale
        found.append(np.clip(away, -FARTHEST, FARTHEST))
        if part.flags_missing:
            found.append(is_missing.astype(np.float64))
    return np.stack(found, axis=1)


def as_category(value: Any) -> str:
    """A value as a category: whole numbers alike, whether they are stored as floats or not."""
    if value is None:
        return "(missing)"
    if isinstance(value, numbers.Integral) and not isinstance(
        value, (bool, np.bool_, np.timedelta64)
    ):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(plain_value(value))


def _one_hot(column: SideColumn, given: list[Any] | None, n: int) -> np.ndarray:
    found = np.zeros((n, len(column.features)))
    place = {category: number for number, category in enumerate(column.categories)}
    other = len(place) if column.has_others else None
    for row in range(n):
        value = as_category(None if given is None else given[row])
        where = place.get(value, other)
        if where is not None:
            found[row, where] = 1
    return found

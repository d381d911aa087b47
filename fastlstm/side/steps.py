"""Numbers beside each step of a sequence, as the network reads them.

Each is standardised. What is missing is 0, its mean. Where numbers were missing in training, two
more tell of each group of those that are missing together: the share of them that is missing
now, and the logarithm of 1 + the steps since one of them was there (``core.gaps``). Lipton et al.
(2016) show that a network learns more from such indicators than from imputed values alone; Che et
al. (2018) add the time that has passed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.gaps import since_seen
from fastlstm.side.encoder import FARTHEST, LARGEST


class StepReader(NamedTuple):
    """How features of steps become what stands beside a token's vector.

    Attributes
    ----------
    mean, scale : tuple of float
        Of each feature. A feature of scale 0 tells nothing and is always 0.
    group : tuple of int
        Which features are missing together, from 0 on; -1 where no gaps are told: those of a
        feature that was always there in training would be numbers that no weight has learned.
    has_tokens : bool
        Whether features stand beside tokens, or are all that there is.
    names : tuple of str
        Of the features, if they came with names.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    group: tuple[int, ...]
    has_tokens: bool
    names: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """Features of each step, as they are given."""
        return len(self.mean)

    @property
    def n_gaps(self) -> int:
        """Groups whose gaps are told."""
        return max(self.group) + 1

    @property
    def tells_all_gaps(self) -> bool:
        """Whether gaps of every feature that tells something are told."""
        return all(
            group >= 0 or scale == 0 for group, scale in zip(self.group, self.scale, strict=True)
        )

    @property
    def n_columns(self) -> int:
        """Numbers of each step, as the network reads them."""
        return self.n_features + 2 * self.n_gaps

    def read(self, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Features of sequences that lie one after the other.

        Parameters
        ----------
        values : float array, shape (n_steps, n_features)
            NaN where missing.
        offsets : int64 array, shape (n_sequences + 1,)

        Returns
        -------
        float32 array, shape (n_steps, n_columns)
            Values, what is missing, and since when.
        """
        missing = np.isnan(values)
        out = np.zeros((len(values), self.n_columns), dtype=np.float32)
        scale = np.array(self.scale)
        tells = scale > 0
        away = np.clip(values.astype(np.float64), -LARGEST, LARGEST) - np.array(self.mean)
        with np.errstate(over="ignore"):
            away /= np.where(tells, scale, 1.0)
        away = np.clip(away, -FARTHEST, FARTHEST)
        out[:, : self.n_features] = np.where(missing | ~tells, 0.0, away)
        if self.n_gaps:
            group = np.array(self.group)
            share = out[:, self.n_features : self.n_features + self.n_gaps]
            for number in range(self.n_gaps):
                share[:, number] = missing[:, group == number].mean(axis=1)
            out[:, self.n_features + self.n_gaps :] = since_seen(share < 1, offsets)
        return out

    def state(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: [*v] if isinstance(v, tuple) else v for name, v in self._asdict().items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> StepReader:
        """From what ``state`` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is not of that form.
        OverflowError
            If a number is too large.
        """
        mean, scale = (tuple(map(float, state[name])) for name in ("mean", "scale"))
        group = tuple(state["group"])
        names = tuple(state["names"])
        reader = cls(mean, scale, group, state["has_tokens"], names)
        if not all(type(name) is str for name in names) or len(names) not in (0, len(mean)):
            raise ValueError("features of steps have names that are none, or some of them")
        if set(state) != set(cls._fields) or not 0 < len(mean) == len(scale) == len(group):
            raise ValueError("features of steps are not described as they should be")
        if not all(map(math.isfinite, (*mean, *scale))):
            raise ValueError("features of steps have no finite means and scales")
        known = all(type(number) is int for number in group)
        if min(scale) < 0 or not known or type(reader.has_tokens) is not bool:
            raise ValueError("features of steps are of no known group or scale")
        told = {*group} - {-1}
        if told != {*range(len(told))}:
            raise ValueError(f"gaps are told of groups {sorted(told)} of features")
        return reader

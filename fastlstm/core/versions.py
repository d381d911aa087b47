"""Large arrays of which each version differs from the one before it in few rows.

A version never changes while anything looks at it. What the next one needs is a copy, and
the memory of the version before the last already holds most of it: as soon as nothing
looks at that memory any more, only the rows that have changed since are copied.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np

from fastlstm.core.workspace import aligned_zeros


class _Loan:
    """What every array on a lent memory, and every view of one, keeps alive."""

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__


# What tells whether anything looks at a memory still.
_LoanRef = weakref.ReferenceType[_Loan]


class _Memory:
    """An array that is lent to one version at a time."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._array = aligned_zeros(shape, dtype)
        # The last loan. Whoever takes it out decides; to others the memory is not free.
        self._last: list[_LoanRef | None] = [None]

    def lend(self, after: _LoanRef | None) -> Lent | None:
        """The memory as ``after`` left it; None if that is looked at, or another had it since."""
        try:
            last = self._last.pop()
        except IndexError:
            return None
        if last is not after or (last is not None and last() is not None):
            self._last.append(last)
            return None
        loan = _Loan(self._array)
        last = weakref.ref(loan)
        self._last.append(last)
        return Lent(np.asarray(loan), self, last)


class Lent(NamedTuple):
    """An array, its memory, and what says whether anything looks at it."""

    array: np.ndarray
    memory: _Memory
    loan: _LoanRef

    @classmethod
    def fresh(cls, shape: tuple[int, ...], dtype: np.dtype) -> Lent:
        """New memory, all 0. Pages that nothing is written to take no place."""
        lent = _Memory(shape, dtype).lend(None)
        assert lent is not None, "nobody else knows it"
        return lent


class Version(NamedTuple):
    """An array as it is now, and how to come to its next version.

    Attributes
    ----------
    array : ndarray
        Nobody changes it.
    own : pair of memory and loan, or None
        None where the array came from elsewhere.
    older : pair of memory and loan, or None
        Those of the version before.
    changed : int array or None
        Rows in which this version differs from the one before.
    """

    array: np.ndarray
    own: tuple[_Memory, _LoanRef | None] | None = None
    older: tuple[_Memory, _LoanRef | None] | None = None
    changed: np.ndarray | None = None

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: np.dtype) -> Version:
        """A first version, all 0."""
        lent = Lent.fresh(shape, dtype)
        spare = (_Memory(shape, dtype), None)
        return cls(lent.array, lent[1:], spare, np.zeros(0, dtype=np.int64))

    def draft(self) -> Lent:
        """A copy to be changed. Two drafts of one version share nothing."""
        if self.older is not None:
            memory, loan = self.older
            lent = memory.lend(loan)
            if lent is not None:
                lent.array[self.changed] = self.array[self.changed]
                return lent
        lent = Lent.fresh(self.array.shape, self.array.dtype)
        lent.array[...] = self.array
        return lent

    def then(self, draft: Lent, changed: np.ndarray) -> Version:
        """The version that a draft of this one became, by changes in some rows alone."""
        return Version(draft.array, draft[1:], self.own, changed)

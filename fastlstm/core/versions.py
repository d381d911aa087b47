"""Large arrays of which each version differs from the one before it in few rows.

A ``Version`` is for arrays that others look at while the next one is made. It never changes
while anything looks at it. What the next one needs is a copy, and the memory of the version
before the last already holds most of it: as soon as nothing looks at that memory any more,
only the rows that have changed since are copied.

A ``Ledger`` is for arrays that nobody looks at but whoever makes the next version. It is
changed in place, and what the version before held is noted.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


class Ledger:
    """Arrays whose newest version has the memory; the one before it is found from notes.

    Parameters
    ----------
    arrays : sequence of ndarray
        Of equally many rows. Nobody else may change them.
    """

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self._arrays = tuple(arrays)
        self._lock = threading.Lock()  # of all versions of the same memory
        self._older: weakref.ReferenceType[Ledger] | None = None
        self._newer: Ledger | None = None
        self._notes: list[tuple[np.ndarray, list[np.ndarray]]] = []

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays, not to be changed; copies where a newer version has the memory."""
        with self._lock:
            return self._found()

    @contextmanager
    def draft(self) -> Iterator[tuple[Ledger, tuple[np.ndarray, ...]]]:
        """The next version, and its arrays, which the block changes after ``note``.

        A block that fails leaves this version as it was. Two drafts of one share nothing.
        """
        with self._lock:
            newer = Ledger(self._found())
            if self._newer is not None:
                yield newer, newer._arrays
                return
            older = None if self._older is None else self._older()
            if older is not None:  # somebody holds it: the notes would grow without end
                older._arrays, older._newer = older._found(), None
            self._notes = []
            newer._lock, newer._older = self._lock, weakref.ref(self)
            try:
                yield newer, newer._arrays
                self._newer = newer
            finally:
                if self._newer is None:
                    newer.undo()

    def note(self, rows: np.ndarray) -> None:
        """These rows are about to change, none of which was noted before."""
        self._notes.append((rows, [array[rows] for array in self._arrays]))

    def undo(self) -> None:
        """Take all changes back."""
        self._put_back(self._arrays)
        self._notes = []

    def _found(self) -> tuple[np.ndarray, ...]:
        if self._newer is None:
            return self._arrays
        arrays = tuple(array.copy() for array in self._newer._arrays)
        self._newer._put_back(arrays)
        return arrays

    def _put_back(self, arrays: tuple[np.ndarray, ...]) -> None:
        for rows, values in self._notes:
            for array, before in zip(arrays, values, strict=True):
                array[rows] = before

    def __getstate__(self) -> dict[str, tuple[np.ndarray, ...]]:
        return {"arrays": self.arrays}

    def __setstate__(self, state: dict[str, tuple[np.ndarray, ...]]) -> None:
        Ledger.__init__(self, state["arrays"])

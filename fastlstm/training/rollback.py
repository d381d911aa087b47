"""Weights that gave a finite loss, to go back to: only what has changed since is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlstm.core.workspace import aligned_empty
from fastlstm.kernels.contract import Kernels
from fastlstm.network.parameters import Parameters


class Rollback:
    """Undoes the steps since the last mark.

    Parameters
    ----------
    k : Kernels
    parameters : Parameters
        Changed in place by the steps, and by ``undo``.
    note : callable or None
        Is told rows of the embedding before any step has changed them.

    Attributes
    ----------
    touched : bool array, shape (vocabulary_size,)
        Rows of the embedding that any step has changed.
    """

    def __init__(
        self, k: Kernels, parameters: Parameters,
        note: Callable[[np.ndarray], None] | None = None,
    ):  # fmt: skip
        self.k = k
        self.parameters = parameters
        self._note = note
        self.touched = np.zeros(len(parameters.embedding), dtype=bool)
        self._since = np.zeros_like(self.touched)
        self._flat: np.ndarray | None = None
        # Rows of the embedding at the mark. The memory stays: asking the system for new
        # pages takes longer than the copies.
        self._count = 0
        self._ids = np.empty(0, dtype=np.int32)
        self._rows = parameters.embedding[:0].copy()

    def mark(self) -> None:
        """Come back to the weights as they are now."""
        self._flat = self.parameters.flat.copy()
        self._since[:] = False
        self._count = 0

    def before(self, ids: np.ndarray) -> None:
        """A step is about to change all dense weights and these rows of the embedding."""
        if self._note is not None:
            self._note(ids[~self.touched[ids]])
        new = ids[~self._since[ids]]
        self._since[new] = True
        self.touched[new] = True
        self._keep(new)

    def _keep(self, ids: np.ndarray) -> None:
        first, last = self._count, self._count + len(ids)
        if last > len(self._ids):
            size = max(last, min(2 * last, len(self.touched)))
            self._ids = np.resize(self._ids, size)
            rows = aligned_empty((size, self._rows.shape[1]), self._rows.dtype)
            rows[:first] = self._rows[:first]
            self._rows = rows
        self._ids[first:last] = ids
        self.k.gather_rows(self.parameters.embedding, ids, self._rows[first:last])
        self._count = last

    def undo(self) -> None:
        """Back to the mark; without one nothing has changed."""
        if self._flat is None:
            return
        self.parameters.flat[:] = self._flat
        self.parameters.embedding[self._ids[: self._count]] = self._rows[: self._count]
        self.mark()

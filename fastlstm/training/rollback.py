"""Weights that gave a finite loss, to go back to: only what has changed since is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlstm.network.parameters import Parameters


class Rollback:
    """Undoes the steps since the last mark.

    Parameters
    ----------
    parameters : Parameters
        Changed in place by the steps, and by ``undo``.
    note : callable or None
        Is told rows of the embedding before any step has changed them.

    Attributes
    ----------
    touched : bool array, shape (vocabulary_size,)
        Rows of the embedding that any step has changed.
    """

    def __init__(self, parameters: Parameters, note: Callable[[np.ndarray], None] | None = None):
        self.parameters = parameters
        self._note = note
        self.touched = np.zeros(len(parameters.embedding), dtype=bool)
        self._since = np.zeros_like(self.touched)
        self._flat: np.ndarray | None = None
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []

    def mark(self) -> None:
        """Come back to the weights as they are now."""
        self._flat = self.parameters.flat.copy()
        self._since[:] = False
        self._rows = []

    def before(self, ids: np.ndarray) -> None:
        """A step is about to change all dense weights and these rows of the embedding."""
        if self._note is not None:
            self._note(ids[~self.touched[ids]])
        new = ids[~self._since[ids]]
        self._since[new] = True
        self.touched[new] = True
        self._rows.append((new, self.parameters.embedding[new]))

    def undo(self) -> None:
        """Back to the mark; without one nothing has changed."""
        if self._flat is None:
            return
        self.parameters.flat[:] = self._flat
        for ids, rows in self._rows:
            self.parameters.embedding[ids] = rows
        self.mark()

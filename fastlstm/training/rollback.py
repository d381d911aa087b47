"""Weights that gave a finite loss, to go back to: only what has changed since is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlstm.core.workspace import aligned_empty
from fastlstm.kernels.contract import Kernels
from fastlstm.network.parameters import Parameters

# Of the embedding, in one piece of memory.
_ROWS = 1024


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
        # Ids, and their rows of the embedding at the mark. The memory stays: asking the system
        # for new pages takes longer than the copies.
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0

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
        table = self.parameters.embedding
        while len(ids):
            number, first = divmod(self._count, _ROWS)
            if number == len(self._chunks):
                rows = aligned_empty((_ROWS, table.shape[1]), table.dtype)
                self._chunks.append((np.empty(_ROWS, dtype=np.int32), rows))
            part, ids = ids[: _ROWS - first], ids[_ROWS - first :]
            last = first + len(part)
            kept_ids, rows = self._chunks[number]
            kept_ids[first:last] = part
            self.k.gather_rows(table, part, rows[first:last])
            self._count += len(part)

    def undo(self) -> None:
        """Back to the mark; without one nothing has changed."""
        if self._flat is None:
            return
        self.parameters.flat[:] = self._flat
        for number, (ids, rows) in enumerate(self._chunks):
            count = min(max(self._count - number * _ROWS, 0), _ROWS)
            self.parameters.embedding[ids[:count]] = rows[:count]
        self.mark()

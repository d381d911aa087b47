"""Training that goes on from a state that must stay as it is.

Only what changes is copied: the dense weights; of the embedding, which others look at, those
rows in which the memory of the version before lags behind; and of the moments of its rows
those that are about to change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fastlstm.core.options import Options
from fastlstm.core.random import copy_of
from fastlstm.core.versions import Ledger, Version
from fastlstm.core.workspace import aligned_zeros
from fastlstm.training.loop import TrainingState
from fastlstm.training.optim.optimizers import make_optimizer


def continued(
    before: TrainingState, options: Options, train: Callable[[TrainingState], np.ndarray]
) -> TrainingState:
    """The state after some training more.

    Parameters
    ----------
    before : TrainingState
        Not changed, and nor is what it refers to.
    options : Options
    train : callable
        Trains the state that it is given, and returns which rows of the embedding it
        changed: bool array, shape (vocabulary_size,).

    Returns
    -------
    TrainingState
    """
    step, slots, moments = before.step, *_slots(before, options)
    table = before.table or Version(before.parameters.embedding)
    rows = table.draft()
    with moments.draft() as (ledger, arrays):
        state = replace(
            before, parameters=before.parameters.copy(rows.array), rng=copy_of(before.rng),
            slots=(slots, arrays), slots_of=options.optimizer, moments=ledger,
            step=step if before.slots_of == options.optimizer else 0,
            table=None,
        )  # fmt: skip
        changed = np.flatnonzero(train(state))
        if state.slots is None:  # they begin anew
            ledger.undo()
            state.moments = None
        else:
            state.slots = (state.slots[0], ())
    state.table = table.then(rows, changed)
    return state


def _slots(before: TrainingState, options: Options) -> tuple[tuple[np.ndarray, ...], Ledger]:
    """Optimiser state to be changed of the dense weights, and that of the embedding."""
    dense, table = before.parameters.flat[None], before.parameters.embedding
    if before.slots is None or before.slots_of != options.optimizer:
        optimizer = make_optimizer(
            options.optimizer, momentum=options.momentum, weight_decay=options.weight_decay
        )
        slots = optimizer.init(dense)
        return slots, Ledger([aligned_zeros(table.shape, table.dtype) for _ in slots])
    slots = tuple(slot.copy() for slot in before.slots[0])
    # Those of a pickle of an older version may be held by several.
    moments = before.moments or Ledger([slot.copy() for slot in before.slots[1]])
    return slots, moments

"""Training that goes on from a state that must stay as it is.

Only what changes is copied: the dense weights, and of the embedding and the moments of its
rows those rows in which the memory of the version before lags behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fastlstm.core.options import Options
from fastlstm.core.random import copy_of
from fastlstm.core.versions import Version
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
    table, dense = before.parameters.embedding, before.parameters.flat[None]
    versions, step = before.versions, before.step
    if before.slots is None or before.slots_of != options.optimizer:
        optimizer = make_optimizer(
            options.optimizer, momentum=options.momentum, weight_decay=options.weight_decay
        )
        slots, step = optimizer.init(dense), 0
        fresh = [Version.zeros(table.shape, table.dtype) for _ in slots]
        versions = (versions[0] if versions else Version(table), *fresh)
    else:
        slots = tuple(slot.copy() for slot in before.slots[0])
        versions = versions or tuple(map(Version, (table, *before.slots[1])))
    drafts = [version.draft() for version in versions]
    rows, *moments = (draft.array for draft in drafts)
    state = replace(
        before, parameters=before.parameters.copy(rows), rng=copy_of(before.rng),
        slots=(slots, tuple(moments)), slots_of=options.optimizer, step=step,
        history=list(before.history), versions=(),
    )  # fmt: skip
    changed = np.flatnonzero(train(state))
    if state.slots is None:  # they begin anew
        versions = versions[:1]
    state.versions = tuple(
        version.then(draft, changed) for version, draft in zip(versions, drafts, strict=False)
    )
    return state

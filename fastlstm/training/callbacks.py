"""Hooks into the training loop. Each does nothing unless a subclass says otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastlstm.core.progress import print_above, text_bar
from fastlstm.training.history import EpochRecord, describe

if TYPE_CHECKING:
    from rich.progress import Progress


class Callback:
    """Base of all callbacks."""

    def on_train_begin(self, n_epochs: int, steps_per_epoch: int) -> None:
        """Before the first epoch."""

    def on_step_end(self, epoch: int, step: int, loss: float) -> None:
        """After a minibatch; ``epoch`` and ``step`` count from 1. NaN where none is told."""

    def on_epoch_end(self, record: EpochRecord) -> None:
        """After an epoch and its validation."""

    def on_train_end(self) -> None:
        """Always called once training stops, for whatever reason."""


class ProgressBar(Callback):
    """A network's bar with the running loss, and a line for each finished epoch.

    Parameters
    ----------
    progress : rich.progress.Progress
        That shows it, and perhaps others beside it.
    title : str
        What lines begin with, such as "network 1 of 3, ".
    """

    def __init__(self, progress: Progress, title: str = ""):
        self.progress = progress
        self.title = title

    def on_train_begin(self, n_epochs, steps_per_epoch):
        self.n_epochs = n_epochs
        self.task = self.progress.add_task(
            f"{self.title}epoch 1/{n_epochs}", total=steps_per_epoch, loss=""
        )

    def on_step_end(self, epoch, step, loss):
        self.progress.update(
            self.task,
            completed=step,
            loss="" if math.isnan(loss) else f"loss {loss:.4f}",
            description=f"{self.title}epoch {epoch}/{self.n_epochs}",
        )

    def on_epoch_end(self, record):
        print_above(self.progress, self.title + describe(record))
        self.progress.update(self.task, completed=0)

    def on_train_end(self):
        self.progress.remove_task(self.task)


@contextmanager
def progress_bars(shown: bool) -> Iterator[Callable[[str], list[Callback]]]:
    """Live bars of trainings that run side by side (rich).

    Yields
    ------
    bar : callable
        From a title to the callbacks of a training, none where nothing is ``shown``.
    """
    if not shown:
        yield lambda title: []
        return
    with text_bar("{task.completed}/{task.total}", "{task.fields[loss]}") as progress:
        yield lambda title: [ProgressBar(progress, title)]

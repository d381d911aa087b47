"""Hooks into the training loop. Each does nothing unless a subclass says otherwise."""

from __future__ import annotations

from fastlstm.core.progress import print_above, text_bar
from fastlstm.training.history import EpochRecord, describe


class Callback:
    """Base of all callbacks."""

    def on_train_begin(self, n_epochs: int, steps_per_epoch: int) -> None:
        """Before the first epoch."""

    def on_step_end(self, epoch: int, step: int, loss: float) -> None:
        """After a minibatch; ``epoch`` and ``step`` count from 1."""

    def on_epoch_end(self, record: EpochRecord) -> None:
        """After an epoch and its validation."""

    def on_train_end(self) -> None:
        """Always called once training stops, for whatever reason."""


class ProgressBar(Callback):
    """A live bar with the running loss, and a line for each finished epoch (rich).

    Parameters
    ----------
    title : str
        What lines begin with, such as "network 1 of 3, ".
    """

    def __init__(self, title: str = ""):
        self.title = title

    def on_train_begin(self, n_epochs, steps_per_epoch):
        self.progress = text_bar("{task.completed}/{task.total}", "{task.fields[loss]}")
        self.n_epochs = n_epochs
        self.steps_per_epoch = steps_per_epoch
        self.task = self.progress.add_task(
            f"{self.title}epoch 1/{n_epochs}", total=steps_per_epoch, loss=""
        )
        self.progress.start()

    def on_step_end(self, epoch, step, loss):
        self.progress.update(
            self.task,
            completed=step,
            loss=f"loss {loss:.4f}",
            description=f"{self.title}epoch {epoch}/{self.n_epochs}",
        )

    def on_epoch_end(self, record):
        print_above(self.progress, self.title + describe(record))
        self.progress.update(self.task, completed=0)

    def on_train_end(self):
        self.progress.stop()

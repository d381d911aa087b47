"""What happened in each epoch, as ``history_`` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict


class EpochRecord(TypedDict, total=False):
    """One epoch. ``val_`` entries are missing where there is no validation data.

    Attributes
    ----------
    epoch : int
        1 for the first.
    network : int
        1 for the first of an estimator's networks.
    loss, val_loss : float
        Not with ``privacy``, as are ``accuracy``, ``seconds`` and ``tokens_per_second``. Weighted
        mean cross-entropy, in nats a document; ``loss`` is the mean over
        the epoch's minibatches, with dropout, while the weights changed.
    accuracy, val_accuracy : float
        Share of documents classified right, each counted by its weight. With
        ``class_weight="balanced"`` this is the mean recall of the classes.
    learning_rate : float
        At the epoch's last step.
    seconds : float
        Wall time, validation included.
    tokens_per_second : float
        Training tokens over the seconds spent on training.
    """

    epoch: int
    network: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    tokens_per_second: float


class History(Sequence[EpochRecord]):
    """Records of epochs. Another one is as long as it likes and shares what came before.

    Parameters
    ----------
    records : iterable of EpochRecord
    before : sequence of History
        Whose records come first.
    """

    def __init__(self, records: Iterable[EpochRecord] = (), before: Sequence[History] = ()):
        self._before, self._own = tuple(before), tuple(records)
        self._n = sum(map(len, self._before)) + len(self._own)

    def plus(self, record: EpochRecord) -> History:
        """This history and one epoch more."""
        return History([record], [self])

    def last(self, count: int) -> list[EpochRecord]:
        """At most ``count`` records from the end, in their order."""
        found: list[EpochRecord] = []
        waiting = [self]
        while waiting and len(found) < count:
            each = waiting.pop()
            found += reversed(each._own)
            waiting += each._before
        return found[: max(0, count)][::-1]

    def __len__(self) -> int:
        return self._n

    def __iter__(self):
        return iter(self.last(self._n))

    def __getitem__(self, where):
        return self.last(self._n)[where]

    def __eq__(self, other):
        return isinstance(other, Sequence) and list(self) == list(other)

    def __getstate__(self):
        return {"records": list(self)}

    def __setstate__(self, state):
        History.__init__(self, state["records"])


def describe(record: EpochRecord) -> str:
    """One line for people."""
    if "loss" not in record:
        return f"epoch {record['epoch']}: {record['seconds']:.1f} s"
    line = f"epoch {record['epoch']}: loss {record['loss']:.4f}, acc {record['accuracy']:.3f}"
    if "val_loss" in record:
        line += f", val loss {record['val_loss']:.4f}, val acc {record['val_accuracy']:.3f}"
    return f"{line}, {record['seconds']:.1f} s, {record['tokens_per_second']:,.0f} tokens/s"

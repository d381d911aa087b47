"""What a backend may have beside the kernels: a lane of a minibatch in one call.

A lane is a list of shards whose gradients are added up. The backends that lack this are given
one kernel after the other (``training/lanes.py``), which makes the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


class TrainedNetwork(Protocol):
    """Shapes of a network, and where its weights are: they are read anew at each call.

    Parameters
    ----------
    config : ModelConfig
    table : float array, shape (vocabulary_size, embedding_dim)
    parents : int32 array, shape (n_ngrams,)
        See ``layers.embedding.Table``.
    packed : PackedModel
    """

    def __init__(self, config: Any, table: np.ndarray, parents: np.ndarray, packed: Any) -> None:
        pass


class LaneMemory(Protocol):
    """Working memory, for one call at a time; the lanes of any network of that shape use it.

    Parameters
    ----------
    config : ModelConfig

    Attributes
    ----------
    n_bytes : int
        Bytes that it has grown to.
    """

    n_bytes: int

    def __init__(self, config: Any) -> None:
        pass


class Lane(Protocol):
    """An accumulator of gradients, for one call at a time.

    Parameters
    ----------
    config : ModelConfig
    gradients : sequence of DirectionGradient, and at its end the DenseGradient
        Layer by layer; what is added to.
    """

    def __init__(self, config: Any, gradients: Sequence[Any]) -> None:
        pass

    def __call__(
        self, network: TrainedNetwork, memory: LaneMemory, ids: np.ndarray,
        offsets: np.ndarray, y: np.ndarray, weight: np.ndarray, total: float, rows: np.ndarray,
        shards: np.ndarray, keys: np.ndarray | None, n_sequences: int, begins: bool,
    ) -> tuple[float, float, int]:  # fmt: skip
        """Add the gradients of some shards, without the interpreter's lock.

        Parameters
        ----------
        network : TrainedNetwork
        memory : LaneMemory
        ids : int32 array, shape (n_tokens,)
        offsets : int64 array, shape (n_documents + 1,)
            As in ``TokenSequences``.
        y : int64 array, shape (n_documents,), or float64 array
            Class indices, or probabilities of class 1 or of all classes.
        weight : float64 array, shape (n_documents,)
        total : float
            What weights are divided by.
        rows : int64 array
            Documents of all shards, none empty.
        shards : int64 array, shape (n_shards + 1,)
            The documents of shard ``s`` are ``rows[shards[s]:shards[s + 1]]``.
        keys : uint32 array, shape (n_shards, n_dropout_keys), or None
        n_sequences : int
            Documents, or segments of them, of one shard at most.
        begins : bool
            Whether the gradients are set to 0 first. Otherwise the call goes on with the
            shards of the call before, and so do its results.

        Returns
        -------
        loss, correct : float
        n_tokens : int

        Raises
        ------
        MemoryError
        """

    def found(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The gradient of the table for each shard: ids, and values, shape (n_ids, dim).

        Views that are valid until the next call.
        """


@runtime_checkable
class LaneKernels(Protocol):
    """A backend that has them."""

    TrainedNetwork: type[TrainedNetwork]
    LaneMemory: type[LaneMemory]
    Lane: type[Lane]

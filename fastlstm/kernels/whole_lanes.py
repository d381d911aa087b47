"""What a backend may have beside the kernels: a minibatch and its step in few calls.

A lane is a list of shards whose gradients are added up: one call for some of them. Then follow a
call for the sums of each block of weights, one for the rows of the table, and one for the step
of each block. The backends that lack this are given one kernel after the other
(``training/lanes.py``, ``training/blocks.py``), which makes the same numbers.
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
        shards: np.ndarray, keys: np.ndarray | None, side: np.ndarray | None,
        features: np.ndarray | None, n_sequences: int, begins: bool,
    ) -> tuple[float, float, int]:  # fmt: skip
        """Add the gradients of some shards, without the interpreter's lock.

        Parameters
        ----------
        network : TrainedNetwork
        memory : LaneMemory
        ids : int32 array, shape (n_tokens,)
        offsets : int64 array, shape (n_documents + 1,)
            As in ``TokenSequences``.
        y : int64 array, shape (n_labels,), or float64 array
            Class indices, or probabilities of class 1 or of all classes: of the documents or,
            where each token is classified, of the tokens.
        weight : float64 array, shape (n_labels,)
        total : float
            What weights are divided by.
        rows : int64 array
            Documents of all shards, none empty.
        shards : int64 array, shape (n_shards + 1,)
            The documents of shard ``s`` are ``rows[shards[s]:shards[s + 1]]``.
        keys : uint32 array, shape (n_shards, n_dropout_keys), or None
        side : float32 array, shape (n_documents, n_side), or None
        features : float32 array, shape (n_tokens, n_step_features), or None
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


class Sums(Protocol):
    """What the lanes' gradients of one block of weights add up to.

    Parameters
    ----------
    sums : float array, shape (n_weights,)
        Where they are put: the block's arrays, one behind the other.
    """

    def __init__(self, sums: np.ndarray) -> None:
        pass

    def add_lane(self, gradients: Sequence[np.ndarray], widths: Sequence[int]) -> None:
        """The padded arrays of one more lane, in the block's order, and how wide they are."""

    def __call__(self, n_lanes: int) -> float:
        """Sum the first lanes in their order; the squared norm of the sums."""


class MergedRows(Protocol):
    """The gradients of the table that the shards of a minibatch add up to.

    Parameters
    ----------
    table : float array, shape (vocabulary_size, embedding_dim)
    """

    def __init__(self, table: np.ndarray) -> None:
        pass

    def __call__(self, lanes: list[Lane], n_shards: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Each row once, added up in the order of the shards.

        Shard ``n`` is the next one of lane ``n % len(lanes)``.

        Returns
        -------
        ids : int32 array, shape (n_rows,)
        values : float array, shape (n_rows, embedding_dim)
            Both are valid until the next call, which may free their memory.
        squared_norm : float

        Raises
        ------
        MemoryError
        """


class Block(Protocol):
    """Steps of an optimiser for one block of weights, which are packed and averaged.

    Parameters
    ----------
    optimizer : {"adam_update", "sgd_update"}
        A kernel of the contract.
    weights : float array, shape (n_weights,)
    arrays : sequence of float arrays
        Views of the weights: matrices, and at its end the bias.
    packed : PackedDirection or PackedDense
        Of these arrays.
    gradient : float array, shape (n_weights,)
        Read at each step.
    slots : sequence of float arrays, each of shape (n_weights,)
    average : float array, shape (n_weights,), or None
    """

    def __init__(
        self, optimizer: str, weights: np.ndarray, arrays: Sequence[np.ndarray], packed: Any,
        gradient: np.ndarray, slots: Sequence[np.ndarray], average: np.ndarray | None,
    ) -> None:  # fmt: skip
        pass

    def __call__(self, factors: Sequence[float], packs: bool, share: float) -> None:
        """One step.

        Parameters
        ----------
        factors : sequence of float
            Those that the kernel takes, in its order.
        packs : bool
        share : float
            Of the way to the new weights that the average goes.
        """


@runtime_checkable
class LaneKernels(Protocol):
    """A backend that has them."""

    TrainedNetwork: type[TrainedNetwork]
    LaneMemory: type[LaneMemory]
    Lane: type[Lane]
    Sums: type[Sums]
    MergedRows: type[MergedRows]
    Block: type[Block]

"""What a backend is: a module with the functions of ``Kernels``.

Shapes, types and effects of the kernels are described here and nowhere else.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastlstm.kernels.arguments import (
    DirectionGradient,
    DirectionState,
    PackedDirection,
    StateGradient,
    Steps,
)
from fastlstm.kernels.contract_training import TrainingKernels

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# Of matrix products, as ``packed_dtype`` takes them; "int8" as well, in prediction.
PRECISIONS = ("float32", "bfloat16")

# Codes of the pooling kernels.
POOLING = {"last": 0, "mean": 1, "max": 2, "mean_max": 3}


class Kernels(TrainingKernels, Protocol):
    """The functions of a backend; ``k`` in the code that calls them.

    Every kernel is serial, starts no threads, allocates nothing, and releases the
    interpreter's lock where it is compiled. Arrays are C-contiguous. Those that a kernel
    writes are named last and allocated by the caller; the others are only read. The float
    arrays of a call share one dtype, float32 or float64. Token ids and row indices are
    int32, steps and lengths int64. Sequences are packed time-major, longest document first,
    without padding. Weights that are multiplied are packed (``pack``) in an element type
    that ``packed_dtype`` gave; scratch memory has the same type.
    """

    NAME: str

    # -- memory, which the functions describe and the caller allocates --

    def padded_width(self, n: int, dtype: DTypeLike) -> int:
        """Row length of a float array that a product writes ``n`` columns into.

        The columns beyond ``n`` hold no meaning.
        """

    def packed_dtype(self, dtype: DTypeLike, precision: str, training: bool) -> np.dtype[Any]:
        """Element type of packed weights and of scratch memory; decides how products are made.

        Parameters
        ----------
        dtype : dtype of the float arrays
        precision : {"float32", "bfloat16", "int8"}
            With "int8" weights are rounded to 8-bit integers, with a scale for each column,
            and rows that they multiply likewise, with a scale for each row
            (docs/explanation/maths.md, section 15).
        training : bool
            Whether many rows are multiplied at a time, and gradients are wanted.

        Raises
        ------
        BackendError
            If this backend has no such products on this CPU.
        ValueError
            If ``precision`` is not "float32" and ``dtype`` is not float32, or if it is "int8"
            in training.
        """

    def packed_shape(self, k: int, n: int, dtype: DTypeLike) -> tuple[int, ...]:
        """Shape of a (k, n) matrix after ``pack`` for such an element type."""

    def scratch_size(self, n_inputs: int, hidden: int, n_documents: int, dtype: DTypeLike) -> int:
        """Elements of scratch memory, of that type, that products of these sizes use."""

    def block_rows(self, n_documents: int) -> int:
        """Rows of a sweep's working memory, for ``n_documents`` packed documents."""

    # -- products --

    def pack(self, w: np.ndarray, transpose: bool, out: np.ndarray) -> None:
        """Pack a right-hand matrix into the layout of its products.

        Parameters
        ----------
        w : float array, shape (k, n), or (n, k) with ``transpose``
        transpose : bool
            Pack ``w.T`` instead.
        out : array, shape packed_shape(k, n, dtype); overwritten
            Packing multiples, from -127 to 127, of the scales that it left gives it again.
        """

    def matmul(
        self,
        a: np.ndarray,
        depth: int,
        packed: np.ndarray,
        columns: int,
        bias: np.ndarray,
        scratch: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """out[:, :columns] = bias + a[:, :depth] @ w.

        Parameters
        ----------
        a : float array, shape (m, at least depth)
        depth : int
        packed : array
            ``w`` of shape (depth, columns) as ``pack`` left it.
        columns : int
        bias : float array, shape (padded_width(columns),)
        scratch : array, shape (scratch_size(...),)
        out : float array, shape (m, padded_width(columns)); overwritten
        """

    def weight_gradient(
        self,
        a: np.ndarray,
        d: np.ndarray,
        columns: int,
        scratch: np.ndarray,
        d_weights: np.ndarray,
        d_bias: np.ndarray,
    ) -> None:
        """d_weights[:, :columns] += a.T @ d and d_bias[:columns] += column sums of d.

        Parameters
        ----------
        a : float array, shape (n, m)
        d : float array, shape (n, padded_width(columns))
        columns : int
        scratch : array, shape (scratch_size(...),)
            Not of int8: such weights serve prediction alone.
        d_weights : float array, shape (m, padded_width(columns)); added to
        d_bias : float array, shape (padded_width(columns),); added to
            Empty where it is not wanted.
        """

    # -- sweeps over time --

    def lstm_forward(
        self,
        inputs: np.ndarray,
        index: np.ndarray,
        weights: PackedDirection,
        steps: Steps,
        initial: DirectionState,
        keep: bool,
        scratch: np.ndarray,
        ready: np.ndarray,
        done: np.ndarray,
        gates: np.ndarray,
        h: np.ndarray,
        c: np.ndarray,
    ) -> None:
        """Run one direction over packed sequences (docs/explanation/maths.md, eqs. (1) to (6)).

        Parameters
        ----------
        inputs : float array, shape (n_tokens, n_inputs)
            The layer's input; with ``index`` the projected distinct tokens, bias
            included, shape (n_distinct, padded_width(n_gates * hidden)).
        index : int32 array, shape (n_tokens,) or (0,)
            Row of ``inputs`` that each token reads; empty where each has its own.
        weights : PackedDirection
        steps : Steps
        initial : DirectionState
        keep : bool
            Keep what the backward pass needs.
        scratch : array, shape (scratch_size(...),); working memory
        ready : int64 array, shape (1,)
            Rows of ``inputs`` that are valid; another thread may raise it meanwhile, and
            the sweep waits for the rows that it needs. Only walking forward.
        done : int64 array, shape (1,)
            Becomes the number of first rows of ``h`` that are valid: block after block
            walking forward, at the end in reverse.
        gates : float array
            With ``keep`` shape (n_tokens, padded_width(n_gates * hidden)): becomes the gates
            after their activations, [i | f | g | o] of ``hidden`` each, or the outputs of a
            plain RNN. Otherwise working memory of ``block_rows`` such rows.
        h : float array, shape (n_tokens, directions * hidden)
            The columns from ``steps.column`` on are overwritten.
        c : float array
            With ``keep`` shape (n_tokens, cell_width), overwritten. Otherwise
            (n_documents, cell_width): on entry the initial states, then the last ones.
        """

    def lstm_backward(
        self,
        inputs: np.ndarray,
        index: np.ndarray,
        weights: PackedDirection,
        steps: Steps,
        initial: DirectionState,
        gates: np.ndarray,
        h: np.ndarray,
        c: np.ndarray,
        d_out: np.ndarray,
        accumulate: bool,
        scratch: np.ndarray,
        previous: np.ndarray,
        zeros: np.ndarray,
        d_state: StateGradient,
        d_inputs: np.ndarray,
        gradient: DirectionGradient | None,
    ) -> None:
        """Run one direction backward through time (docs/explanation/maths.md, eqs. (15) to (27)).

        Parameters
        ----------
        inputs, index, weights, steps, initial, h, c
            As ``lstm_forward`` had or left them with ``keep``, but ``inputs`` are not
            projected; with ``index`` they are not read and may be empty. Weights are not
            packed as int8.
        gates : float array, shape (n_tokens, padded_width(n_gates * hidden))
            In: the gates that ``lstm_forward`` left. Out: the gradients of the
            pre-activations.
        d_out : float array, shape (n_tokens, directions * hidden)
            Gradient of the outputs ``h``; this direction reads its columns.
        accumulate : bool
            Add to ``d_inputs`` instead of overwriting it; with ``index`` always added.
        scratch : array, shape (scratch_size(...),); working memory
        previous : float array, shape (block_rows(n_documents), hidden); working memory
        zeros : float array, shape (padded_width(max(hidden, n_inputs)),), of 0
        d_state : StateGradient
            In: gradients of the final states. Out: of the initial ones, which are 0 beyond a
            border.
        d_inputs : float array
            Without ``index`` shape (n_tokens, padded_width(n_inputs)): gradient of the
            inputs. With it (n_distinct, padded_width(n_gates * hidden)): the gradients of the
            pre-activations are added to the rows that ``index`` names, eq. (47). Empty where
            it is not wanted.
        gradient : DirectionGradient
            Added to; with ``index`` only ``w_h`` and ``b``. All empty where it is not wanted.
        """

    # -- rows by index --

    def pack_tokens(
        self,
        ids: np.ndarray,
        first: np.ndarray,
        lengths: np.ndarray,
        n_live: np.ndarray,
        starts: np.ndarray,
        packed: np.ndarray,
    ) -> None:
        """Put documents side by side, step by step, without padding.

        Parameters
        ----------
        ids : int32 array
        first, lengths : int64 arrays, shape (n_documents,)
            Document ``d`` is ``ids[first[d]:first[d] + lengths[d]]``; lengths never rise.
        n_live, starts : int64 arrays, shape (n_steps,); overwritten
            Become the documents longer than ``t``, and where step ``t`` begins. There are
            ``lengths[0]`` steps.
        packed : int32 array, shape (sum of lengths,); overwritten
        """

    def distinct_tokens(
        self, ids: np.ndarray, slots: np.ndarray, distinct: np.ndarray, inverse: np.ndarray
    ) -> int:
        """Number the distinct ids in order of first appearance.

        Parameters
        ----------
        ids : int32 array, shape (n,)
        slots : int32 array, shape (vocabulary,); working memory
            All -1 on entry and again on return.
        distinct : int32 array, shape (n,)
            The first ``count`` entries become the distinct ids.
        inverse : int32 array, shape (n,); overwritten
            ``distinct[inverse[p]] == ids[p]``.

        Returns
        -------
        count : int
        """

    def gather_rows(self, table: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
        """out[p] = table[index[p]].

        Parameters
        ----------
        table : float array, shape (rows, at least width)
        index : int32 array, shape (n,)
        out : float array, shape (n, width); overwritten
        """

    def scatter_add_rows(self, rows: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
        """out[index[p]] += rows[p], in the order of p.

        Parameters
        ----------
        rows : float array, shape (n, at least width)
        index : int32 array, shape (n,)
        out : float array, shape (count, width); added to
        """

    # -- pooling and dropout --

    def pool_forward(
        self,
        h: np.ndarray,
        n_live: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        mode: int,
        hidden: int,
        out: np.ndarray,
        winner: np.ndarray,
    ) -> None:
        """Pool each document's outputs over time.

        Parameters
        ----------
        h : float array, shape (n_tokens, width)
            ``width`` is ``hidden``, or twice that with a reverse direction.
        n_live, starts : int64 arrays, shape (n_steps,)
        lengths : int64 array, shape (n_documents,)
        mode : int, a value of ``POOLING``
        hidden : int
        out : float array, shape (n_documents, width or 2 * width); overwritten
        winner : int32 array, shape (n_documents, width)
            The token that won each maximum, for the backward pass; overwritten.
        """

    def pool_backward(
        self,
        d_pooled: np.ndarray,
        n_live: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        mode: int,
        hidden: int,
        winner: np.ndarray,
        d_h: np.ndarray,
    ) -> None:
        """Gradient of the outputs from that of the pooled vectors.

        Parameters
        ----------
        d_pooled : float array, shape (n_documents, width or 2 * width)
        n_live, starts, lengths, mode, hidden, winner
            As ``pool_forward`` had or left them.
        d_h : float array, shape (n_tokens, width); overwritten
        """

    def attend_forward(
        self,
        h: np.ndarray,
        n_live: np.ndarray,
        starts: np.ndarray,
        owner: np.ndarray,
        w: np.ndarray,
        most: np.ndarray,
        total: np.ndarray,
        sums: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        """Add steps to documents' weighted sums of outputs, whose weights are a softmax.

        docs/explanation/maths.md, eqs. (127) to (129). Calls for the parts of a batch, one after
        the other, leave the bits of one call for all.

        Parameters
        ----------
        h : float array, shape (n_tokens, width)
        n_live, starts : int64 arrays, shape (n_steps,)
        owner : int64 array, shape (n_sequences,)
            The document that each sequence is a part of, or all of.
        w : float array, shape (width,)
        most, total : float arrays, shape (n_documents,)
            The largest score, and the sum of ``exp(score - most)``; -inf and 0 at first.
        sums : float array, shape (n_documents, width)
            Outputs weighed alike; 0 at first. Divided by ``total`` they are the pooled vectors.
        scores : float array, shape (n_tokens,); overwritten
            ``h @ w``.
        """

    def attend_backward(
        self,
        h: np.ndarray,
        n_live: np.ndarray,
        starts: np.ndarray,
        owner: np.ndarray,
        most: np.ndarray,
        total: np.ndarray,
        sums: np.ndarray,
        d_pooled: np.ndarray,
        scores: np.ndarray,
        d_scores: np.ndarray,
        d_w: np.ndarray,
    ) -> None:
        """Gradients of scores and of their weights (docs/explanation/maths.md, eqs. (130), (132)).

        Parameters
        ----------
        h, n_live, starts, owner
            As ``attend_forward`` had them.
        most, total, sums : float arrays
            As it left them, after the last step.
        d_pooled : float array, shape (n_documents, width)
        scores : float array, shape (n_tokens,)
            In: as ``attend_forward`` left them. Out: the weights of the tokens, of which those
            of a document add up to 1.
        d_scores : float array, shape (n_tokens,); overwritten
        d_w : float array, shape (width,); added to
            Empty where it is not wanted.
        """

    def attend_spread(
        self,
        n_live: np.ndarray,
        starts: np.ndarray,
        owner: np.ndarray,
        w: np.ndarray,
        d_pooled: np.ndarray,
        shares: np.ndarray,
        d_scores: np.ndarray,
        d_h: np.ndarray,
    ) -> None:
        """Gradient of the outputs (docs/explanation/maths.md, eq. (131)).

        Parameters
        ----------
        n_live, starts, owner
            As ``attend_forward`` had them.
        w : float array, shape (width,)
        d_pooled : float array, shape (n_documents, width)
        shares, d_scores : float arrays, shape (n_tokens,)
            Weights and gradients of scores, as ``attend_backward`` left them.
        d_h : float array, shape (n_tokens, width); overwritten
        """

    def dropout(self, x: np.ndarray, rate: float, key: int, first: int, out: np.ndarray) -> None:
        """Inverted dropout with a mask computed from (key, position) alone.

        The mask is a counter-based hash (the "lowbias32" finaliser by C. Wellons), so
        the backward pass repeats it from the key and no mask is stored.

        Parameters
        ----------
        x : float array, shape (n, width)
        rate : float
            Share of entries set to 0, in [0, 1).
        key : int
            Names the mask; 0 <= key < 2**32.
        first : int
            The row of a larger array that ``x`` begins with, where it is a part of one.
        out : float array, shape (n, width); overwritten, may be ``x``
        """

    # -- threads (``core/threads.py``) --

    def hand_over(self, on: bool) -> None:
        """Whether kernels hand over the interpreter's lock from now on, for a pool at work.

        A thread that finds the lock taken sleeps, and waking it costs more than it slept
        for. So a kernel does not return while another thread of the pool is between two
        kernels, in Python: it waits some microseconds, awake. That is a hint, not a lock: a
        thread that has waited long enough goes on. The caller, who is in Python, is the
        first. Two pools may switch it off for one another, which costs time alone.
        """

    def wait_for_all(self, counters: np.ndarray, least: np.ndarray, tries: int) -> bool:
        """Wait, awake, until no counter is below its number in ``least``.

        Parameters
        ----------
        counters : int64 array, shape (n,)
            Other threads raise them.
        least : int64 array, shape (n,)
        tries : int
            Looks at the counters before it gives up.

        Returns
        -------
        reached : bool
        """


# Names of the kernels, in the order of the classes.
KERNELS = tuple(
    name
    for part in (TrainingKernels, Kernels)
    for name, value in vars(part).items()
    if isinstance(value, FunctionType) and not name.startswith("_")
)

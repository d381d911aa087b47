"""One LSTM layer, in one direction or two (docs/explanation/maths.md).

Weights of a direction: ``w_x`` (inputs, 4 * hidden), ``w_h`` (hidden, 4 * hidden)
and ``b`` (4 * hidden), with the gates side by side as [i | f | g | o]. A plain RNN has one block
of ``hidden`` columns in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from fastlstm.core.workspace import aligned_empty, aligned_zeros
from fastlstm.kernels.arguments import (
    CELLS,
    DirectionGradient,
    DirectionState,
    PackedDirection,
    StateGradient,
    Steps,
)
from fastlstm.kernels.contract import Kernels

DIRECTIONS = ("forward", "reverse")


def init(rng, n_inputs, hidden, dtype, n_gates=CELLS["lstm"], forget_bias=1.0):
    """Weights of one direction.

    Each gate's input block is Glorot uniform, its recurrent block orthogonal
    (Saxe et al. 2014); the forget gate's bias is 1, or another (Gers et al. 2000).
    """
    limit = np.sqrt(6.0 / (n_inputs + hidden))  # eq. (8)
    w_x = rng.uniform(-limit, limit, size=(n_inputs, n_gates * hidden))
    blocks = []
    for _ in range(n_gates):
        q, r = np.linalg.qr(rng.standard_normal((hidden, hidden)))
        blocks.append(q * np.sign(np.diag(r)))  # uniform over orthogonal matrices, eq. (9)
    b = np.zeros(n_gates * hidden)
    b[hidden : 2 * hidden] = forget_bias  # eq. (10); a plain RNN has no such gate
    w_h = np.concatenate(blocks, axis=1)
    return {"w_x": w_x.astype(dtype), "w_h": w_h.astype(dtype), "b": b.astype(dtype)}


def pack(k: Kernels, weights, packed=None, precision="float32", training=False) -> PackedDirection:
    """Pack one direction's weights, into ``packed`` if it is given.

    Those for ``precision="int8"``, which only predicts, without the transposed ones.
    """
    w_x, w_h, b = weights["w_x"], weights["w_h"], weights["b"]
    if packed is None:
        dtype = w_x.dtype
        packed_as = k.packed_dtype(dtype, precision, training)

        def empty(rows, columns):
            return aligned_empty(k.packed_shape(rows, columns, packed_as), packed_as)

        turned = precision != "int8"
        packed = PackedDirection(
            empty(*w_x.shape),
            empty(*(w_x.shape[::-1] if turned else (0, 0))),
            empty(*w_h.shape),
            empty(*(w_h.shape[::-1] if turned else (0, 0))),
            aligned_zeros(k.padded_width(len(b), dtype), dtype),
            w_x.shape[0],
            w_h.shape[0],
            len(b) // w_h.shape[0],
        )
    k.pack(w_x, False, packed.w_x)
    k.pack(w_h, False, packed.w_h)
    if packed.w_x.dtype != np.int8:
        k.pack(w_x, True, packed.w_x_t)
        k.pack(w_h, True, packed.w_h_t)
    packed.b[: len(b)] = b
    return packed


class LayerInput(NamedTuple):
    """What a layer reads: ``rows[inverse[p]]`` at position ``p``, or ``rows[p]``.

    The first layer gets the distinct tokens' vectors with ``inverse``; the layers
    above get a row for each position and no ``inverse``. Instead of ``rows`` there may be
    what each direction makes of them, ``projected``: see ``project``.
    """

    rows: np.ndarray | None
    inverse: np.ndarray | None = None
    projected: list[np.ndarray] | None = None


class InitialState(NamedTuple):
    """States before the first step, for each direction, shapes (n, hidden), (n, cell_width)."""

    h: Sequence[np.ndarray]
    c: Sequence[np.ndarray]


class LSTMCache(NamedTuple):
    """What the forward pass leaves.

    ``gates`` and ``c`` hold one array a direction; only with ``keep`` do they serve the
    backward pass. ``rows`` has a row for each token, or is None where rows were projected.
    """

    inputs: LayerInput
    rows: np.ndarray | None
    out: np.ndarray
    gates: list[np.ndarray]
    c: list[np.ndarray]
    initial: InitialState
    given: bool


class LayerGradient(NamedTuple):
    """Gradients of a layer but for those of its weights.

    Attributes
    ----------
    rows : float array, shape of ``LayerInput.rows``, or None
        None where the caller projected them.
    initial : InitialState
    pre_activations : list of float arrays, each of shape (n_tokens, padded_width(n_columns))
        For each direction, [i | f | g | o]. They take the memory of the cache's gates.
    """

    rows: np.ndarray | None
    initial: InitialState
    pre_activations: list[np.ndarray]


# All rows of the input are there from the start: nothing to wait for.
READY = np.full(1, np.iinfo(np.int64).max)

_EACH_ITS_OWN = np.zeros(0, dtype=np.int32)

# Projecting the distinct rows alone saves a product of ``n_inputs`` terms for each
# repeated token, and costs a gather of all gates (in training also their sum): worth
# it from this many terms a token on. The first is from ``pytest benchmarks/test_engine.py
# -k distinct``; inference saves one product of three for a gather alone.
TERMS_TRAINING = 45
_TERMS_INFERENCE = 25


class SweepMemory(NamedTuple):
    """Working memory of one direction, as the kernel ``lstm_forward`` has it."""

    gates: np.ndarray
    c: np.ndarray
    done: np.ndarray
    scratch: np.ndarray


def projects_distinct(inputs: LayerInput, n_tokens: int, terms: int) -> bool:
    """Whether the input product is computed once for each distinct row, eq. (46)."""
    if inputs.inverse is None or inputs.rows is None:
        return False
    n_rows, n_inputs = inputs.rows.shape
    return (n_tokens - n_rows) * n_inputs > terms * n_tokens


def project(k: Kernels, work, name, rows, packed):
    """Rows times the input weights, with the bias, shape (n_rows, padded_width(n_columns))."""
    return project_into(k, work, rows, packed, work.array(name, len(rows), len(packed.b)))


def project_into(k: Kernels, work, rows, packed, out):
    """As ``project``, to memory that the caller keeps."""
    memory = scratch(k, work, packed)
    k.matmul(rows, packed.n_inputs, packed.w_x, packed.n_columns, packed.b, memory, out)
    return out


def scratch(k: Kernels, work, packed, n_documents=1, name="lstm"):
    """Working memory of the products of one direction."""
    dtype = packed.w_x.dtype
    size = k.scratch_size(packed.n_inputs, packed.hidden, n_documents, dtype)
    return work.array(f"{name}.scratch", size, dtype=dtype)


def forward(
    k: Kernels, work, name, inputs, batch, directions, keep=True, initial=None
) -> LSTMCache:
    """Run a layer over a packed batch (docs/explanation/maths.md, eqs. (1) to (6) and (40)).

    Parameters
    ----------
    name, inputs, batch, directions, keep, initial
        As in ``sweeps``.

    Returns
    -------
    cache : LSTMCache
        ``cache.out`` is the output, shape (n_tokens, len(directions) * hidden).
    """
    calls, cache = sweeps(k, work, name, inputs, batch, directions, keep, initial)
    for call in calls:
        call()
    return cache


def sweeps(
    k: Kernels, work, name, inputs, batch, directions, keep, initial=None, ready=READY, done=None,
    only=None,
) -> tuple[Iterator[Callable], LSTMCache]:  # fmt: skip
    """What ``forward`` does, as a call without arguments for each direction.

    Memory is prepared when a call is taken from the iterator, so that nothing but a kernel
    runs in it. Without ``keep`` the calls may run at the same time.

    Parameters
    ----------
    k : Kernels
    work : Workspace
    name : str
        Prefix of this layer's arrays in the workspace.
    inputs : LayerInput
    batch : TokenBatch
    directions : list of PackedDirection
        One, or two with the reverse direction second.
    keep : bool
        Keep what the backward pass needs.
    initial : InitialState or None
        None starts from zeros.
    ready, done : int64 arrays, shape (1,)
        Rows of ``inputs.rows`` and of the output that are valid, as in the kernel
        ``lstm_forward``; for a layer whose input is still being written.
    only : int or None
        The one direction that is wanted.

    Returns
    -------
    calls : iterator of callables
    cache : LSTMCache
        Complete when all calls were made.
    """
    hidden, n, n_tokens = directions[0].hidden, batch.n_sequences, batch.n_tokens
    given = initial is not None
    if initial is None:
        h = [work.zeros("lstm.initial", n, hidden)] * len(directions)
        has_cell = directions[0].cell_width > 0
        initial = InitialState(h, h if has_cell else [work.array("lstm.no_cell", n, 0)] * len(h))
    terms = TERMS_TRAINING if keep else _TERMS_INFERENCE
    distinct = inputs.projected is not None or projects_distinct(inputs, n_tokens, terms)
    rows = None if distinct else _row_for_each_token(k, work, f"{name}.rows", inputs, n_tokens)
    out = work.array(f"{name}.out", n_tokens, len(directions) * hidden)
    cache = LSTMCache(inputs, rows, out, [], [], initial, given)

    def prepared():
        for d, packed in enumerate(directions):
            if only not in (None, d):
                continue
            own = f"{name}.{DIRECTIONS[d]}"
            source = rows
            if inputs.projected is not None:
                source = inputs.projected[d]
            elif distinct:
                shared = "lstm" if keep else own
                source = project(k, work, f"{shared}.projected", inputs.rows, packed)
            memory = _memory(k, work, own, packed, n, n_tokens if keep else None)
            if not keep and given:
                memory.c[:] = initial.c[d]
            elif not keep:
                memory.c.fill(0)
            cache.gates.append(memory.gates)
            cache.c.append(memory.c)
            yield partial(
                k.lstm_forward, source, inputs.inverse if distinct else _EACH_ITS_OWN, packed,
                Steps(batch.n_live, batch.starts, d == 1, d * hidden),
                DirectionState(initial.h[d], initial.c[d], given), keep, memory.scratch, ready,
                memory.done if done is None else done, memory.gates, out, memory.c,
            )  # fmt: skip

    return prepared(), cache


def _memory(k: Kernels, work, own, packed, n, n_kept) -> SweepMemory:
    """Working memory for ``n`` sequences; ``n_kept`` tokens are kept, or None.

    Sweeps that keep run one after the other and share what is not kept.
    """
    hidden, width = packed.hidden, len(packed.b)

    def arrays(rows, states, shared):
        return SweepMemory(
            work.array(f"{own}.gates", rows, width),
            work.array(f"{own}.c", states, packed.cell_width),
            work.array(f"{shared}.done", 1, dtype=np.int64),
            scratch(k, work, packed, n, shared),
        )

    if n_kept is not None:
        return arrays(n_kept, n_kept, "lstm")
    key = n, packed.n_inputs, hidden, packed.n_gates, packed.w_x.dtype
    return work.kept(own, key, lambda: arrays(k.block_rows(n), n, own))


def _row_for_each_token(k: Kernels, work, name, inputs, n_tokens):
    if inputs.inverse is None:
        return inputs.rows
    rows = work.array(name, n_tokens, inputs.rows.shape[1])
    k.gather_rows(inputs.rows, inputs.inverse, rows)
    return rows


def zero_gradient(k: Kernels, n_inputs, hidden, dtype, n_gates=CELLS["lstm"]) -> DirectionGradient:
    """Zeros for ``backward`` to add one direction's gradients to."""
    width = k.padded_width(n_gates * hidden, dtype)
    return DirectionGradient(
        aligned_zeros((n_inputs, width), dtype),
        aligned_zeros((hidden, width), dtype),
        aligned_zeros(width, dtype),
    )


def backward(
    k: Kernels, work, name, cache, d_out, batch, directions, gradients=None, d_final=None,
    border=0,
) -> LayerGradient:  # fmt: skip
    """Gradients of a layer (docs/explanation/maths.md, eqs. (15) to (27) and (39)).

    Parameters
    ----------
    cache : LSTMCache
        From ``forward``; its gates are used up.
    d_out : float array, shape (n_tokens, directions * hidden)
    gradients : list of DirectionGradient, or None
        Those of the weights are added to it; None where they are not wanted.
    d_final : InitialState or None
        Gradients of each document's last states, if the loss sees them.
    border : int
        See ``Steps``.

    Returns
    -------
    LayerGradient
    """
    hidden, n_inputs = directions[0].hidden, directions[0].n_inputs
    n, n_tokens, dtype = batch.n_sequences, batch.n_tokens, work.dtype
    padded, padded_inputs = k.padded_width(hidden, dtype), k.padded_width(n_inputs, dtype)
    zeros = work.zeros(f"{name}.zeros", max(padded, padded_inputs))
    d_h = work.zeros(f"{name}.d_h", len(directions), n, padded)
    d_c = work.zeros(f"{name}.d_c", len(directions), n, directions[0].cell_width)
    if d_final is not None:
        d_h[:, :, :hidden], d_c[:] = d_final.h, d_final.c
    rows, inverse, projected = cache.inputs
    distinct = cache.rows is None
    nothing, no_bias = work.array("lstm.nothing", 0, 0), work.array("lstm.no_bias", 0)
    d_tokens = nothing
    if projected is None:
        d_tokens = work.array(
            f"{name}.d_tokens", len(rows) if distinct else n_tokens, padded_inputs
        )
    previous = work.array("lstm.previous", k.block_rows(n), hidden)
    pre_activations = cache.gates  # the kernel writes them where the gates are
    for d, packed in enumerate(directions):
        memory = scratch(k, work, packed, n)
        of_weights = DirectionGradient(nothing, nothing, no_bias)
        if gradients is not None:
            of_weights = gradients[d]
        d_inputs = d_tokens
        if distinct and projected is None:
            d_inputs = work.zeros("lstm.summed", len(rows), len(packed.b))
        k.lstm_backward(
            nothing if distinct else cache.rows, inverse if distinct else _EACH_ITS_OWN, packed,
            Steps(batch.n_live, batch.starts, d == 1, d * hidden, border),
            DirectionState(cache.initial.h[d], cache.initial.c[d], cache.given),
            pre_activations[d], cache.out, cache.c[d], d_out, d == 1, memory, previous, zeros,
            StateGradient(d_h[d], d_c[d]), d_inputs, of_weights,
        )  # fmt: skip
        if distinct and projected is None:
            backward_of_distinct(
                k, work, packed, d, rows, d_inputs, d_tokens, zeros,
                None if gradients is None else of_weights,
            )  # fmt: skip
    d_rows = None
    if projected is None and (distinct or inverse is None):
        d_rows = narrow(d_tokens, n_inputs)
    elif projected is None:
        d_rows = work.zeros(f"{name}.d_rows", len(rows), n_inputs)
        k.scatter_add_rows(d_tokens, inverse, d_rows)
    return LayerGradient(d_rows, InitialState(d_h[:, :, :hidden], d_c), pre_activations)


def backward_of_distinct(
    k: Kernels, work, packed, d, rows, summed, d_rows, zeros, gradient
) -> None:
    """From the summed gradients of distinct rows' projections, eqs. (48) and (49).

    Parameters
    ----------
    packed : PackedDirection
    d : int
        The direction; the second one adds, eq. (42).
    rows : float array, shape (n_rows, n_inputs)
    summed : float array, shape (n_rows, padded_width(n_columns))
    d_rows : float array, shape (n_rows, padded_width(n_inputs))
        Gradient of the rows; overwritten.
    zeros : float array
        As long as a row of ``d_rows``, at least.
    gradient : DirectionGradient or None
        That of the input weights is added to it.
    """
    memory, n_inputs = scratch(k, work, packed), packed.n_inputs
    into = d_rows if d == 0 else work.array("lstm.d_reverse", *d_rows.shape)
    k.matmul(summed, packed.n_columns, packed.w_x_t, n_inputs, zeros, memory, into)
    if gradient is not None:
        no_bias = work.array("lstm.no_bias", 0)
        k.weight_gradient(rows, summed, packed.n_columns, memory, gradient.w_x, no_bias)
    if d == 1:
        d_rows[:, :n_inputs] += into[:, :n_inputs]


def narrow(padded, width):
    """The first columns of rows that are padded, contiguous."""
    return padded if padded.shape[1] == width else np.ascontiguousarray(padded[:, :width])

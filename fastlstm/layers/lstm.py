"""One LSTM layer, in one direction or two (docs/maths.md).

Weights of a direction: ``w_x`` (inputs, 4 * hidden), ``w_h`` (hidden, 4 * hidden)
and ``b`` (4 * hidden), with the gates side by side as [i | f | g | o].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DIRECTIONS = ("forward", "reverse")


def init(rng, n_inputs, hidden, dtype):
    """Weights of one direction.

    Each gate's input block is Glorot uniform, its recurrent block orthogonal
    (Saxe et al. 2014); the forget gate's bias is 1 (Gers et al. 2000).
    """
    limit = np.sqrt(6.0 / (n_inputs + hidden))  # eq. (8)
    w_x = rng.uniform(-limit, limit, size=(n_inputs, 4 * hidden))
    blocks = []
    for _ in range(4):
        q, r = np.linalg.qr(rng.standard_normal((hidden, hidden)))
        blocks.append(q * np.sign(np.diag(r)))  # uniform over orthogonal matrices, eq. (9)
    b = np.zeros(4 * hidden)
    b[hidden : 2 * hidden] = 1.0  # eq. (10)
    w_h = np.concatenate(blocks, axis=1)
    return {"w_x": w_x.astype(dtype), "w_h": w_h.astype(dtype), "b": b.astype(dtype)}


class PackedDirection(NamedTuple):
    """Weights of one direction in the backend's layout."""

    w_x: np.ndarray
    w_x_t: np.ndarray
    w_h: np.ndarray
    w_h_t: np.ndarray
    b: np.ndarray
    n_inputs: int
    hidden: int


def pack(k, weights, packed=None) -> PackedDirection:
    """Pack one direction's weights, into ``packed`` if it is given."""
    w_x, w_h, b = weights["w_x"], weights["w_h"], weights["b"]
    if packed is None:
        dtype = w_x.dtype

        def empty(rows, columns):
            return np.empty(k.packed_shape(rows, columns, dtype), dtype)

        packed = PackedDirection(
            empty(*w_x.shape),
            empty(*w_x.shape[::-1]),
            empty(*w_h.shape),
            empty(*w_h.shape[::-1]),
            np.zeros(k.padded_width(len(b), dtype), dtype),
            *w_x.shape[:1],
            w_h.shape[0],
        )
    k.pack(w_x, False, packed.w_x)
    k.pack(w_x, True, packed.w_x_t)
    k.pack(w_h, False, packed.w_h)
    k.pack(w_h, True, packed.w_h_t)
    packed.b[: len(b)] = b
    return packed


class LayerInput(NamedTuple):
    """What a layer reads: ``rows[inverse[p]]`` at position ``p``, or ``rows[p]``.

    The first layer gets the distinct tokens' vectors with ``inverse``; the layers
    above get a row for each position and no ``inverse``.
    """

    rows: np.ndarray
    inverse: np.ndarray | None = None


class InitialState(NamedTuple):
    """States before the first step, one row a document, shape (directions, n, hidden)."""

    h: np.ndarray
    c: np.ndarray


class LSTMCache(NamedTuple):
    """What the forward pass leaves for the backward pass.

    ``gates`` and ``c`` hold one array a direction; after ``backward`` the gates
    hold the gradients of the pre-activations, and ``d_input`` their sums per row
    of ``inputs.rows``.
    """

    inputs: LayerInput
    out: np.ndarray
    gates: list[np.ndarray]
    c: list[np.ndarray]
    initial: InitialState
    d_input: list[np.ndarray]
    h_before: list[np.ndarray]


def _pre_activations(k, work, name, inputs, packed, n_tokens):
    """Input projection with bias; once per distinct row where rows repeat, eq. (46)."""
    width = len(packed.b)
    gates = work.array(f"{name}.gates", n_tokens, width)
    if inputs.inverse is None:
        k.matmul(inputs.rows, packed.w_x, 4 * packed.hidden, packed.b, gates)
        return gates
    projected = work.array(f"{name}.projected", len(inputs.rows), width)
    k.matmul(inputs.rows, packed.w_x, 4 * packed.hidden, packed.b, projected)
    k.gather_rows(projected, inputs.inverse, gates)
    return gates


def forward(k, work, name, inputs, batch, directions, initial=None) -> LSTMCache:
    """Run a layer over a packed batch (docs/maths.md, eqs. (1) to (6) and (40)).

    Parameters
    ----------
    k : backend module
    work : Workspace
    name : str
        Prefix of this layer's arrays in the workspace.
    inputs : LayerInput
    batch : TokenBatch
    directions : list of PackedDirection
        One, or two with the reverse direction second.
    initial : InitialState or None
        None starts from zeros.

    Returns
    -------
    cache : LSTMCache
        ``cache.out`` is the output, shape (n_tokens, len(directions) * hidden).
    """
    hidden = directions[0].hidden
    n, n_tokens = batch.n_documents, batch.n_tokens
    out = work.array(f"{name}.out", n_tokens, len(directions) * hidden)
    has_initial = initial is not None
    if initial is None:
        zero = work.zeros(f"{name}.initial", len(directions), n, hidden)
        initial = InitialState(zero, zero)
    gates, cells = [], []
    for d, packed in enumerate(directions):
        part = f"{name}.{DIRECTIONS[d]}"
        gates.append(_pre_activations(k, work, part, inputs, packed, n_tokens))
        cells.append(work.array(f"{part}.c", n_tokens, hidden))
        k.lstm_forward(
            gates[d], packed.w_h, initial.h[d], initial.c[d], has_initial,
            batch.n_live, batch.starts, d == 1, d * hidden, out, cells[d],
        )  # fmt: skip
    return LSTMCache(inputs, out, gates, cells, initial, [], [])


def backward(k, work, name, cache, d_out, batch, directions, d_final=None):
    """Gradients of a layer's input rows and initial states, eqs. (15) to (24) and (39).

    Parameters
    ----------
    cache : LSTMCache
        From ``forward``; its ``d_input`` and ``h_before`` are filled for ``gradient``.
    d_out : float array, shape (n_tokens, directions * hidden)
    d_final : InitialState or None
        Gradients of each document's last states, if the loss sees them.

    Returns
    -------
    d_rows : float array, shape of ``cache.inputs.rows``
    d_initial : InitialState
    """
    hidden = directions[0].hidden
    n, (n_rows, n_inputs) = batch.n_documents, cache.inputs.rows.shape
    padded = k.padded_width(hidden, work.dtype)
    zeros = work.zeros(f"{name}.zeros", max(padded, k.padded_width(n_inputs, work.dtype)))
    d_h = work.zeros(f"{name}.d_h", len(directions), n, padded)
    d_c = work.zeros(f"{name}.d_c", len(directions), n, hidden)
    if d_final is not None:
        d_h[:, :, :hidden], d_c[:] = d_final.h, d_final.c
    d_rows = work.array(f"{name}.d_rows", n_rows, k.padded_width(n_inputs, work.dtype))
    cache.d_input.clear()
    cache.h_before.clear()
    for d, packed in enumerate(directions):
        part = f"{name}.{DIRECTIONS[d]}"
        gates = cache.gates[d]
        k.lstm_backward(
            gates, packed.w_h_t, cache.initial.c[d], cache.c[d], d_out,
            batch.n_live, batch.starts, d == 1, d * hidden, zeros, d_h[d], d_c[d],
        )  # fmt: skip
        h_before = work.array(f"{part}.h_before", batch.n_tokens, hidden)
        k.previous_states(
            cache.out, cache.initial.h[d], batch.n_live, batch.starts, d == 1, d * hidden, h_before
        )
        cache.h_before.append(h_before)
        summed = gates
        if cache.inputs.inverse is not None:
            summed = work.zeros(f"{part}.summed", n_rows, gates.shape[1])
            k.scatter_add_rows(gates, cache.inputs.inverse, summed)  # eq. (47)
        cache.d_input.append(summed)
        into = d_rows if d == 0 else work.array(f"{name}.d_rows_reverse", *d_rows.shape)
        k.matmul(summed, packed.w_x_t, n_inputs, zeros, into)  # eqs. (24) and (49)
        if d == 1:
            d_rows[:, :n_inputs] += into[:, :n_inputs]  # eq. (42)
    return _narrow(d_rows, n_inputs), InitialState(d_h[:, :, :hidden], d_c)


def _narrow(padded, width):
    return padded if padded.shape[1] == width else np.ascontiguousarray(padded[:, :width])


def gradient(k, cache, d, low, high, accumulate, out):
    """Add one shard's share to columns ``low:high`` of a direction's gradients.

    Parameters
    ----------
    cache : LSTMCache
        After ``backward``.
    d : int
        0 for the forward direction, 1 for the reverse one.
    low, high : int
        Columns, ``low`` a multiple of the backend's panel width.
    accumulate : bool
    out : dict of float arrays ``w_x``, ``w_h``, ``b``
    """
    # Eqs. (25) to (27); over distinct rows eq. (48).
    k.weight_gradient(cache.inputs.rows, cache.d_input[d], low, high, accumulate, out["w_x"])
    k.weight_gradient(cache.h_before[d], cache.gates[d], low, high, accumulate, out["w_h"])
    k.bias_gradient(cache.d_input[d], low, high, accumulate, out["b"])

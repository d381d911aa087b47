"""The LSTM over packed sequences: forward in time, and back.

Tokens are packed time-major, longest document first: step ``t`` owns the rows
``starts[t] .. starts[t] + n_live[t]`` and row ``r`` of a step is always the same
document. Both directions walk the same packing. Walking forward, every document
starts at step 0; walking in reverse, a document joins at its last token. Either
way the rows of a step that continue are the first ones, and the others start
from the initial state.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastlstm.kernels.numba.jit import jit
from fastlstm.kernels.numba.lanes import data_pointer, for_each_chunk
from fastlstm.kernels.numba.matmul import matmul_rows


def _pointers(context, builder, kinds, values):
    """Pointers ``array + offset`` for alternating (array, offset) arguments."""
    pairs = zip(kinds[::2], values[::2], values[1::2], strict=True)
    return [
        builder.gep(data_pointer(context, builder, kind, array), [offset])
        for kind, array, offset in pairs
    ]


@intrinsic
def _cell_forward(
    typingctx, gates, gates_at, c_before, c_before_at, c, c_at, h, h_at, hidden
):  # fmt: skip
    """One document, one step: pre-activations become gates, then c and h.

    docs/maths.md, eqs. (3) to (5). ``gates`` holds [i | f | g | o] and is changed in place.
    """

    def codegen(context, builder, signature, values):
        n = values[8]
        at_gates, at_before, at_c, at_h = _pointers(
            context, builder, signature.args[:8], values[:8]
        )

        def body(lanes, j):
            def gate(position):
                offset = builder.mul(n, ir.Constant(n.type, position))
                return builder.gep(at_gates, [builder.add(offset, j)])

            i = lanes.sigmoid(lanes.load(gate(0)))  # eq. (3)
            f = lanes.sigmoid(lanes.load(gate(1)))
            g = lanes.tanh(lanes.load(gate(2)))
            o = lanes.sigmoid(lanes.load(gate(3)))
            before = lanes.load(builder.gep(at_before, [j]))
            now = lanes.fma(f, before, lanes.mul(i, g))  # eq. (4)
            for position, value in enumerate((i, f, g, o)):
                lanes.store(value, gate(position))
            lanes.store(now, builder.gep(at_c, [j]))
            lanes.store(lanes.mul(o, lanes.tanh(now)), builder.gep(at_h, [j]))  # eq. (5)

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    arguments = (
        gates, types.int64, c_before, types.int64, c, types.int64, h, types.int64, types.int64,
    )  # fmt: skip
    return types.void(*arguments), codegen


@intrinsic
def _cell_backward(
    typingctx, gates, gates_at, c_before, c_before_at, c, c_at, d_out, d_out_at,
    d_h, d_h_at, d_c, d_c_at, hidden,
):  # fmt: skip
    """One document, one step, backward: gates become gradients of pre-activations.

    docs/maths.md, eqs. (15) to (22). ``d_c`` leaves as the gradient of the state before.
    """

    def codegen(context, builder, signature, values):
        n = values[12]
        at_gates, at_before, at_c, at_d_out, at_d_h, at_d_c = _pointers(
            context, builder, signature.args[:12], values[:12]
        )

        def body(lanes, j):
            def gate(position):
                offset = builder.mul(n, ir.Constant(n.type, position))
                return builder.gep(at_gates, [builder.add(offset, j)])

            def times_slope_of_sigmoid(d, y):  # eq. (11)
                return lanes.mul(d, lanes.mul(y, lanes.sub(one, y)))

            def times_slope_of_tanh(d, y):  # eq. (12)
                return lanes.mul(d, lanes.sub(one, lanes.mul(y, y)))

            one = lanes.constant(1.0)
            i, f, g, o = (lanes.load(gate(position)) for position in range(4))
            squashed = lanes.tanh(lanes.load(builder.gep(at_c, [j])))
            before = lanes.load(builder.gep(at_before, [j]))
            into_h = lanes.add(  # eq. (15)
                lanes.load(builder.gep(at_d_out, [j])), lanes.load(builder.gep(at_d_h, [j]))
            )
            d_o = lanes.mul(into_h, squashed)  # eq. (17)
            into_c = lanes.add(  # eq. (16)
                lanes.load(builder.gep(at_d_c, [j])),
                times_slope_of_tanh(lanes.mul(into_h, o), squashed),
            )
            # eq. (21), of the gates' gradients by eqs. (18), (19) and (20)
            lanes.store(times_slope_of_sigmoid(lanes.mul(into_c, g), i), gate(0))
            lanes.store(times_slope_of_sigmoid(lanes.mul(into_c, before), f), gate(1))
            lanes.store(times_slope_of_tanh(lanes.mul(into_c, i), g), gate(2))
            lanes.store(times_slope_of_sigmoid(d_o, o), gate(3))
            lanes.store(lanes.mul(into_c, f), builder.gep(at_d_c, [j]))  # eq. (22)

        for_each_chunk(builder, gates.dtype, n, body)
        return context.get_dummy_value()

    arguments = (
        gates, types.int64, c_before, types.int64, c, types.int64, d_out, types.int64,
        d_h, types.int64, d_c, types.int64, types.int64,
    )  # fmt: skip
    return types.void(*arguments), codegen


@jit
def lstm_forward(
    gates, packed_w_h, h0, c0, has_initial, n_live, starts, reverse, column, h, c
):  # fmt: skip
    """Run one LSTM direction over packed sequences.

    Parameters
    ----------
    gates : float array, shape (n_tokens, padded_width(4 * hidden))
        In: input projections with the bias, [i | f | g | o] of ``hidden`` each.
        Out: the gates after their activations.
    packed_w_h : float array
        Recurrent weights (hidden, 4 * hidden) as ``pack`` left them.
    h0, c0 : float arrays, shape (n_documents, hidden)
        Initial states; zeros where there are none.
    has_initial : bool
        Whether ``h0`` may differ from 0, so that its product is needed.
    n_live, starts : int64 arrays, shape (n_steps,)
        Live rows of each step, and its first row.
    reverse : bool
        Walk from the last step to the first.
    column : int
        First column of ``h`` that this direction writes.
    h : float array, shape (n_tokens, directions * hidden); columns overwritten
    c : float array, shape (n_tokens, hidden); overwritten
    """
    hidden = c.shape[1]
    columns = 4 * hidden
    gate_row, h_row = gates.shape[1], h.shape[1]
    n_steps = len(n_live)
    before, n_before = 0, 0
    for s in range(n_steps):
        t = n_steps - 1 - s if reverse else s
        start, n = starts[t], n_live[t]
        going_on = min(n, n_before)
        place = start * gate_row
        # The recurrent product of eq. (1), from the states of eqs. (34) and (35).
        if going_on > 0:
            matmul_rows(
                h, before * h_row + column, h_row, going_on, packed_w_h, columns,
                gates, place, gate_row, gates, place,
            )  # fmt: skip
        if has_initial and n > going_on:
            place += going_on * gate_row
            matmul_rows(
                h0, going_on * hidden, hidden, n - going_on, packed_w_h, columns,
                gates, place, gate_row, gates, place,
            )  # fmt: skip
        for row in range(n):
            token = start + row
            if row < going_on:
                _cell_forward(
                    gates, token * gate_row, c, (before + row) * hidden,
                    c, token * hidden, h, token * h_row + column, hidden,
                )  # fmt: skip
            else:
                _cell_forward(
                    gates, token * gate_row, c0, row * hidden,
                    c, token * hidden, h, token * h_row + column, hidden,
                )  # fmt: skip
        before, n_before = start, n


@jit
def lstm_backward(
    gates, packed_w_h_t, c0, c, d_out, n_live, starts, reverse, column, zeros, d_h, d_c
):  # fmt: skip
    """Run one LSTM direction backward through time.

    Parameters
    ----------
    gates : float array, shape (n_tokens, padded_width(4 * hidden))
        In: as ``lstm_forward`` left it. Out: gradients of the pre-activations.
    packed_w_h_t : float array
        Transposed recurrent weights (4 * hidden, hidden), packed.
    c0 : float array, shape (n_documents, hidden)
    c : float array, shape (n_tokens, hidden)
    d_out : float array, shape (n_tokens, directions * hidden)
        Gradient of the outputs ``h``; this direction reads its columns.
    n_live, starts, reverse, column
        As in ``lstm_forward``.
    zeros : float array, shape (padded_width(hidden),)
    d_h : float array, shape (n_documents, padded_width(hidden))
        In: gradient of the final hidden states. Out: of the initial ones.
    d_c : float array, shape (n_documents, hidden)
        In: gradient of the final cell states. Out: of the initial ones.
    """
    hidden = c.shape[1]
    gate_row, d_out_row, d_h_row = gates.shape[1], d_out.shape[1], d_h.shape[1]
    n_steps = len(n_live)
    for s in range(n_steps):
        t = s if reverse else n_steps - 1 - s
        start, n = starts[t], n_live[t]
        # The step whose state this one received.
        source = t + 1 if reverse else t - 1
        inside = 0 <= source < n_steps
        going_on = min(n, n_live[source]) if inside else 0
        before = starts[source] if inside else 0
        for row in range(n):
            token = start + row
            if row < going_on:
                _cell_backward(
                    gates, token * gate_row, c, (before + row) * hidden, c, token * hidden,
                    d_out, token * d_out_row + column, d_h, row * d_h_row,
                    d_c, row * hidden, hidden,
                )  # fmt: skip
            else:
                _cell_backward(
                    gates, token * gate_row, c0, row * hidden, c, token * hidden,
                    d_out, token * d_out_row + column, d_h, row * d_h_row,
                    d_c, row * hidden, hidden,
                )  # fmt: skip
        # eqs. (23) and (38)
        matmul_rows(
            gates, start * gate_row, gate_row, n, packed_w_h_t, hidden,
            zeros, 0, 0, d_h, 0,
        )  # fmt: skip


@jit
def previous_states(h, h0, n_live, starts, reverse, column, out):
    """The hidden state that each token's step received, for the weight gradient.

    docs/maths.md, eqs. (34) and (35); the rows of H_prev in eq. (26).

    Parameters
    ----------
    h : float array, shape (n_tokens, directions * hidden)
    h0 : float array, shape (n_documents, hidden)
    n_live, starts, reverse, column
        As in ``lstm_forward``.
    out : float array, shape (n_tokens, hidden); overwritten
    """
    hidden = out.shape[1]
    n_steps = len(n_live)
    before, n_before = 0, 0
    for s in range(n_steps):
        t = n_steps - 1 - s if reverse else s
        start, n = starts[t], n_live[t]
        going_on = min(n, n_before)
        for row in range(n):
            for j in range(hidden):
                if row < going_on:
                    out[start + row, j] = h[before + row, column + j]
                else:
                    out[start + row, j] = h0[row, j]
        before, n_before = start, n

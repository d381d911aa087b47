"""The LSTM over packed sequences: forward in time, and back.

Tokens are packed time-major, longest document first: step ``t`` owns the rows
``starts[t] .. starts[t] + n_live[t]`` and row ``r`` of a step is always the same
document. Both directions walk the same packing. Walking forward, every document
starts at step 0; walking in reverse, a document joins at its last token. Either
way the rows of a step that continue are the first ones, and the others start
from the initial state.

A sweep goes block by block: some steps whose tokens are one run of rows. What a
block needs of a matrix product is computed while the block is in the cache: its
input projection before its steps, its gradients of inputs and weights after them.
"""

from __future__ import annotations

from fastlstm.kernels.layout import BLOCK_TOKENS, TOKENS_OF_ONE
from fastlstm.kernels.numba.cell import (
    cell_backward,
    cell_forward,
    plain_backward,
    plain_forward,
)
from fastlstm.kernels.numba.handover import kernel
from fastlstm.kernels.numba.jit import part_of_kernels
from fastlstm.kernels.numba.micro_kernel import ask_for
from fastlstm.kernels.numba.products import add_gradient, multiply
from fastlstm.kernels.numba.progress import publish, wait_for
from fastlstm.kernels.numba.subnormals import flush_subnormals, restore_subnormals


@part_of_kernels
def _block_end(n_live, first, direction, most):
    """Step behind a block of ``most`` tokens from step ``first`` on, in ``direction``."""
    step, tokens = first, 0
    while 0 <= step < len(n_live) and (step == first or tokens + n_live[step] <= most):
        tokens += n_live[step]
        step += direction
    return step


@part_of_kernels
def _project(inputs, index, weights, first, count, scratch, gates, gates_at):
    """Input projection with its bias of ``count`` tokens from ``first`` on."""
    row = gates.shape[1]
    if len(index):
        # Eq. (46): the rows of ``inputs`` are projected already, once a distinct token.
        for p in range(count):
            source, target = index[first + p], gates_at // row + p
            for j in range(row):
                gates[target, j] = inputs[source, j]
        return
    depth = inputs.shape[1]
    multiply(
        inputs, first * depth, depth, count, depth, weights.w_x, weights.n_gates * weights.hidden,
        weights.b, 0, 0, scratch, gates, gates_at, row,
    )  # fmt: skip


@part_of_kernels
def _recurrent(h, h_at, h_row, n, weights, scratch, gates, gates_at):
    """Add the recurrent product of eq. (1) onto the projections of one step."""
    multiply(
        h, h_at, h_row, n, weights.hidden, weights.w_h, weights.n_gates * weights.hidden,
        gates, gates_at, gates.shape[1], scratch, gates, gates_at, gates.shape[1],
    )  # fmt: skip


@kernel
def lstm_forward(
    inputs, index, weights, steps, initial, keep, scratch, ready, done, gates, h, c
):  # fmt: skip
    n_live, starts, reverse, column = steps.n_live, steps.starts, steps.reverse, steps.column
    hidden, gate_row, h_row = weights.hidden, gates.shape[1], h.shape[1]
    direction = -1 if reverse else 1
    step = len(n_live) - 1 if reverse else 0
    most = TOKENS_OF_ONE if not keep and h.shape[0] == len(n_live) else BLOCK_TOKENS
    before, n_before = 0, 0
    while 0 <= step < len(n_live):
        end = _block_end(n_live, step, direction, most)
        first = starts[end + 1] if reverse else starts[step]
        last = step if reverse else end - 1
        count = starts[last] + n_live[last] - first
        shift = 0 if keep else first
        if not reverse:
            wait_for(ready, first + count)
        place = (first - shift) * gate_row
        _project(inputs, index, weights, first, count, scratch, gates, place)
        while step != end:
            start, n = starts[step], n_live[step]
            going_on = min(n, n_before)
            place = (start - shift) * gate_row
            # From the states of eqs. (34) and (35).
            if going_on > 0:
                at_h = before * h_row + column
                _recurrent(h, at_h, h_row, going_on, weights, scratch, gates, place)
            if initial.given and n > going_on:
                _recurrent(
                    initial.h, going_on * hidden, hidden, n - going_on, weights, scratch, gates,
                    place + going_on * gate_row,
                )  # fmt: skip
            for row in range(n):
                at_gates = place + row * gate_row
                at_h = (start + row) * h_row + column
                at_c = ((start + row) if keep else row) * hidden
                if weights.n_gates == 1:
                    plain_forward(gates, at_gates, h, at_h, hidden)
                elif not keep:
                    cell_forward(gates, at_gates, c, at_c, c, at_c, h, at_h, hidden)
                elif row < going_on:
                    at_before = (before + row) * hidden
                    cell_forward(gates, at_gates, c, at_before, c, at_c, h, at_h, hidden)
                else:
                    cell_forward(gates, at_gates, initial.c, row * hidden, c, at_c, h, at_h, hidden)
            before, n_before = start, n
            step += direction
        if not reverse:
            publish(done, first + count)
    publish(done, h.shape[0])


@part_of_kernels
def _previous(h, h0, n_live, starts, reverse, column, first, step, end, out):
    """Hidden states that a block's tokens received, to the front of ``out``.

    docs/explanation/maths.md, eqs. (34) and (35); the rows of H_prev in eq. (26).
    """
    hidden, n_steps = h0.shape[1], len(n_live)
    for t in range(min(step, end + 1), max(step + 1, end)):
        source = t + 1 if reverse else t - 1
        inside = 0 <= source < n_steps
        going_on = min(n_live[t], n_live[source]) if inside else 0
        for row in range(n_live[t]):
            target = starts[t] - first + row
            for j in range(hidden):
                if row < going_on:
                    out[target, j] = h[starts[source] + row, column + j]
                else:
                    out[target, j] = h0[row, j]


@part_of_kernels
def _step_backward(weights, steps, initial, t, gates, c, d_out, zeros, scratch, d_state):
    """One step back: its gates become gradients, ``d_state`` moves to the step before."""
    n_live, starts, reverse, column = steps.n_live, steps.starts, steps.reverse, steps.column
    hidden, gate_row = weights.hidden, gates.shape[1]
    start, n = starts[t], n_live[t]
    # The step whose state this one received.
    source = t + 1 if reverse else t - 1
    inside = 0 <= source < len(n_live)
    going_on = min(n, n_live[source]) if inside else 0
    before = starts[source] if inside else 0
    for row in range(n):
        token = start + row
        at = (
            token * gate_row, token * hidden, token * d_out.shape[1] + column,
            row * d_state.h.shape[1], row * hidden,
        )  # fmt: skip
        if weights.n_gates == 1:
            plain_backward(gates, at[0], d_out, at[2], d_state.h, at[3], hidden)
        elif row < going_on:
            cell_backward(
                gates, at[0], c, (before + row) * hidden, c, at[1], d_out, at[2],
                d_state.h, at[3], d_state.c, at[4], hidden,
            )  # fmt: skip
        else:
            cell_backward(
                gates, at[0], initial.c, row * hidden, c, at[1], d_out, at[2],
                d_state.h, at[3], d_state.c, at[4], hidden,
            )  # fmt: skip
    if inside:  # what the next step back reads, while the product is computed
        ask_for(gates, starts[source] * gate_row, n_live[source] * gate_row)
        ask_for(d_out, starts[source] * d_out.shape[1], n_live[source] * d_out.shape[1])
    # eqs. (23) and (38)
    multiply(
        gates, start * gate_row, gate_row, n, weights.n_gates * hidden, weights.w_h_t, hidden,
        zeros, 0, 0, scratch, d_state.h, 0, d_state.h.shape[1],
    )  # fmt: skip
    upper = steps.first + (t + 1 if reverse else t)
    if steps.border > 0 and upper > 0 and upper % steps.border == 0:  # eq. (126)
        d_state.h[:n] = 0.0
        d_state.c[:n] = 0.0


@kernel
def lstm_backward(
    inputs, index, weights, steps, initial, gates, h, c, d_out, accumulate, scratch, previous,
    zeros, d_state, d_inputs, gradient,
):  # fmt: skip
    before = flush_subnormals()
    n_live, starts, reverse, column = steps.n_live, steps.starts, steps.reverse, steps.column
    hidden, gate_row, columns = weights.hidden, gates.shape[1], weights.n_gates * weights.hidden
    n_inputs = 0 if len(index) else inputs.shape[1]
    direction = 1 if reverse else -1
    step = 0 if reverse else len(n_live) - 1
    while 0 <= step < len(n_live):
        end = _block_end(n_live, step, direction, BLOCK_TOKENS)
        first = starts[step] if reverse else starts[end + 1]
        last = end - 1 if reverse else step
        count = starts[last] + n_live[last] - first
        for t in range(step, end, direction):
            _step_backward(weights, steps, initial, t, gates, c, d_out, zeros, scratch, d_state)
        place = first * gate_row
        if len(d_inputs) and len(index):  # eq. (47)
            for p in range(first, first + count):
                for j in range(gate_row):
                    d_inputs[index[p], j] += gates[p, j]
        elif len(d_inputs):  # eqs. (24) and (42)
            into, into_row = first * d_inputs.shape[1], d_inputs.shape[1]
            # Both are arrays of one type: a product that adds starts from what is there.
            init, init_at, init_row = zeros, 0, 0
            if accumulate:
                init, init_at, init_row = d_inputs.reshape(-1), into, into_row
            multiply(
                gates, place, gate_row, count, columns, weights.w_x_t, n_inputs,
                init, init_at, init_row, scratch, d_inputs, into, into_row,
            )  # fmt: skip
        if len(gradient.b):  # eqs. (25) to (27)
            _previous(h, initial.h, n_live, starts, reverse, column, first, step, end, previous)
            add_gradient(
                inputs, first * inputs.shape[1], inputs.shape[1], n_inputs,
                previous, 0, hidden, hidden, gates, place, gate_row, count, columns, scratch,
                gradient.w_x, gradient.w_h, gradient.b,
            )  # fmt: skip
        step = end
    restore_subnormals(before)

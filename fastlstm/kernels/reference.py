"""The specification: every kernel of the contract, naively, in NumPy.

Slow and plain on purpose. Tests compare the other backends with it, and it runs
wherever NumPy does. Shapes and meanings are those of ``contract.Kernels``.
"""

from __future__ import annotations

import time

import numpy as np

from fastlstm.kernels import layout

NAME = "reference"

LAST, MEAN, MAX, MEAN_MAX = 0, 1, 2, 3


def padded_width(n, dtype):
    return n


def packed_dtype(dtype, precision, training):
    if precision == "int8":
        return layout.int8_dtype(dtype, training)
    return np.dtype(np.uint16 if precision == "bfloat16" else dtype)


def packed_shape(k, n, dtype):
    return (k + 4 if np.dtype(dtype) == np.int8 else k, n)


def scratch_size(n_inputs, hidden, n_documents, dtype):
    return 1


def block_rows(n_documents):
    return 1


def to_bfloat16(x):
    """The upper 16 bits of float32 numbers, rounded to nearest even, as uint16."""
    x = np.ascontiguousarray(x, dtype=np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FC0), rounded)


def from_bfloat16(bits):
    """float32 numbers from their upper 16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_int8(w):
    """Columns of weights as integers from -127 to 127, and their scales, which are float32.

    A scale has 17 significant bits, so its multiples are exact in float32 and give the same
    integers and scale. It is NaN in a column that is not finite, and 0 below 2**-100.
    """
    w = w.astype(np.float32)
    largest = np.abs(w).max(axis=0, initial=0).astype(np.float64)
    mantissa, exponent = np.frexp(largest / 127)
    scales = np.ldexp(np.rint(np.ldexp(mantissa, 17)), exponent - 17).astype(np.float32)
    scales = _in_range(scales, largest)
    used = scales > 0
    return np.rint(np.where(used, w, 0) / np.where(used, scales, 1)).astype(np.int8), scales


def _in_range(scales, largest):
    scales = np.where(scales < np.float32(2.0**-100), np.float32(0), scales)
    return np.where(np.isfinite(largest), scales, np.float32(np.nan))


def _integer_product(a, packed):
    """``a @ b`` for ``b`` packed as int8: exact sums, times both scales, eq. (122)."""
    rows, columns = a.astype(np.float32), packed[-4:].T.copy().view(np.float32)[:, 0]
    largest = np.abs(rows).max(axis=1, initial=0)
    scales = _in_range(largest / np.float32(127), largest)
    used = scales > 0
    factors = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=used)
    integers = np.rint(np.where(used[:, None], rows, 0) * factors[:, None]).astype(np.int64)
    sums = (integers @ packed[:-4].astype(np.int64)).astype(a.dtype)
    return sums * (scales[:, None] * columns)


def _product(a, b, dtype):
    """``a @ b`` in the precision that the dtype of packed weights or scratch stands for."""
    if dtype == np.int8:
        return _integer_product(a, b)
    if dtype != np.uint16:
        return a @ b
    a, b = (x if x.dtype == np.uint16 else to_bfloat16(x) for x in (a, b))
    return from_bfloat16(a) @ from_bfloat16(b)


def pack(w, transpose, out):
    w = w.T if transpose else w
    if out.dtype == np.int8:
        out[:-4], scales = to_int8(w)
        out[-4:] = scales.view(np.int8).reshape(-1, 4).T
        return
    out[:] = to_bfloat16(w) if out.dtype == np.uint16 else w


def matmul(a, depth, packed, columns, bias, scratch, out):
    out[:, :columns] = bias[:columns] + _product(a[:, :depth], packed, packed.dtype)


def weight_gradient(a, d, columns, scratch, d_weights, d_bias):
    d_weights[:, :columns] += _product(a.T, d[:, :columns], scratch.dtype)
    if len(d_bias):
        d_bias[:columns] += d[:, :columns].sum(axis=0)


def sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _walk(n_live, starts, reverse):
    """Yield (start, n, before, going_on) for each step in the order of the walk."""
    steps = range(len(n_live))
    before, n_before = 0, 0
    for t in reversed(steps) if reverse else steps:
        start, n = int(starts[t]), int(n_live[t])
        yield start, n, before, min(n, n_before)
        before, n_before = start, n


def _received(states, initial, start, n, before, going_on):
    """The rows of state that a step receives, shape (n, hidden): eqs. (34) and (35)."""
    return np.concatenate([states[before : before + going_on], initial[going_on:n]])


def lstm_forward(
    inputs, index, weights, steps, initial, keep, scratch, ready, done, gates, h, c
):  # fmt: skip
    n_live, starts, reverse, column, *_ = steps
    hidden, dtype = weights.hidden, weights.w_h.dtype
    mine = h[:, column : column + hidden]
    while ready[0] < len(h) and not reverse:
        time.sleep(0)
    # Eq. (46), or row by row.
    projected = inputs[index] if len(index) else weights.b + _product(inputs, weights.w_x, dtype)
    for start, n, before, going_on in _walk(n_live, starts, reverse):
        rows = slice(start, start + n)
        h_before = _received(mine, initial.h, start, n, before, going_on)
        c_before = _received(c, initial.c, start, n, before, going_on) if keep else c[:n]
        a = projected[rows] + _product(h_before, weights.w_h, dtype)  # eq. (1)
        if weights.n_gates == 1:
            mine[rows] = np.tanh(a)  # eq. (124)
            if keep:
                gates[rows] = mine[rows]
            continue
        i, f, g, o = np.split(a, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)  # eq. (3)
        now = f * c_before + i * g  # eq. (4)
        mine[rows] = o * np.tanh(now)  # eq. (5)
        if keep:
            gates[rows] = np.concatenate([i, f, g, o], axis=1)
            c[rows] = now
        else:
            c[:n] = now
    done[0] = len(h)


def lstm_backward(
    inputs, index, weights, steps, initial, gates, h, c, d_out, accumulate, scratch, previous,
    zeros, d_state, d_inputs, gradient,
):  # fmt: skip
    n_live, starts, reverse, column, border, first = steps
    hidden, dtype = weights.hidden, weights.w_h.dtype
    mine = h[:, column : column + hidden]
    d_h, d_c = d_state
    h_before = np.empty((len(h), hidden), h.dtype)
    for start, n, before, going_on in reversed(list(_walk(n_live, starts, reverse))):
        rows = slice(start, start + n)
        h_before[rows] = _received(mine, initial.h, start, n, before, going_on)
        c_before = _received(c, initial.c, start, n, before, going_on)
        into_h = d_out[rows, column : column + hidden] + d_h[:n]  # eqs. (15) and (37)
        if weights.n_gates == 1:
            gates[rows] = into_h * (1 - gates[rows] ** 2)  # eq. (125)
        else:
            i, f, g, o = np.split(gates[rows], 4, axis=1)
            squashed = np.tanh(c[rows])
            into_c = d_c[:n] + into_h * o * (1 - squashed**2)  # eq. (16)
            # Eqs. (17) to (20), each times its factor of eq. (21).
            d_i, d_f = into_c * g * i * (1 - i), into_c * c_before * f * (1 - f)
            d_g, d_o = into_c * i * (1 - g**2), into_h * squashed * o * (1 - o)
            d_c[:n] = into_c * f  # eqs. (22) and (38)
            gates[rows] = np.concatenate([d_i, d_f, d_g, d_o], axis=1)
        d_h[:n] = _product(gates[rows], weights.w_h_t, dtype)  # eqs. (23) and (38)
        upper = first + int(np.searchsorted(starts, start)) + reverse
        if border and upper > 0 and upper % border == 0:  # eq. (126)
            d_h[:n], d_c[:n] = 0, 0
    if len(d_inputs) and len(index):
        np.add.at(d_inputs, index, gates)  # eq. (47)
    elif len(d_inputs):
        d_x = _product(gates, weights.w_x_t, dtype)  # eq. (24)
        d_inputs[:] = d_inputs + d_x if accumulate else d_x  # eq. (42)
    if len(gradient.b):
        if not len(index):
            gradient.w_x[:] += _product(inputs.T, gates, dtype)  # eq. (25)
        gradient.w_h[:] += _product(h_before.T, gates, dtype)  # eq. (26)
        gradient.b[:] += gates.sum(axis=0)  # eq. (27)


def pack_tokens(ids, first, lengths, n_live, starts, packed):
    n_live[:] = np.searchsorted(-lengths, -np.arange(len(n_live)), side="left")
    starts[:] = np.cumsum(n_live) - n_live
    step = np.repeat(np.arange(len(n_live)), n_live)
    packed[:] = ids[first[np.arange(len(step)) - starts[step]] + step]


def distinct_tokens(ids, slots, distinct, inverse):
    number = {}
    for position, token in enumerate(ids.tolist()):
        inverse[position] = number.setdefault(token, len(number))
    distinct[: len(number)] = list(number)
    return len(number)


def gather_rows(table, index, out):
    out[:] = table[index, : out.shape[1]]


def scatter_add_rows(rows, index, out):
    np.add.at(out, index, rows[:, : out.shape[1]])


def pool_forward(h, n_live, starts, lengths, mode, hidden, out, winner):
    width = h.shape[1]
    for row, length in enumerate(lengths):
        tokens = starts[:length] + row
        outputs = h[tokens]
        if mode == LAST:
            out[row, :hidden] = outputs[-1, :hidden]
            out[row, hidden:] = outputs[0, hidden:]
        if mode in (MEAN, MEAN_MAX):
            out[row, :width] = outputs.mean(axis=0)
        if mode in (MAX, MEAN_MAX):
            best = outputs.argmax(axis=0)
            winner[row] = tokens[best]
            out[row, out.shape[1] - width :] = outputs[best, np.arange(width)]


def pool_backward(d_pooled, n_live, starts, lengths, mode, hidden, winner, d_h):
    width = d_h.shape[1]
    d_h[:] = 0
    for row, length in enumerate(lengths):
        tokens = starts[:length] + row
        if mode == LAST:
            d_h[tokens[-1], :hidden] += d_pooled[row, :hidden]
            d_h[tokens[0], hidden:] += d_pooled[row, hidden:]
        if mode in (MEAN, MEAN_MAX):
            d_h[tokens] += d_pooled[row, :width] / length
        if mode in (MAX, MEAN_MAX):
            d_h[winner[row], np.arange(width)] += d_pooled[row, -width:]


def _owners(n_live, starts, owner):
    """Tokens of each document in their order: step by step."""
    documents = np.concatenate([owner[:n] for n in n_live])
    tokens = np.concatenate([start + np.arange(n) for start, n in zip(starts, n_live, strict=True)])
    return [(int(d), tokens[documents == d]) for d in np.unique(documents)]


def attend_forward(h, n_live, starts, owner, w, most, total, sums, scores):
    scores[:] = h @ w  # eq. (127)
    for d, tokens in _owners(n_live, starts, owner):
        before, most[d] = most[d], max(most[d], scores[tokens].max())
        shares = np.exp(scores[tokens] - most[d])  # eq. (128)
        total[d] = total[d] * np.exp(before - most[d]) + shares.sum()
        sums[d] = sums[d] * np.exp(before - most[d]) + shares @ h[tokens]  # eq. (129)


def attend_backward(
    h, n_live, starts, owner, most, total, sums, d_pooled, scores, d_scores, d_w
):  # fmt: skip
    for d, tokens in _owners(n_live, starts, owner):
        scores[tokens] = np.exp(scores[tokens] - most[d]) / total[d]
        pooled = sums[d] / total[d]
        d_scores[tokens] = scores[tokens] * ((h[tokens] - pooled) @ d_pooled[d])  # eq. (130)
    if len(d_w):
        d_w += d_scores @ h  # eq. (132)


def attend_spread(n_live, starts, owner, w, d_pooled, shares, d_scores, d_h):
    for d, tokens in _owners(n_live, starts, owner):
        d_h[tokens] = np.outer(shares[tokens], d_pooled[d]) + np.outer(d_scores[tokens], w)


def dropout(x, rate, key, first, out):
    place = np.arange(first * x.shape[1], first * x.shape[1] + x.size).astype(np.uint32)
    z = place * np.uint32(0x9E3779B9) ^ np.uint32(key)
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D)
    z = (z ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B)
    z = (z ^ (z >> np.uint32(16))).reshape(x.shape)
    scale = x.dtype.type(1.0 / (1.0 - rate))
    out[:] = np.where(z >= np.uint32(rate * 4294967296.0), x * scale, 0)


def squared_norm(x):
    return float(np.sum(np.square(x, dtype=np.float64)))


def adam_update(
    table, rows, gradient, m, v, scale, rate, decay, beta1, beta2, correction1, correction2, epsilon
):  # fmt: skip
    d = gradient[: len(rows)] * table.dtype.type(scale)
    m[rows] = beta1 * m[rows] + (1 - beta1) * d
    v[rows] = beta2 * v[rows] + (1 - beta2) * d**2
    step = rate * correction1 * m[rows] / (np.sqrt(v[rows] * correction2) + epsilon)
    table[rows] = table[rows] * (1 - decay) - step


def sgd_update(table, rows, gradient, velocity, scale, rate, decay, momentum):
    velocity[rows] = momentum * velocity[rows] + gradient[: len(rows)] * scale
    table[rows] = table[rows] * (1 - decay) - rate * velocity[rows]


def average_rows(table, rows, share, average):
    average[rows] += share[:, None] * (table[rows] - average[rows])


def skip_gram(ids, offsets, windows, negatives, rate, inputs, outputs, scratch):
    for first, last in zip(offsets[:-1], offsets[1:], strict=True):
        for p in range(first, last):
            near = range(max(first, p - windows[p]), min(last, p + windows[p] + 1))
            targets = np.append(negatives[p], ids[p])
            label = np.append(targets[:-1] == ids[p], True)  # such a negative is none
            vectors = outputs[targets]
            d_vectors = np.zeros_like(vectors)
            for q in near:
                if q != p:
                    context = inputs[ids[q]].copy()
                    d = rate * (label - 1 / (1 + np.exp(-(vectors @ context))))
                    d[:-1] *= ~label[:-1]
                    d_vectors += np.outer(d, context)
                    inputs[ids[q]] += d.astype(inputs.dtype) @ vectors
            np.add.at(outputs, targets, d_vectors)


def dual_descent(indptr, indices, order, sign, cost, norms, least, margins, weights):
    def alpha_at(margin):
        return cost[i] * np.exp(-np.logaddexp(0.0, margin))  # eq. (119)

    worst = 0.0
    for i in order:
        features = np.append(indices[indptr[i] : indptr[i + 1]], len(weights) - 1)
        margin = sign[i] * weights[features, 0].sum()
        off = abs(margin - margins[i])
        worst = max(worst, off)
        if off <= least:
            continue
        alpha = alpha_at(margins[i])
        low, high = margin - norms[i] * alpha, margin + norms[i] * (cost[i] - alpha)
        for _ in range(100):  # eq. (120)
            middle = (low + high) / 2
            if alpha + (middle - margin) / norms[i] > alpha_at(middle):
                high = middle
            else:
                low = middle
        margins[i] = (low + high) / 2
        step = sign[i] * (alpha_at(margins[i]) - alpha)
        weights[features, 0] += step * weights[features, 1]  # eq. (121)
    return worst


def hand_over(on):
    pass


def wait_for_all(counters, least, tries):
    return bool((counters >= least).all())

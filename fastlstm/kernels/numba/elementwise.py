"""Kernels without a matrix product: rows by index, pooling, dropout, optimisers."""

from __future__ import annotations

import numpy as np

from fastlstm.kernels.numba.handover import kernel
from fastlstm.kernels.numba.subnormals import flush_subnormals, restore_subnormals

LAST, MEAN, MAX, MEAN_MAX = 0, 1, 2, 3


@kernel
def pack_tokens(ids, first, lengths, n_live, starts, packed):
    live, start = len(lengths), 0
    for t in range(len(n_live)):
        while lengths[live - 1] <= t:
            live -= 1
        n_live[t], starts[t] = live, start
        for row in range(live):
            packed[start + row] = ids[first[row] + t]
        start += live


@kernel
def distinct_tokens(ids, slots, distinct, inverse):
    count = 0
    for p in range(len(ids)):
        token = ids[p]
        slot = slots[token]
        if slot < 0:
            slot = count
            slots[token] = count
            distinct[count] = token
            count += 1
        inverse[p] = slot
    for p in range(count):
        slots[distinct[p]] = -1
    return count


@kernel
def gather_rows(table, index, out):
    for p in range(len(index)):
        row = index[p]
        for j in range(out.shape[1]):
            out[p, j] = table[row, j]


@kernel
def scatter_add_rows(rows, index, out):
    for p in range(len(index)):
        row = index[p]
        for j in range(out.shape[1]):
            out[row, j] += rows[p, j]


@kernel
def pool_forward(h, n_live, starts, lengths, mode, hidden, out, winner):
    width = h.shape[1]
    if mode == LAST:
        for row in range(len(lengths)):
            last = starts[lengths[row] - 1] + row
            for j in range(hidden):
                out[row, j] = h[last, j]
            for j in range(hidden, width):
                out[row, j] = h[row, j]
        return
    if mode in (MEAN, MEAN_MAX):
        for row in range(len(lengths)):
            for j in range(width):
                out[row, j] = 0.0
        for t in range(len(n_live)):
            for row in range(n_live[t]):
                for j in range(width):
                    out[row, j] += h[starts[t] + row, j]
        for row in range(len(lengths)):
            for j in range(width):
                out[row, j] /= lengths[row]
    if mode in (MAX, MEAN_MAX):
        first = out.shape[1] - width
        for row in range(len(lengths)):
            for j in range(width):
                out[row, first + j] = h[row, j]
                winner[row, j] = row
        for t in range(1, len(n_live)):
            for row in range(n_live[t]):
                token = starts[t] + row
                for j in range(width):
                    # A NaN wins and stays, so that it is seen in the loss.
                    value, best = h[token, j], out[row, first + j]
                    better = not (value <= best) and best == best
                    out[row, first + j] = value if better else best
                    winner[row, j] = token if better else winner[row, j]


@kernel
def pool_backward(d_pooled, n_live, starts, lengths, mode, hidden, winner, d_h):
    width = d_h.shape[1]
    if mode in (MEAN, MEAN_MAX):
        for t in range(len(n_live)):
            for row in range(n_live[t]):
                for j in range(width):
                    d_h[starts[t] + row, j] = d_pooled[row, j] / lengths[row]
    else:
        d_h[:] = 0.0
    if mode == LAST:
        for row in range(len(lengths)):
            last = starts[lengths[row] - 1] + row
            for j in range(hidden):
                d_h[last, j] += d_pooled[row, j]
            for j in range(hidden, width):
                d_h[row, j] += d_pooled[row, j]
    if mode in (MAX, MEAN_MAX):
        first = d_pooled.shape[1] - width
        for row in range(len(lengths)):
            for j in range(width):
                d_h[winner[row, j], j] += d_pooled[row, first + j]


@kernel
def dropout(x, rate, key, first, out):
    threshold = np.uint32(rate * 4294967296.0)
    scale = x.dtype.type(1.0 / (1.0 - rate))
    width = x.shape[1]
    for p in range(x.shape[0]):
        for j in range(width):
            place = np.uint32((first + p) * width + j)
            z = np.uint32(place * np.uint32(0x9E3779B9)) ^ np.uint32(key)
            z = np.uint32((z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D))
            z = np.uint32((z ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B))
            z = z ^ (z >> np.uint32(16))
            out[p, j] = x[p, j] * scale if z >= threshold else x.dtype.type(0.0)


@kernel
def squared_norm(x):
    total = 0.0
    for p in range(len(x)):
        total += np.float64(x[p]) * np.float64(x[p])
    return total


@kernel
def adam_update(
    table, rows, gradient, m, v, scale, rate, decay, beta1, beta2, correction1, correction2, epsilon
):  # fmt: skip
    before = flush_subnormals()
    kind = table.dtype.type
    scale, keep, step = kind(scale), kind(1.0 - decay), kind(rate * correction1)
    new1, new2 = kind(1.0 - beta1), kind(1.0 - beta2)
    correct, epsilon = kind(correction2), kind(epsilon)
    for p in range(len(rows)):
        row = rows[p]
        w, m_row, v_row, d_row = table[row], m[row], v[row], gradient[p]
        for j in range(len(w)):
            d = d_row[j] * scale
            first = m_row[j] + (d - m_row[j]) * new1
            second = v_row[j] + (d * d - v_row[j]) * new2
            m_row[j] = first
            v_row[j] = second
            w[j] = w[j] * keep - step * first / (np.sqrt(second * correct) + epsilon)
    restore_subnormals(before)


@kernel
def sgd_update(table, rows, gradient, velocity, scale, rate, decay, momentum):
    kind = table.dtype.type
    scale, rate, momentum = kind(scale), kind(rate), kind(momentum)
    keep = kind(1.0 - decay)
    for p in range(len(rows)):
        row = rows[p]
        w, v_row, d_row = table[row], velocity[row], gradient[p]
        for j in range(len(w)):
            v_row[j] = momentum * v_row[j] + d_row[j] * scale
            w[j] = w[j] * keep - rate * v_row[j]


@kernel
def average_rows(table, rows, share, average):
    for p in range(len(rows)):
        new, old = table[rows[p]], average[rows[p]]
        for j in range(len(new)):
            old[j] += share[p] * (new[j] - old[j])

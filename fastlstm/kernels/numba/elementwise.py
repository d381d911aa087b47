"""Kernels without a matrix product: rows by index, pooling, dropout, optimisers."""

from __future__ import annotations

import numpy as np

from fastlstm.kernels.numba.jit import jit
from fastlstm.kernels.numba.subnormals import flush_subnormals, restore_subnormals
from fastlstm.kernels.numba.turns import leave_python, return_to_python

LAST, MEAN, MAX, MEAN_MAX = 0, 1, 2, 3


@jit
def pack_tokens(ids, first, lengths, n_live, starts, packed):
    """Put documents side by side, step by step, without padding.

    Parameters
    ----------
    ids : int32 array
    first, lengths : int64 arrays, shape (n_documents,)
        Document ``d`` is ``ids[first[d]:first[d] + lengths[d]]``; lengths never rise.
    n_live, starts : int64 arrays, shape (n_steps,)
        Become the documents longer than ``t``, and where step ``t`` begins. There are
        ``lengths[0]`` steps.
    packed : int32 array, shape (sum of lengths,); overwritten
    """
    leave_python()
    live, start = len(lengths), 0
    for t in range(len(n_live)):
        while lengths[live - 1] <= t:
            live -= 1
        n_live[t], starts[t] = live, start
        for row in range(live):
            packed[start + row] = ids[first[row] + t]
        start += live
    return_to_python()


@jit
def distinct_tokens(ids, slots, distinct, inverse):
    """Number the distinct ids in order of first appearance.

    Parameters
    ----------
    ids : int32 array, shape (n,)
    slots : int32 array, shape (vocabulary,)
        All -1 on entry and again on return.
    distinct : int32 array, shape (n,)
        The first ``count`` entries become the distinct ids.
    inverse : int32 array, shape (n,)
        ``distinct[inverse[p]] == ids[p]``.

    Returns
    -------
    count : int
    """
    leave_python()
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
    return_to_python()
    return count


@jit
def gather_rows(table, index, out):
    """out[p] = table[index[p]].

    Parameters
    ----------
    table : float array, shape (rows, width)
    index : int32 array, shape (n,)
    out : float array, shape (n, width); overwritten
    """
    leave_python()
    for p in range(len(index)):
        row = index[p]
        for j in range(out.shape[1]):
            out[p, j] = table[row, j]
    return_to_python()


@jit
def scatter_add_rows(rows, index, out):
    """out[index[p]] += rows[p], in the order of p.

    Parameters
    ----------
    rows : float array, shape (n, at least width)
    index : int32 array, shape (n,)
    out : float array, shape (count, width)
    """
    leave_python()
    for p in range(len(index)):
        row = index[p]
        for j in range(out.shape[1]):
            out[row, j] += rows[p, j]
    return_to_python()


@jit
def pool_forward(h, n_live, starts, lengths, mode, hidden, out, winner):
    """Pool each document's outputs over time.

    Parameters
    ----------
    h : float array, shape (n_tokens, width)
        ``width`` is ``hidden``, or twice that with a reverse direction.
    n_live, starts : int64 arrays, shape (n_steps,)
    lengths : int64 array, shape (n_documents,)
    mode : int
        0 last, 1 mean, 2 max, 3 mean and max side by side.
    hidden : int
    out : float array, shape (n_documents, width or 2 * width); overwritten
    winner : int32 array, shape (n_documents, width)
        The token that won each maximum, for the backward pass; overwritten.
    """
    leave_python()
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
    return_to_python()


@jit
def pool_backward(d_pooled, n_live, starts, lengths, mode, hidden, winner, d_h):
    """Gradient of the outputs from that of the pooled vectors.

    Parameters
    ----------
    d_pooled : float array, shape (n_documents, width or 2 * width)
    n_live, starts, lengths, mode, hidden, winner
        As ``pool_forward`` had or left them.
    d_h : float array, shape (n_tokens, width); overwritten
    """
    leave_python()
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
    return_to_python()


@jit
def dropout(x, rate, key, out):
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
    out : float array, shape (n, width); may be ``x``
    """
    leave_python()
    threshold = np.uint32(rate * 4294967296.0)
    scale = x.dtype.type(1.0 / (1.0 - rate))
    width = x.shape[1]
    for p in range(x.shape[0]):
        for j in range(width):
            z = np.uint32(np.uint32(p * width + j) * np.uint32(0x9E3779B9)) ^ np.uint32(key)
            z = np.uint32((z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D))
            z = np.uint32((z ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B))
            z = z ^ (z >> np.uint32(16))
            out[p, j] = x[p, j] * scale if z >= threshold else x.dtype.type(0.0)
    return_to_python()


@jit
def squared_norm(x):
    """Sum of squares of a 1-D float array, in double precision."""
    leave_python()
    total = 0.0
    for p in range(len(x)):
        total += np.float64(x[p]) * np.float64(x[p])
    return_to_python()
    return total


@jit
def adam_update(
    table, rows, gradient, m, v, scale, rate, decay, beta1, beta2, correction1, correction2, epsilon
):  # fmt: skip
    """One Adam step on some rows of a table (docs/explanation/maths.md, "Optimisation").

    Parameters
    ----------
    table, m, v : float arrays, shape (n_rows, width)
        Weights, first and second moments; updated in place.
    rows : int32 array, shape (count,)
        Distinct rows to update; the others keep weights and moments.
    gradient : float array, shape (at least count, width)
    scale : float
        Factor on the gradient (from clipping).
    rate, decay : float
        Step size, and the share of each weight taken off (AdamW), 0 for none.
    beta1, beta2, epsilon : float
    correction1, correction2 : float
        1 / (1 - beta1**t) and 1 / (1 - beta2**t).
    """
    leave_python()
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
    return_to_python()


@jit
def sgd_update(table, rows, gradient, velocity, scale, rate, decay, momentum):
    """One step of gradient descent with momentum on some rows of a table.

    Parameters
    ----------
    table, velocity : float arrays, shape (n_rows, width)
        Weights and running gradient; updated in place.
    rows : int32 array, shape (count,)
    gradient : float array, shape (at least count, width)
    scale, rate, decay, momentum : float
        ``decay`` as in ``adam_update``.
    """
    leave_python()
    kind = table.dtype.type
    scale, rate, momentum = kind(scale), kind(rate), kind(momentum)
    keep = kind(1.0 - decay)
    for p in range(len(rows)):
        row = rows[p]
        w, v_row, d_row = table[row], velocity[row], gradient[p]
        for j in range(len(w)):
            v_row[j] = momentum * v_row[j] + d_row[j] * scale
            w[j] = w[j] * keep - rate * v_row[j]
    return_to_python()

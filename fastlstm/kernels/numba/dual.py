"""Logistic regression on binary features: coordinate descent in the dual."""

from math import exp

from fastlstm.kernels.numba.handover import kernel_in_order
from fastlstm.kernels.numba.jit import part_of_kernels

_STEPS = 100  # of Newton and of halving, far more than a margin takes
_EXACT = 1e-12


@part_of_kernels
def _margin_after(margin, start, norm, cost, alpha):
    """Where ``alpha + (m - margin) / norm - cost / (1 + exp(m))``, which rises, is 0."""
    low, high = margin - norm * alpha, margin + norm * (cost - alpha)
    m = start if low < start < high else min(max(margin, low), high)
    for _ in range(_STEPS):
        share = 1.0 / (1.0 + exp(m))
        excess = alpha + (m - margin) / norm - cost * share
        if excess > 0:
            high = m
        else:
            low = m
        new = m - excess / (1.0 / norm + cost * share * (1.0 - share))
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - m) <= _EXACT * max(1.0, abs(m)):
            return new
        m = new
    return m


@kernel_in_order
def dual_descent(indptr, indices, order, sign, cost, norms, least, margins, weights):
    constant = len(weights) - 1
    worst = 0.0
    for i in order:
        margin = weights[constant, 0]
        for place in range(indptr[i], indptr[i + 1]):
            margin += weights[indices[place], 0]
        margin *= sign[i]
        off = abs(margin - margins[i])
        worst = max(worst, off)
        if off <= least:
            continue
        alpha = cost[i] / (1.0 + exp(margins[i]))
        margins[i] = _margin_after(margin, margins[i], norms[i], cost[i], alpha)
        step = sign[i] * (cost[i] / (1.0 + exp(margins[i])) - alpha)
        for place in range(indptr[i], indptr[i + 1]):
            weights[indices[place], 0] += step * weights[indices[place], 1]
        weights[constant, 0] += step
    return worst

"""Attention pooling: a document's outputs, weighed by a softmax of their scores.

docs/explanation/maths.md, section 24. The weights are those of the largest score so far, and what
was summed before is scaled down where a larger one is met (Milakov and Gimelshein 2018, "Online
normalizer calculation for softmax"): a pass over the steps needs no second one.
"""

from __future__ import annotations

import numpy as np

from fastlstm.kernels.numba.handover import kernel
from fastlstm.kernels.numba.jit import part_of_kernels


@part_of_kernels
def _dot(a, b):
    total = a.dtype.type(0.0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@kernel
def attend_forward(h, n_live, starts, owner, w, most, total, sums, scores):
    kind = h.dtype.type
    for t in range(len(n_live)):
        for row in range(n_live[t]):
            token, d = starts[t] + row, owner[row]
            score = _dot(h[token], w)  # eq. (127)
            scores[token] = score
            if score > most[d]:
                before = kind(np.exp(np.float64(most[d]) - np.float64(score)))
                most[d] = score
                total[d] *= before
                for j in range(h.shape[1]):
                    sums[d, j] *= before
            share = kind(np.exp(np.float64(score) - np.float64(most[d])))  # eq. (128)
            total[d] += share
            for j in range(h.shape[1]):  # eq. (129)
                sums[d, j] += share * h[token, j]


@kernel
def attend_backward(
    h, n_live, starts, owner, most, total, sums, d_pooled, scores, d_scores, d_w
):  # fmt: skip
    kind = h.dtype.type
    for t in range(len(n_live)):
        for row in range(n_live[t]):
            token, d = starts[t] + row, owner[row]
            share = np.exp(np.float64(scores[token]) - np.float64(most[d])) / total[d]
            scores[token] = kind(share)
            of_all = _dot(sums[d], d_pooled[d]) / total[d]
            d_scores[token] = kind(share) * (_dot(h[token], d_pooled[d]) - of_all)  # eq. (130)
            for j in range(len(d_w)):
                d_w[j] += d_scores[token] * h[token, j]  # eq. (132)


@kernel
def attend_spread(n_live, starts, owner, w, d_pooled, shares, d_scores, d_h):
    for t in range(len(n_live)):
        for row in range(n_live[t]):
            token, d = starts[t] + row, owner[row]
            for j in range(len(w)):  # eq. (131)
                d_h[token, j] = shares[token] * d_pooled[d, j] + d_scores[token] * w[j]

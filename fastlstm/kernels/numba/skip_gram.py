"""Word vectors: one pass of skip-gram with negative sampling."""

from __future__ import annotations

import numpy as np

from fastlstm.kernels.numba.handover import kernel


@kernel
def skip_gram(ids, offsets, windows, negatives, rate, inputs, outputs, scratch):
    width, n_targets = inputs.shape[1], negatives.shape[1] + 1
    step, one = inputs.dtype.type(rate), inputs.dtype.type(1)
    for document in range(len(offsets) - 1):
        first, last = offsets[document], offsets[document + 1]
        for p in range(first, last):
            token = ids[p]
            scratch[:n_targets] = 0
            for q in range(max(first, p - windows[p]), min(last, p + windows[p] + 1)):
                if q == p:
                    continue
                context = ids[q]
                for j in range(n_targets):
                    is_token = j == n_targets - 1
                    target = token if is_token else negatives[p, j]
                    logit = inputs.dtype.type(0)
                    for d in range(width):
                        logit += inputs[context, d] * outputs[target, d]
                    slope = (one if is_token else 0) - one / (one + np.exp(-logit))
                    if target == token and not is_token:
                        slope = inputs.dtype.type(0)
                    scratch[j, width] = step * slope
                for j in range(n_targets):
                    slope = scratch[j, width]
                    for d in range(width):
                        scratch[j, d] += slope * inputs[context, d]
                for j in range(n_targets):
                    target = token if j == n_targets - 1 else negatives[p, j]
                    slope = scratch[j, width]
                    for d in range(width):
                        inputs[context, d] += slope * outputs[target, d]
            for j in range(n_targets):
                target = token if j == n_targets - 1 else negatives[p, j]
                for d in range(width):
                    outputs[target, d] += scratch[j, d]

"""The dense layer from the pooled vector to logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.workspace import aligned_empty, aligned_zeros
from fastlstm.kernels.contract import Kernels


def init(rng, n_inputs, n_outputs, dtype):
    """Glorot uniform weights (Glorot & Bengio 2010) and zero biases."""
    limit = np.sqrt(6.0 / (n_inputs + n_outputs))
    w = rng.uniform(-limit, limit, size=(n_inputs, n_outputs)).astype(dtype)
    return {"w": w, "b": np.zeros(n_outputs, dtype=dtype)}


class PackedDense(NamedTuple):
    """Weights in the backend's layout; ``w_t`` serves the backward pass."""

    w: np.ndarray
    w_t: np.ndarray
    b: np.ndarray
    n_outputs: int


def pack(k: Kernels, weights, packed=None) -> PackedDense:
    """Pack the weights, into ``packed`` if it is given."""
    w, b = weights["w"], weights["b"]
    if packed is None:
        n_inputs, n_outputs = w.shape
        packed = PackedDense(
            aligned_empty(k.packed_shape(n_inputs, n_outputs, w.dtype), w.dtype),
            aligned_empty(k.packed_shape(n_outputs, n_inputs, w.dtype), w.dtype),
            aligned_zeros(k.padded_width(len(b), w.dtype), w.dtype),
            len(b),
        )
    k.pack(w, False, packed.w)
    k.pack(w, True, packed.w_t)
    packed.b[: len(b)] = b
    return packed


def _scratch(k: Kernels, work, n_inputs, n_outputs):
    return work.array("dense.scratch", k.scratch_size(n_inputs, n_outputs, 1, work.dtype))


def forward(k: Kernels, work, x, packed: PackedDense):
    """Logits, shape (n_documents, n_outputs); a view of a wider array."""
    out = work.array("dense.out", len(x), len(packed.b))
    memory = _scratch(k, work, x.shape[1], packed.n_outputs)
    k.matmul(x, x.shape[1], packed.w, packed.n_outputs, packed.b, memory, out)
    return out[:, : packed.n_outputs]


class DenseGradient(NamedTuple):
    """Gradients of the weights, rows padded to padded_width(n_outputs)."""

    w: np.ndarray
    b: np.ndarray


def zero_gradient(k: Kernels, n_inputs, n_outputs, dtype) -> DenseGradient:
    """Zeros for ``backward`` to add the gradients to."""
    width = k.padded_width(n_outputs, dtype)
    return DenseGradient(aligned_zeros((n_inputs, width), dtype), aligned_zeros(width, dtype))


def backward(
    k: Kernels, work, x, d_logits, packed: PackedDense, gradient: DenseGradient | None = None
):
    """Gradient of the input ``x``; those of the weights are added to ``gradient``, if given."""
    n_inputs = x.shape[1]
    d_out = work.zeros("dense.d_out", len(d_logits), len(packed.b))
    d_out[:, : packed.n_outputs] = d_logits
    memory = _scratch(k, work, n_inputs, packed.n_outputs)
    width = k.padded_width(n_inputs, work.dtype)
    d_x = work.array("dense.d_x", len(d_logits), width)
    zeros = work.zeros("dense.zeros", width)
    k.matmul(d_out, packed.n_outputs, packed.w_t, n_inputs, zeros, memory, d_x)
    if gradient is not None:
        k.weight_gradient(x, d_out, packed.n_outputs, memory, gradient.w, gradient.b)
    return np.ascontiguousarray(d_x[:, :n_inputs])

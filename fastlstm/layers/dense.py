"""The dense layer from the pooled vector to logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


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


def pack(k, weights, packed=None) -> PackedDense:
    """Pack the weights, into ``packed`` if it is given."""
    w, b = weights["w"], weights["b"]
    if packed is None:
        packed = PackedDense(
            np.empty(k.packed_shape(*w.shape, w.dtype), w.dtype),
            np.empty(k.packed_shape(*w.shape[::-1], w.dtype), w.dtype),
            np.zeros(k.padded_width(len(b), w.dtype), w.dtype),
            len(b),
        )
    k.pack(w, False, packed.w)
    k.pack(w, True, packed.w_t)
    packed.b[: len(b)] = b
    return packed


def forward(k, work, x, packed: PackedDense):
    """Logits, shape (n_documents, n_outputs); a view of a wider array."""
    out = work.array("dense.out", len(x), len(packed.b))
    k.matmul(x, packed.w, packed.n_outputs, packed.b, out)
    return out[:, : packed.n_outputs]


def backward(k, work, d_logits, packed: PackedDense, n_inputs):
    """Gradient of the input, and that of the logits as ``gradient`` needs it."""
    d_out = work.zeros("dense.d_out", len(d_logits), len(packed.b))
    d_out[:, : packed.n_outputs] = d_logits
    width = k.padded_width(n_inputs, work.dtype)
    zeros = work.zeros("dense.zeros", width)
    d_x = work.array("dense.d_x", len(d_logits), width)
    k.matmul(d_out, packed.w_t, n_inputs, zeros, d_x)
    return np.ascontiguousarray(d_x[:, :n_inputs]), d_out


def gradient(k, x, d_out, accumulate, out):
    """Add one shard's share to the gradients ``out`` of the weights."""
    n_outputs = len(out["b"])
    k.weight_gradient(x, d_out, 0, n_outputs, accumulate, out["w"])
    k.bias_gradient(d_out, 0, n_outputs, accumulate, out["b"])

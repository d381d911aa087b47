"""A document's outputs to one vector, weighed by a softmax of learned scores.

docs/explanation/maths.md, section 24. The softmax is over all steps of a document, those of its
segments together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.workspace import aligned_empty, aligned_zeros
from fastlstm.kernels.contract import Kernels


class PackedAttention(NamedTuple):
    """Weights of the scores, float array of shape (width,)."""

    w: np.ndarray


class AttentionGradient(NamedTuple):
    """Their gradient."""

    w: np.ndarray


def pack(weights, packed=None) -> PackedAttention:
    """A copy of the weights, in ``packed`` if it is given."""
    if packed is None:
        packed = PackedAttention(aligned_empty(weights["w"].shape, weights["w"].dtype))
    packed.w[:] = weights["w"]
    return packed


def zero_gradient(width, dtype) -> AttentionGradient:
    """Zeros for ``backward`` to add the gradient to."""
    return AttentionGradient(aligned_zeros(width, dtype))


def owners(batch) -> np.ndarray:
    """The document of each packed sequence, int64, shape (n_sequences,)."""
    if batch.segments is None:
        return np.arange(batch.n_sequences)
    order, offsets = batch.segments
    owner = np.empty(len(order), dtype=np.int64)
    owner[order] = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return owner


def owners_of_tokens(batch) -> np.ndarray:
    """The document of each packed token, int64, shape (n_tokens,)."""
    return _of_tokens(batch, owners(batch))


def _of_tokens(batch, of_sequences: np.ndarray) -> np.ndarray:
    """For each packed token what ``of_sequences`` says of its sequence."""
    row = np.arange(batch.n_tokens) - np.repeat(batch.starts, batch.n_live)
    found: np.ndarray = of_sequences[row]
    return found


class Attended(NamedTuple):
    """Sums over the steps of documents that have been read, which more steps can join.

    Attributes
    ----------
    owner : int64 array, shape (n_sequences,)
    most, total : float arrays, shape (n_documents,)
    sums : float array, shape (n_documents, width)
        As the kernel ``attend_forward`` has them.
    scores : float array, shape (n_tokens,)
        Of all tokens; the weights of the tokens, once the way back has begun.
    d_scores : float array, shape (n_tokens,)
        Gradients of the scores, after ``backward``.
    """

    owner: np.ndarray
    most: np.ndarray
    total: np.ndarray
    sums: np.ndarray
    scores: np.ndarray
    d_scores: np.ndarray

    def pooled(self) -> np.ndarray:
        """Vectors of the documents, shape (n_documents, width), after their last step."""
        vectors: np.ndarray = self.sums / self.total[:, None]
        return vectors

    def shares(self, batch) -> np.ndarray:
        """The weight of each token of the batch, before the way back has begun."""
        which = _of_tokens(batch, self.owner)
        weights: np.ndarray = np.exp(self.scores - self.most[which]) / self.total[which]
        return weights


def begin(work, batch, width) -> Attended:
    """No step has been read."""
    documents = batch.n_sequences if batch.segments is None else len(batch.segments.offsets) - 1
    most = work.array("attention.most", documents)
    most.fill(-np.inf)
    return Attended(
        owners(batch), most, work.zeros("attention.total", documents),
        work.zeros("attention.sums", documents, width),
        work.array("attention.scores", batch.n_tokens),
        work.array("attention.d_scores", batch.n_tokens),
    )  # fmt: skip


def begin_together(work, batch, width) -> Attended:
    """As ``begin``, for sequences that are all parts of one document."""
    attended = begin(work, batch._replace(segments=None), width)
    attended.owner.fill(0)
    return attended


def read(k: Kernels, attended: Attended, packed: PackedAttention, h, part, scores) -> None:
    """Add the outputs ``h`` of the steps of ``part``, a batch or a part of it."""
    k.attend_forward(
        h, part.n_live, part.starts, attended.owner, packed.w, attended.most, attended.total,
        attended.sums, scores,
    )  # fmt: skip


def score_back(k: Kernels, attended: Attended, h, part, d_pooled, scores, d_scores, d_w) -> None:
    """Gradients of the scores of ``part``, whose ``scores`` become weights; that of ``w``."""
    k.attend_backward(
        h, part.n_live, part.starts, attended.owner, attended.most, attended.total,
        attended.sums, d_pooled, scores, d_scores, d_w,
    )  # fmt: skip


def backward(k: Kernels, work, attended: Attended, packed, h, batch, d_pooled, gradient):
    """Gradient of the outputs, shape (n_tokens, width).

    That of the weights is added to ``gradient``, an AttentionGradient, if it is given.
    """
    d_scores = attended.d_scores
    d_w = work.array("attention.nothing", 0) if gradient is None else gradient.w
    score_back(k, attended, h, batch, d_pooled, attended.scores, d_scores, d_w)
    d_h = work.array("pool.d_h", *h.shape)
    k.attend_spread(
        batch.n_live, batch.starts, attended.owner, packed.w, d_pooled, attended.scores, d_scores,
        d_h,
    )  # fmt: skip
    return d_h

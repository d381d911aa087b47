"""Attention: against a plain softmax, its gradients by central differences, in parts."""

import numpy as np
import pytest

from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels import reference
from fastlstm.network.layers import attention
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    check_gradients,
    each_backend,
    each_compiled_backend,
    each_dtype,
    packed_batch,
    token_sequences,
)

LENGTHS = [4, 1, 6, 4, 1]
WIDTH = 5


def draw(*shape, dtype=np.float64):
    return np.random.default_rng(1).standard_normal(shape).astype(dtype)


def batches():
    """Whole documents, and documents in segments."""
    sequences = token_sequences(LENGTHS)
    return [packed_batch(LENGTHS), pack(reference, sequences, np.arange(5), segment_length=2)]


def run(k, h, w, batch, work=None):
    work = work or Workspace(h.dtype)
    attended = attention.begin(work, batch, h.shape[1])
    packed = attention.pack({"w": w})
    attention.read(k, attended, packed, h, batch, attended.scores)
    return attended, packed


def tokens_of(batch):
    """Where the tokens of each document are, in the order of ``batch.rows``."""
    owner = attention.owners(batch)
    found = {}
    for sequence, length in enumerate(batch.lengths):
        found.setdefault(owner[sequence], []).append(batch.starts[:length] + sequence)
    return [np.concatenate(found[d]) for d in range(len(found))]


@each_backend
@each_dtype
@pytest.mark.parametrize("scale", [1, 100])
def test_forward(k, dtype, scale):
    for batch in batches():
        h, w = draw(batch.n_tokens, WIDTH, dtype=dtype), scale * draw(WIDTH, dtype=dtype)
        attended, _ = run(k, h, w, batch, PoisonedWorkspace(dtype))
        pooled, shares = attended.pooled(), attended.shares(batch)
        assert pooled.dtype == dtype
        for d, tokens in enumerate(tokens_of(batch)):
            scores = h[tokens].astype(np.float64) @ w
            weights = np.exp(scores - scores.max())
            weights /= weights.sum()
            tolerance = 1e-13 if dtype is np.float64 else 1e-6 * scale
            assert_close(shares[tokens], weights, tolerance)
            assert_close(pooled[d], weights @ h[tokens], tolerance)


@each_backend
def test_gradients(k):
    for batch in batches():
        h, w, d_pooled = draw(batch.n_tokens, WIDTH), draw(WIDTH), draw(len(LENGTHS), WIDTH)

        def loss(h=h, w=w, batch=batch, d_pooled=d_pooled):
            return np.sum(d_pooled * run(k, h, w, batch)[0].pooled())

        work = PoisonedWorkspace(np.float64)
        attended, packed = run(k, h, w, batch, work)
        expected = attended.shares(batch)
        gradient = attention.zero_gradient(WIDTH, np.float64)
        d_h = attention.backward(k, work, attended, packed, h, batch, d_pooled, gradient)
        check_gradients(loss, {"h": h, "w": w}, {"h": d_h.copy(), "w": gradient.w})
        assert_close(attended.scores, expected, 1e-13)
        again, _ = run(k, h, w, batch, work)
        alone = attention.backward(k, work, again, packed, h, batch, d_pooled, None)
        assert np.array_equal(alone, d_h)


@each_compiled_backend
@each_dtype
def test_parts_one_after_the_other_have_the_bits_of_one_call(k, dtype):
    for batch in batches():
        h, w = draw(batch.n_tokens, 33, dtype=dtype), draw(33, dtype=dtype)
        whole, packed = run(k, h, w, batch)
        work = Workspace(dtype)
        attended = attention.begin(work, batch, 33)
        for low in range(len(batch.n_live)):
            first, n = batch.starts[low], batch.n_live[low]
            part = batch._replace(
                n_live=batch.n_live[low : low + 1], starts=np.zeros(1, dtype=np.int64)
            )
            tokens = slice(first, first + n)
            rows = np.ascontiguousarray(h[tokens])
            attention.read(k, attended, packed, rows, part, attended.scores[tokens])
        for name in ("most", "total", "sums", "scores"):
            assert np.array_equal(getattr(attended, name), getattr(whole, name)), name


@each_backend
def test_a_document_does_not_depend_on_its_neighbours(k):
    sequences = token_sequences([7, 3, 9, 2])
    for length in (0, 2):
        together = pack(reference, sequences, np.arange(4), segment_length=length)
        h, w = draw(together.n_tokens, 33, dtype=np.float32), draw(33, dtype=np.float32)
        pooled = run(k, h, w, together)[0].pooled()
        for place, (row, tokens) in enumerate(zip(together.rows, tokens_of(together), strict=True)):
            alone = pack(reference, sequences, np.array([row]), segment_length=length)
            # In the same order: of a segment by its number, within it by step.
            own = np.empty((len(tokens), 33), np.float32)
            own[tokens_of(alone)[0]] = h[tokens]
            assert np.array_equal(run(k, own, w, alone)[0].pooled()[0], pooled[place])


@each_backend
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_seen(k, value):
    batch = packed_batch([3, 2])
    h, w = draw(batch.n_tokens, WIDTH), np.ones(WIDTH)
    h[batch.starts[1]] = value
    with np.errstate(invalid="ignore"):
        pooled = run(k, h, w, batch)[0].pooled()
    assert np.isnan(pooled[0]).any() and np.isfinite(pooled[1]).all()

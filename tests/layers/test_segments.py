"""Documents read in segments: against each segment pooled as a document of its own."""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack
from fastlstm.kernels import reference
from fastlstm.kernels.contract import POOLING
from fastlstm.network.layers import pooling, segments
from tests.helpers import assert_close, check_gradients, token_sequences

HIDDEN = 2
LENGTHS = [7, 3, 1, 10, 4]
LENGTH = 3  # documents of 3, 1, 1, 4 and 2 segments


def segmented_batch():
    return pack(reference, token_sequences(LENGTHS, 9), np.arange(len(LENGTHS)), LENGTH)


def pool(h, batch, mode):
    work = Workspace(np.float64)
    pooled, winner = pooling.forward(reference, work, h, batch, mode, HIDDEN)
    combined, share = segments.forward(pooled, batch, mode, HIDDEN)
    return combined, share, winner


def expected(outputs, mode):
    """A document's outputs pooled as without segments (docs/explanation/maths.md, section 10)."""
    mean, largest = outputs.mean(axis=0), outputs.max(axis=0)
    return {
        "last": np.concatenate([outputs[-1, :HIDDEN], outputs[0, HIDDEN:]]),
        "mean": mean,
        "max": largest,
        "mean_max": np.concatenate([mean, largest]),
    }[mode]


def rows_of_documents(batch):
    """Rows of the packed outputs of each document, in the order of its text."""
    order, offsets = batch.segments
    for first, last in zip(offsets[:-1], offsets[1:], strict=True):
        yield np.concatenate([batch.starts[: batch.lengths[s]] + s for s in order[first:last]])


def test_segments_hold_each_token_once_and_are_of_equal_length():
    sequences = token_sequences(LENGTHS, 9)
    batch = segmented_batch()
    assert batch.rows.tolist() == [0, 1, 2, 3, 4]
    assert np.diff(batch.segments.offsets).tolist() == [3, 1, 1, 4, 2]
    for row, places in enumerate(rows_of_documents(batch)):
        assert batch.ids[places].tolist() == sequences.document(row).tolist()
    for first, last in zip(batch.segments.offsets[:-1], batch.segments.offsets[1:], strict=True):
        lengths = batch.lengths[batch.segments.order[first:last]]
        assert lengths.max() <= LENGTH
        assert np.ptp(lengths) <= 1


def test_short_documents_have_none():
    sequences = token_sequences(LENGTHS, 9)
    for length in (0, 10):
        batch = pack(reference, sequences, np.arange(5), length)
        assert batch.segments is None
        assert batch.rows.tolist() == [3, 0, 4, 1, 2]
    with pytest.raises(ValueError, match="row 1 is an empty document"):
        pack(reference, TokenSequences(sequences.ids, np.array([0, 5, 5, 25])), np.arange(3), 3)


@pytest.mark.parametrize("mode", POOLING)
@pytest.mark.parametrize("directions", [1, 2])
def test_forward(mode, directions):
    batch = segmented_batch()
    h = np.random.default_rng(1).standard_normal((batch.n_tokens, directions * HIDDEN))
    combined, _, _ = pool(h, batch, mode)
    assert len(combined) == len(batch.rows)
    for row, places in enumerate(rows_of_documents(batch)):
        assert_close(combined[row], expected(h[places], mode), 1e-14)


@pytest.mark.parametrize("mode", POOLING)
def test_without_a_backward_pass_the_bits_are_the_same(mode):
    batch = segmented_batch()
    pooled = np.random.default_rng(3).standard_normal((batch.n_sequences, 4)).astype(np.float32)
    pooled[2, 1] = np.nan
    with_share, without = (
        segments.forward(pooled, batch, mode, HIDDEN, keep)[0] for keep in (True, False)
    )
    assert np.array_equal(with_share, without, equal_nan=True)
    assert with_share.dtype == without.dtype == np.float32


@pytest.mark.parametrize("mode", POOLING)
@pytest.mark.parametrize("directions", [1, 2])
def test_gradients(mode, directions):
    batch = segmented_batch()
    rng = np.random.default_rng(2)
    h = rng.standard_normal((batch.n_tokens, directions * HIDDEN))
    combined, share, winner = pool(h, batch, mode)
    d_combined = rng.standard_normal(combined.shape)
    d_pooled = segments.backward(d_combined, share, batch)
    d_h = pooling.backward(reference, Workspace(np.float64), d_pooled, winner, batch, mode, HIDDEN)
    check_gradients(lambda: np.sum(d_combined * pool(h, batch, mode)[0]), {"h": h}, {"h": d_h})


def test_of_equal_segments_the_first_gets_the_gradient():
    batch = segmented_batch()
    h = np.zeros((batch.n_tokens, 2 * HIDDEN))
    _, share, _ = pool(h, batch, "max")
    order, offsets = batch.segments
    assert share[order[offsets[:-1]]].all()
    assert share.sum() == len(batch.rows) * 2 * HIDDEN

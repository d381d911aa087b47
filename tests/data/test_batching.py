"""Packing, sharding and batching: properties that hold for any lengths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlstm.core.records import TokenSequences
from fastlstm.data.batching import ACCUMULATORS, inference_chunks, minibatches, pack, split_shards
from fastlstm.kernels import reference

EXAMPLES = settings(max_examples=60, deadline=None)

some_lengths = st.lists(st.integers(0, 40), max_size=80)
full_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=120)


def numbered(lengths):
    """Documents whose token ids are 0, 1, 2, ...: each token can be told apart."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenSequences(np.arange(offsets[-1], dtype=np.int32), offsets)


@EXAMPLES
@given(lengths=full_lengths, data=st.data())
def test_pack_keeps_every_token_of_every_document_in_order(lengths, data):
    sequences = numbered(lengths)
    order = data.draw(st.permutations(range(len(lengths))))
    rows = np.array(order[: data.draw(st.integers(1, len(order)))])
    batch = pack(reference, sequences, rows)
    assert sorted(batch.rows.tolist()) == sorted(rows.tolist())
    assert batch.n_sequences == len(rows)
    assert batch.n_tokens == sum(lengths[row] for row in rows)
    for place, row in enumerate(batch.rows):
        assert batch.lengths[place] == lengths[row]
        tokens = batch.ids[batch.starts[: lengths[row]] + place]
        assert np.array_equal(tokens, sequences.document(row))


@EXAMPLES
@given(lengths=full_lengths)
def test_pack_gives_contiguous_steps_of_falling_size(lengths):
    batch = pack(reference, numbered(lengths), np.arange(len(lengths)))
    assert len(batch.n_live) == max(lengths)
    assert batch.n_live.tolist() == [sum(n > t for n in lengths) for t in range(max(lengths))]
    assert (np.diff(batch.n_live) <= 0).all()
    assert (np.diff(batch.lengths) <= 0).all()
    assert batch.starts[0] == 0
    assert np.array_equal(batch.starts[1:], np.cumsum(batch.n_live)[:-1])
    assert batch.starts[-1] + batch.n_live[-1] == batch.n_tokens
    # Equal lengths keep their order.
    pairs = zip(batch.lengths, batch.lengths[1:], batch.rows, batch.rows[1:], strict=False)
    assert all(a > b or first < second for a, b, first, second in pairs)


def test_pack_has_the_types_of_the_record():
    batch = pack(reference, numbered([2, 3]), [1, 0])
    assert batch.ids.dtype == np.int32
    for name in ("n_live", "starts", "lengths", "rows"):
        assert getattr(batch, name).dtype == np.int64, name


def test_pack_of_no_documents_is_empty():
    batch = pack(reference, numbered([2, 3]), np.arange(0))
    assert batch.n_tokens == batch.n_sequences == len(batch.n_live) == 0


def test_pack_refuses_an_empty_document_by_its_row():
    with pytest.raises(ValueError, match="row 2 is an empty document"):
        pack(reference, numbered([2, 3, 0, 1]), np.array([3, 2, 0]))


@EXAMPLES
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=300), seed=st.integers(0, 99))
def test_shards_are_a_partition_in_equal_parts(lengths, seed):
    lengths = np.array(lengths)
    rows = np.random.default_rng(seed).permutation(len(lengths))
    shards = split_shards(lengths[rows], rows)
    assert sorted(np.concatenate(shards).tolist()) == list(range(len(lengths)))
    counts = [len(shard) for shard in shards]
    assert min(counts) > 0
    if 2 * lengths.max() > lengths.sum() and len(shards) > 1:
        assert lengths[shards[0]].tolist() == [lengths.max()]
        counts = counts[1:]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("n", [2, 3, 17, 32, 33, 300])
def test_a_document_that_outweighs_all_others_is_a_shard_of_its_own(n):
    """So what a second thread can do beside it is done by a second thread."""
    lengths = np.random.default_rng(0).integers(50, 100, n)
    lengths[n // 2] = 100 * lengths.sum()
    shards = split_shards(lengths, np.arange(n))
    assert shards[0].tolist() == [n // 2]
    assert max(map(len, shards)) <= 16
    of_lanes = [
        sum(lengths[shard].sum() for shard in shards[number::ACCUMULATORS])
        for number in range(ACCUMULATORS)
    ]
    assert of_lanes[0] - lengths[n // 2] <= min(of_lanes[1:])


@pytest.mark.parametrize("n", [20, 32, 33, 64, 150, 256, 300, 600])
def test_shards_give_threads_equal_work(n):
    """Two by their documents; more, of similar lengths, by the accumulators they belong to."""
    lengths = np.random.default_rng(3).integers(50, 500, n)
    shards = split_shards(lengths, np.arange(n))
    if len(shards) == 2:
        first, second = (lengths[shard].sum() for shard in shards)
        assert abs(first - second) <= 500
        return
    spans = sorted((lengths[shard].min(), lengths[shard].max()) for shard in shards)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    if len(shards) % (2 * ACCUMULATORS) == 0:
        accumulators = [
            sum(lengths[shard].sum() for shard in shards[number::ACCUMULATORS])
            for number in range(ACCUMULATORS)
        ]
        assert max(accumulators) < 1.1 * min(accumulators)


@pytest.mark.parametrize("n", [2, 3, 32, 33, 200])
@pytest.mark.parametrize("longest", [600, 40_000])
def test_shards_are_bounded(n, longest):
    """At most 16 documents each, and 32768 tokens unless one document has more."""
    lengths = np.random.default_rng(2).integers(longest // 2, longest, n)
    shards = split_shards(lengths, np.arange(n))
    assert len(shards) >= 2
    for shard in shards:
        assert len(shard) <= 16
        assert len(shard) == 1 or lengths[shard].sum() <= 32_768


def test_shards_look_at_the_minibatch_alone():
    """Not at documents outside it, and not at anything of the machine."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 60, 100)
    rows = np.arange(40)
    expected = split_shards(lengths[rows], rows)
    assert len(expected) > 1
    lengths[40:] = 1000
    for result, shard in zip(split_shards(lengths[rows], rows), expected, strict=True):
        assert np.array_equal(result, shard)


@pytest.mark.parametrize("lengths", [[9999], [2] * 60], ids=["one_document", "few_tokens"])
def test_small_minibatches_stay_whole(lengths):
    rows = np.arange(len(lengths))
    (shard,) = split_shards(np.array(lengths)[rows], rows)
    assert np.array_equal(shard, rows)


@EXAMPLES
@given(
    lengths=some_lengths,
    batch_size=st.integers(1, 20),
    seed=st.none() | st.integers(0, 2**32 - 1),
)
def test_minibatches_have_each_full_document_once(lengths, batch_size, seed):
    lengths = np.array(lengths, dtype=np.int64)

    def run():
        rng = None if seed is None else np.random.default_rng(seed)
        return minibatches(lengths, batch_size, rng)

    batches = run()
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == np.flatnonzero(lengths).tolist()
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    again = run()
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches]
    if seed is None:
        assert (np.diff(lengths[rows]) <= 0).all()


def test_minibatches_are_short_of_at_most_one_a_bucket():
    lengths = np.full(333, 5)
    sizes = [len(b) for b in minibatches(lengths, 32, np.random.default_rng(0))]
    assert sorted(sizes) == [333 % 32] + [32] * (333 // 32)


def test_seeds_differ_and_lengths_go_together():
    lengths = np.random.default_rng(1).integers(1, 200, 640)
    first, second = (minibatches(lengths, 32, np.random.default_rng(seed)) for seed in (0, 1))
    assert [b.tolist() for b in first] != [b.tolist() for b in second]
    spread = [np.ptp(lengths[batch]) for batch in first]
    # Sorted in one bucket, 20 minibatches share 199 lengths between them.
    assert np.mean(spread) < 20
    longest_first = [lengths[batch].max() for batch in first]
    assert longest_first != sorted(longest_first, reverse=True)


@EXAMPLES
@given(
    lengths=some_lengths,
    max_documents=st.integers(1, 20),
    max_tokens=st.integers(1, 200),
)
def test_inference_chunks_keep_their_bounds(lengths, max_documents, max_tokens):
    lengths = np.array(lengths, dtype=np.int64)
    chunks = inference_chunks(lengths, max_documents, max_tokens)
    rows = [row for chunk in chunks for row in chunk.tolist()]
    assert sorted(rows) == np.flatnonzero(lengths).tolist()
    for chunk in chunks:
        assert 1 <= len(chunk) <= max_documents
        assert len(chunk) == 1 or lengths[chunk].sum() <= max_tokens

"""From documents to minibatches: by length, in shards, packed without padding."""

from __future__ import annotations

import numpy as np

from fastlstm.core.records import Segments, TokenBatch, TokenSequences

# Minibatches that are sorted by length together; larger means fewer live-row
# drops in a minibatch, smaller means more varied minibatches.
_BUCKET_BATCHES = 50

# Documents in a shard at most, and the number of tokens below which cutting a
# minibatch costs more than a second thread brings.
_SHARD_DOCUMENTS = 16
_SMALL_BATCH_TOKENS = 128

# Accumulators of a minibatch at most: shard ``i`` adds to ``i % ACCUMULATORS``, so more threads
# than this find nothing to do, and memory does not grow with the minibatch.
ACCUMULATORS = 8

# Tokens in a shard: no kernel call runs so long that Ctrl-C feels ignored.
_SHARD_TOKENS = 32768


def pack(
    k, sequences: TokenSequences, rows: np.ndarray, segment_length: int = 0,
    with_places: bool = False,
) -> TokenBatch:  # fmt: skip
    """Pack the documents ``rows`` time-major, longest first (ties keep their order).

    Parameters
    ----------
    k : Kernels
    sequences : TokenSequences
    rows : int array
    segment_length : int
        Documents longer than this become as many sequences of equal length as are
        needed; 0 keeps them whole.
    with_places : bool
        Whether the batch is to say where its tokens stood.

    Raises
    ------
    ValueError
        If one of the documents is empty: it has no step to run.
    """
    rows = np.asarray(rows, dtype=np.int64)
    lengths = sequences.lengths_of(rows)
    with_places |= sequences.features is not None
    if not with_places and len(rows) == 1 and 0 < lengths[0] <= (segment_length or lengths[0]):
        side = None if sequences.side is None else sequences.side[rows]
        return _one_document(sequences.document(rows[0]), lengths, rows, side)
    if np.count_nonzero(lengths) < len(lengths):
        row = rows[np.argmin(lengths)]
        raise ValueError(f"row {row} is an empty document and cannot be packed.")
    first, segments = sequences.offsets[rows], None
    in_segments = segment_length and lengths.max(initial=0) > segment_length
    if in_segments:
        first, lengths, offsets = _cut(first, lengths, segment_length)
    if len(lengths) > 1:
        order = np.argsort(-lengths, kind="stable")
        first, lengths = first[order], lengths[order]
        if in_segments:
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            segments = Segments(place, offsets)
        else:
            rows = rows[order]
    n_live = np.empty(int(lengths[0]) if len(lengths) else 0, dtype=np.int64)
    starts = np.empty_like(n_live)
    ids = np.empty(int(lengths.sum()), dtype=np.int32)
    k.pack_tokens(sequences.ids, first, lengths, n_live, starts, ids)
    side = None if sequences.side is None else sequences.side[rows]
    batch = TokenBatch(ids, n_live, starts, lengths, rows, segments, side)
    if not with_places:
        return batch
    step = np.repeat(np.arange(len(n_live)), n_live)
    places = first[np.arange(len(ids)) - starts[step]] + step
    features = None if sequences.features is None else sequences.features[places]
    return batch._replace(places=places, features=features)


def _one_document(ids, lengths, rows, side) -> TokenBatch:
    """One document lies in ``ids`` as it would be packed."""
    n_live = np.empty(len(ids), dtype=np.int64)
    n_live.fill(1)
    return TokenBatch(ids, n_live, np.arange(len(ids)), lengths, rows, None, side)


def _cut(first, lengths, segment_length):
    """First token and length of each segment, and where each document's segments begin.

    Segments of a document differ by one token at most.
    """
    counts = -(-lengths // segment_length)
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    number = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    whole, parts = np.repeat(lengths, counts), np.repeat(counts, counts)
    begin, end = number * whole // parts, (number + 1) * whole // parts
    return np.repeat(first, counts) + begin, end - begin, offsets


def split_shards(lengths: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Cut a minibatch into shards.

    The rule looks at the minibatch alone, never at the number of threads, so that
    results do not depend on it. Two shards get equal shares of the long and of the short
    documents, since each may have a thread. More than two hold documents of similar
    length, which keeps the rows of a step together until its end; they are in an order
    that gives accumulators equal work. A document of more than half of all tokens is a shard
    of its own.

    Parameters
    ----------
    lengths : int64 array, shape (n,)
        Of the minibatch's documents, in the order of ``rows``.
    rows : int64 array, shape (n,)
    """
    n = len(rows)
    order = np.argsort(-lengths, kind="stable")
    tokens = np.cumsum(lengths[order])
    if n < 2 or tokens[-1] < _SMALL_BATCH_TOKENS:
        return [rows]
    n_shards = 2 * -(-n // (2 * _SHARD_DOCUMENTS))
    while n_shards < n and tokens[-(-n // n_shards) - 1] > _SHARD_TOKENS:
        n_shards += 2
    rows = rows[order]
    if 2 * tokens[0] > tokens[-1]:
        n_others = max(min(n_shards, n) - 1, -(-(n - 1) // _SHARD_DOCUMENTS))
        others = np.array_split(rows[1:], n_others)
        return _boustrophedon([rows[:1], *others], ACCUMULATORS)
    if n_shards == 2:
        turn = np.arange(n) % 4
        first = (turn == 0) | (turn == 3)
        return [rows[first], rows[~first]]
    shards = np.array_split(rows, min(n_shards, n))
    return _boustrophedon(shards, ACCUMULATORS)


def _boustrophedon(items: list, width: int) -> list:
    """Rows of ``width`` items, every second one backwards."""
    result = []
    for first in range(0, len(items), width):
        row = items[first : first + width]
        result += row if first // width % 2 == 0 else row[::-1]
    return result


def minibatches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None
) -> list[np.ndarray]:
    """Rows of the non-empty documents, in minibatches of similar length.

    Documents are shuffled, sorted by length within large buckets, cut into
    minibatches, and these are shuffled. Without ``rng`` everything is in order
    of falling length.

    Parameters
    ----------
    lengths : int64 array, shape (n_documents,)
    batch_size : int
    rng : numpy.random.Generator or None

    Returns
    -------
    batches : list of int64 arrays
    """
    rows = np.flatnonzero(lengths > 0)
    bucket = len(rows) if rng is None else batch_size * _BUCKET_BATCHES
    if rng is not None:
        rows = rng.permutation(rows)
    batches = []
    for first in range(0, len(rows), max(bucket, 1)):
        part = rows[first : first + bucket]
        part = part[np.argsort(-lengths[part], kind="stable")]
        batches += [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def inference_chunks(lengths: np.ndarray, max_documents: int, max_tokens: int) -> list[np.ndarray]:
    """Rows of the non-empty documents by falling length, bounded in rows and tokens."""
    if len(lengths) == 1:
        return [np.zeros(1, dtype=np.int64)] if lengths[0] > 0 else []
    chunks = []
    for rows in minibatches(lengths, max_documents, None):
        longest = int(lengths[rows[0]])
        size = max(1, min(len(rows), max_tokens // longest))
        chunks += [rows[at : at + size] for at in range(0, len(rows), size)]
    return chunks

"""From documents to minibatches: by length, in shards, packed without padding."""

from __future__ import annotations

import numpy as np

from fastlstm.core.records import TokenBatch, TokenSequences

# Minibatches that are sorted by length together; larger means fewer live-row
# drops in a minibatch, smaller means more varied minibatches.
_BUCKET_BATCHES = 50

# Documents in a shard at most, and the number of tokens below which cutting a
# minibatch costs more than a second thread brings.
_SHARD_DOCUMENTS = 16
_SMALL_BATCH_TOKENS = 512

# Tokens in a shard: no kernel call runs so long that Ctrl-C feels ignored.
_SHARD_TOKENS = 16384


def pack(sequences: TokenSequences, rows: np.ndarray) -> TokenBatch:
    """Pack the documents ``rows`` time-major, longest first (ties keep their order).

    Raises
    ------
    ValueError
        If one of the documents is empty: it has no step to run.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if len(rows) == 1:
        return _pack_one(sequences, rows)
    lengths = sequences.lengths[rows]
    order = np.argsort(-lengths, kind="stable")
    rows, lengths = rows[order], lengths[order]
    if len(rows) and lengths[-1] < 1:
        raise ValueError(f"row {rows[-1]} is an empty document and cannot be packed.")
    n_steps = int(lengths[0]) if len(rows) else 0
    n_live = np.searchsorted(-lengths, -np.arange(n_steps), side="left").astype(np.int64)
    starts = np.cumsum(n_live) - n_live
    step = np.repeat(np.arange(n_steps), n_live)
    within = np.arange(len(step)) - starts[step]
    ids = sequences.ids[sequences.offsets[:-1][rows][within] + step]
    return TokenBatch(np.ascontiguousarray(ids, dtype=np.int32), n_live, starts, lengths, rows)


def _pack_one(sequences: TokenSequences, rows: np.ndarray) -> TokenBatch:
    """A batch of one document, which is how services ask: nothing to put in order."""
    ids = sequences.document(rows[0])
    if not len(ids):
        raise ValueError(f"row {rows[0]} is an empty document and cannot be packed.")
    steps = np.arange(len(ids), dtype=np.int64)
    lengths = np.array([len(ids)], dtype=np.int64)
    return TokenBatch(
        np.ascontiguousarray(ids, dtype=np.int32), np.ones_like(steps), steps, lengths, rows
    )


def split_shards(lengths: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Cut a minibatch into shards of nearly equal work.

    The rule looks at the minibatch alone, never at the number of threads, so that
    results do not depend on it. Documents are dealt out from the longest to the
    shortest, back and forth.
    """
    n, n_tokens = len(rows), int(lengths[rows].sum())
    if n < 2 or n_tokens < _SMALL_BATCH_TOKENS:
        return [rows]
    pairs = max(-(-n // (2 * _SHARD_DOCUMENTS)), -(-n_tokens // (2 * _SHARD_TOKENS)))
    n_shards = min(2 * pairs, n)
    rows = rows[np.argsort(-lengths[rows], kind="stable")]
    turn = np.arange(n) % (2 * n_shards)
    shard = np.minimum(turn, 2 * n_shards - 1 - turn)
    return [rows[shard == s] for s in range(n_shards)]


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

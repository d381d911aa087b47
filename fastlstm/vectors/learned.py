"""Word vectors from plain text: skip-gram with negative sampling (Mikolov et al. 2013)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastlstm.core.records import PAD_ID, TokenSequences
from fastlstm.core.workspace import aligned_empty, aligned_zeros
from fastlstm.kernels.contract import Kernels

# Tokens between two values of the learning rate; bounds the memory of a kernel call.
_TOKENS_AT_ONCE = 1 << 16

# Share of the learning rate that is left at the end.
_LEAST_RATE = 1e-3


@dataclass(frozen=True)
class SkipGramOptions:
    """How word vectors are learned; names as word2vec's, defaults for review texts.

    ``window`` is the most distant neighbour that counts; each token draws a distance up
    to it. A token of relative frequency f is read with probability
    ``sqrt(subsample / f) + subsample / f``. Negatives are drawn by frequency ** 0.75.
    """

    window: int = 8
    negatives: int = 5
    subsample: float = 1e-4
    epochs: int = 4
    learning_rate: float = 0.025


def skip_gram(
    k: Kernels,
    sequences: TokenSequences,
    n_tokens: int,
    width: int,
    rng: np.random.Generator,
    options: SkipGramOptions | None = None,
    report: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Vectors of all token ids.

    Parameters
    ----------
    k : Kernels
    sequences : TokenSequences
        Documents; windows do not reach across their ends.
    n_tokens : int
    width : int
        Length of a vector.
    rng : numpy.random.Generator
        The result depends on it alone.
    options : SkipGramOptions or None
    report : callable or None
        Called with the share of work that is done.

    Returns
    -------
    vectors : float32 array, shape (n_tokens, width)
        The padding row is 0.
    """
    options = options or SkipGramOptions()
    counts = np.bincount(sequences.ids, minlength=n_tokens).astype(np.float64)
    total = max(1.0, counts.sum())
    share = np.divide(options.subsample * total, counts, out=np.ones(n_tokens), where=counts > 0)
    keep = np.sqrt(share) + share
    draw = _Negatives(counts)
    inputs = aligned_empty((n_tokens, width), np.float32)
    inputs[:] = rng.uniform(-0.5 / width, 0.5 / width, size=inputs.shape)
    outputs = aligned_zeros((n_tokens, width), np.float32)
    scratch = aligned_empty((options.negatives + 1, width + 1), np.float32)
    done, work = 0, max(1, options.epochs * len(sequences.ids))
    for _ in range(options.epochs):
        for _, part in sequences.runs(_TOKENS_AT_ONCE):
            read = len(part.ids)
            part = _subsampled(part, keep, rng)
            n = len(part.ids)
            windows = rng.integers(1, options.window + 1, size=n, dtype=np.int32)
            negatives = draw(rng, (n, options.negatives))
            rate = options.learning_rate * max(_LEAST_RATE, 1 - done / work)
            k.skip_gram(part.ids, part.offsets, windows, negatives, rate, inputs, outputs, scratch)
            done += read
            if report is not None:
                report(done / work)
    inputs[PAD_ID] = 0
    return inputs


class _Negatives:
    """Draws token ids by frequency ** 0.75, in constant time each (Walker's alias method)."""

    def __init__(self, counts):
        weights = counts**0.75 if counts.any() else np.ones(len(counts))
        n = len(weights)
        scaled = weights * (n / weights.sum())
        self.threshold, self.alias = np.ones(n, dtype=np.float32), np.arange(n, dtype=np.int32)
        small = list(np.flatnonzero(scaled < 1))
        large = list(np.flatnonzero(scaled >= 1))
        while small and large:
            low, high = small.pop(), large[-1]
            self.threshold[low], self.alias[low] = scaled[low], high
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1:
                small.append(large.pop())

    def __call__(self, rng, shape):
        places = rng.integers(0, len(self.alias), size=shape, dtype=np.int32)
        stay = rng.random(shape, dtype=np.float32) < self.threshold[places]
        return np.where(stay, places, self.alias[places])


def _subsampled(part: TokenSequences, keep, rng) -> TokenSequences:
    """Without some of the tokens, the more frequent the more of them."""
    stays = rng.random(len(part.ids)) < keep[part.ids]
    kept = np.concatenate([[0], np.cumsum(stays)])
    return TokenSequences(part.ids[stays], kept[part.offsets])

"""The linear part beside the network: n-grams weighted by naive Bayes.

Each distinct n-gram of a document adds its weight to the logit (docs/maths.md, section
20). The weight is the n-gram's log-count ratio times what logistic regression makes of
it: NB-LR, as Wang and Manning (2012), "Baselines and bigrams", but with logistic loss
as Mesnil et al. (2014).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.text.ngrams import NGrams

# Tokens whose n-grams are sorted at once.
_TOKENS_AT_ONCE = 1 << 21


class WidePart(NamedTuple):
    """Weights of n-grams.

    Attributes
    ----------
    ngrams : NGrams
        Single tokens are features, too; the unknown one is not.
    weights : float32 array, shape (n_outputs, n_ids)
    bias : float32 array, shape (n_outputs,)
    """

    ngrams: NGrams
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, sequences: TokenSequences) -> np.ndarray:
        """Logits, float32, shape (n_documents, n_outputs); one column stands for two classes."""
        out = np.empty((sequences.n_documents, len(self.bias)), dtype=np.float32)
        for first, part in parts(sequences):
            documents, ids = features(self.ngrams, part)
            for output, weights in enumerate(self.weights):
                out[first : first + part.n_documents, output] = self.bias[output] + np.bincount(
                    documents, weights=weights[ids], minlength=part.n_documents
                )
        return out


def parts(sequences: TokenSequences):
    """Runs of whole documents, each with the number of its first one."""
    offsets, first = sequences.offsets, 0
    while first < sequences.n_documents:
        limit = offsets[first] + _TOKENS_AT_ONCE
        last = max(first + 1, int(np.searchsorted(offsets, limit, side="right")) - 1)
        ids = sequences.ids[offsets[first] : offsets[last]]
        yield first, TokenSequences(ids, offsets[first : last + 1] - offsets[first])
        first = last


def features(ngrams: NGrams, sequences: TokenSequences):
    """Which tokens and n-grams each document holds, once each.

    Returns
    -------
    documents : int64 array, shape (n_features,)
        Rising.
    ids : int64 array, shape (n_features,)
        Rising within a document.
    """
    document = np.repeat(np.arange(sequences.n_documents), sequences.lengths)
    known = np.flatnonzero(sequences.ids > UNK_ID)
    pairs = [document[known] << 32 | sequences.ids[known]]
    pairs += [document[places] << 32 | ids for places, ids in ngrams.occurrences(sequences)]
    pairs = np.concatenate(pairs)
    pairs.sort()
    new = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
    pairs = pairs[new]
    return pairs >> 32, pairs & 0xFFFFFFFF

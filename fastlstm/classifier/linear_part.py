"""The linear part beside the network: n-grams weighted by naive Bayes.

Each distinct n-gram of a document adds its weight to the logit (docs/explanation/maths.md, section
20). The weight is the n-gram's log-count ratio times what logistic regression makes of
it: NB-LR, as Wang and Manning (2012), "Baselines and bigrams", but with logistic loss
as Mesnil et al. (2014).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.text.ngrams import NGrams
from fastlstm.text.vocabulary import sorted_distinct

# Tokens whose n-grams are sorted at once.
TOKENS_AT_ONCE = 1 << 21


class LinearPart(NamedTuple):
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
        for first, part in sequences.runs(TOKENS_AT_ONCE):
            found = features(self.ngrams, part)
            out[first : first + part.n_documents] = self.sums(*found, part.n_documents)
        return out

    def sums(self, documents: np.ndarray, ids: np.ndarray, n_documents: int) -> np.ndarray:
        """Logits from what ``features`` gave of documents, as those of ``logits``."""
        columns = [
            self.bias[output] + np.bincount(documents, weights=weights[ids], minlength=n_documents)
            for output, weights in enumerate(self.weights)
        ]
        return np.stack(columns, axis=1).astype(np.float32)


def features(ngrams: NGrams, sequences: TokenSequences) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens and n-grams each document holds, once each.

    Returns
    -------
    documents : int64 array, shape (n_features,)
        Rising.
    ids : int64 array, shape (n_features,)
        Rising within a document.
    """
    document = np.repeat(np.arange(sequences.n_documents) << 32, sequences.lengths)
    known = sequences.ids > UNK_ID
    pairs = [document[known] | sequences.ids[known]]
    pairs += [document[places] | ids for places, ids in ngrams.occurrences(sequences)]
    distinct = sorted_distinct(np.concatenate(pairs))
    return distinct >> 32, distinct & 0xFFFFFFFF

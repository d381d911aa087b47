"""What each token adds to the logits of the linear part; exact, since that part is a sum."""

from __future__ import annotations

import numpy as np

from fastlstm.classifier.linear_part import LinearPart
from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.explain.rows import Contributions, Terms, spread


def linear_contributions(linear: LinearPart, sequences: TokenSequences, outputs) -> Contributions:
    """Weights of the n-grams that a document holds, spread over their tokens.

    An n-gram counts once, however often it occurs: its occurrences share its weight, and
    the tokens of an occurrence share that. The baseline is a document without n-grams.

    Parameters
    ----------
    linear : LinearPart
    sequences : TokenSequences
        Whole documents.
    outputs : int array, shape (n_targets,)
    """
    terms = Terms.of(linear.ngrams, sequences)
    known = np.flatnonzero(terms.ids > UNK_ID)
    places, ids, lengths = (part[known] for part in terms)
    documents = np.searchsorted(sequences.offsets, places, side="right") - 1
    _, feature, counts = np.unique(documents << 32 | ids, return_inverse=True, return_counts=True)
    values = linear.weights[outputs][:, ids].T / counts[feature][:, None]
    positions = spread(places, lengths, values.astype(np.float64), len(sequences.ids))
    baseline = np.tile(linear.bias.astype(np.float64), (sequences.n_documents, 1))
    logits = linear.logits(sequences).astype(np.float64)
    return Contributions(positions, logits, baseline, np.zeros(len(logits), dtype=np.int64))

"""Tokens that a vocabulary has from a single document: names, numbers, addresses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.text.vocabulary import document_counts


def tokens_of_one_document(whole: TokenSequences, tokens: Sequence[str]) -> list[str]:
    """The tokens of a model that one document alone has, those with digits first.

    Parameters
    ----------
    whole : TokenSequences
        Documents that the model was trained on, whole.
    tokens : sequence of str
        Token of each id.
    """
    counts = document_counts(whole, len(tokens))
    counts[: UNK_ID + 1] = 0
    found = [tokens[i] for i in np.flatnonzero(counts == 1).tolist()]
    return sorted(found, key=lambda token: not any(map(str.isdigit, token)))

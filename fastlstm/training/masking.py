"""Tokens hidden from an epoch of training, so that the network leans on none of them."""

from __future__ import annotations

import numpy as np

from fastlstm.core.gaps import since_seen
from fastlstm.core.records import UNK_ID, TokenSequences


def occurs_once(ids, parents, n_tokens) -> np.ndarray:
    """Whether the token of each position occurs nowhere else, bool, shape of ``ids``.

    Parameters
    ----------
    ids : int32 array, shape (n_positions,)
        Tokens, and n-grams that stand for their last token.
    parents : int32 array, shape (n_ngrams,)
        See ``embedding.Table``.
    n_tokens : int
        Ids below it are tokens.
    """
    tokens = ids.copy()
    while True:
        is_ngram = np.flatnonzero(tokens >= n_tokens)
        if not len(is_ngram):
            return (np.bincount(tokens, minlength=n_tokens) == 1)[tokens]
        tokens[is_ngram] = parents[tokens[is_ngram] - n_tokens]


def mask(ids, parents, n_tokens, rng, *, ngram_rate=0.0, token_rate=0.0, rare=None, rare_rate=0.0):
    """Ids with some n-grams replaced by their parents, and some tokens by the unknown one.

    Parameters
    ----------
    ids, parents, n_tokens
        As in ``occurs_once``.
    rng : numpy.random.Generator
    ngram_rate : float
        Share of n-grams that become their parents.
    token_rate : float
        Share of positions that become unknown.
    rare : bool array, shape of ``ids``, or None
        Positions that become unknown at ``rare_rate``, if that is higher. Otherwise
        nothing might train the vector of unknown tokens, which new documents are full of.
    rare_rate : float

    Returns
    -------
    ids : int32 array
        ``ids`` itself where nothing is replaced.
    """
    source = ids
    if ngram_rate and len(parents):
        places = np.flatnonzero(ids >= n_tokens)
        places = places[rng.random(len(places), dtype=np.float32) < ngram_rate]
        ids = ids.copy()
        ids[places] = parents[ids[places] - n_tokens]
    if token_rate:
        rate = token_rate
        if rare is not None:
            rate = np.where(rare, max(token_rate, rare_rate), token_rate)
        unknown = rng.random(len(ids), dtype=np.float32) < rate
    elif rare is not None and rare_rate:
        unknown = np.flatnonzero(rare)
        unknown = unknown[rng.random(len(unknown)) < rare_rate]
    else:
        return ids
    if ids is source:
        ids = ids.copy()
    ids[unknown] = UNK_ID
    return ids


def drop_steps(sequences: TokenSequences, n_gaps: int, rate: float, rng) -> TokenSequences:
    """The documents with the features of some steps taken away, as if they were missing.

    Parameters
    ----------
    sequences : TokenSequences
        With features, as ``fastlstm.side.steps`` lays them out.
    n_gaps : int
        Groups of features whose gaps are told.
    rate : float
        Share of the steps.
    rng : numpy.random.Generator
    """
    assert sequences.features is not None, "there are features to take away"
    features = sequences.features.copy()
    dropped = rng.random(len(features), dtype=np.float32) < rate
    first = features.shape[1] - 2 * n_gaps
    features[dropped, :first] = 0
    missing = features[:, first : first + n_gaps]
    missing[dropped] = 1
    features[:, first + n_gaps :] = since_seen(missing < 1, sequences.offsets)
    return sequences._replace(features=features)

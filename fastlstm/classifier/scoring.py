"""A fitted model's parts together: from encoded documents to logits.

The estimators and the predictor share it; it imports nothing that fits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.classifier.linear_part import WidePart
from fastlstm.core.records import TokenSequences
from fastlstm.network.predict import Network, prior_logits
from fastlstm.text.ngrams import NGrams

# Names of the parts, in the order of their shares; not every model has a linear part.
PARTS = ("networks", "linear_part")


class Encoded(NamedTuple):
    """Documents as token ids.

    Attributes
    ----------
    sequences : TokenSequences
        As the network reads them.
    whole : TokenSequences or None
        Uncut and with further tokens, for the wide part.
    """

    sequences: TokenSequences
    whole: TokenSequences | None = None

    def split(self, n: int) -> tuple[Encoded, Encoded]:
        """The first ``n`` documents, and the others."""
        count = self.sequences.n_documents
        return self.take(np.arange(n)), self.take(np.arange(n, count))

    def take(self, rows) -> Encoded:
        """The documents ``rows``."""
        return Encoded(*(None if part is None else part.take(rows) for part in self))


class Blend(NamedTuple):
    """Logits of the whole are ``bias + sum(share * logits of the part)``.

    See docs/explanation/maths.md, eq. (113).

    Attributes
    ----------
    shares : float64 array, shape (n_parts,)
        Of the networks' mean and, if there is one, the wide part; none is below 0.
    bias : float64 array, shape (n_outputs,)
    """

    shares: np.ndarray
    bias: np.ndarray

    @classmethod
    def of_networks(cls, n_outputs: int) -> Blend:
        """The networks alone."""
        return cls(np.ones(1), np.zeros(n_outputs))

    def __call__(self, logits) -> np.ndarray:
        """Logits of the whole, float64, shape (n_documents, n_outputs), from those of the parts."""
        terms = [share * part for share, part in zip(self.shares, logits, strict=True)]
        return self.bias + sum(terms)


def mean_logits(networks, sequences: TokenSequences, prior, n_threads: int = 1) -> np.ndarray:
    """Mean of the networks' logits, shape (n_documents, n_outputs)."""
    first, *others = (network.logits(sequences, prior, n_threads) for network in networks)
    return sum(others, start=first) / len(networks)


class Scorer(NamedTuple):
    """The parts of a model that predicts.

    Attributes
    ----------
    networks : list of Network
        Their logits are averaged.
    ngrams : NGrams
        Those that have vectors of their own.
    wide : WidePart or None
    blend : Blend
    prior : float64 array, shape (n_classes,)
        Probabilities of a document without a token.
    """

    networks: list[Network]
    ngrams: NGrams
    wide: WidePart | None
    blend: Blend
    prior: np.ndarray

    def parts(self, encoded: Encoded, n_threads: int = 1) -> list[np.ndarray]:
        """Logits of the networks and of the wide part, each of shape (n_documents, n_outputs)."""
        sequences = self.ngrams.longest(encoded.sequences)
        logits = [mean_logits(self.networks, sequences, self.prior, n_threads)]
        if self.wide is not None:
            logits.append(self.wide.logits(encoded.whole))
        return logits

    def contributions(self, encoded: Encoded, n_threads: int = 1) -> dict[str, np.ndarray]:
        """What each part adds to the logits of the whole; float64 arrays of their shape."""
        parts = self.parts(encoded, n_threads)
        shares = zip(PARTS, self.blend.shares, parts, strict=False)
        found = {name: share * part.astype(np.float64) for name, share, part in shares}
        found["bias"] = np.tile(self.blend.bias, (len(parts[0]), 1))
        empty = encoded.sequences.lengths == 0
        for name, added in found.items():
            added[empty] = prior_logits(self.prior) if name == "bias" else 0
        return found

    def logits(self, encoded: Encoded, n_threads: int = 1) -> np.ndarray:
        """Logits of the whole, float64, shape (n_documents, n_outputs)."""
        logits = self.blend(self.parts(encoded, n_threads))
        logits[encoded.sequences.lengths == 0] = prior_logits(self.prior)
        return logits

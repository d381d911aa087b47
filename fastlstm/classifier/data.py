"""What a fit is given: documents read and labels checked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import Encoded, TokenSequences
from fastlstm.text.encoder import TextEncoder

# Whole documents, and the probability of each output's class: (n_documents, n_outputs).
SoftlyLabelled = tuple[TokenSequences, np.ndarray]


class LabelledDocuments(NamedTuple):
    """Documents with what they should be classified as.

    Attributes
    ----------
    encoded : Encoded
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
        With the weight of the class.
    """

    encoded: Encoded
    y: np.ndarray
    weight: np.ndarray


class FitData(NamedTuple):
    """All that a model learns from.

    Attributes
    ----------
    encoder : TextEncoder or None
        None where documents came as token ids.
    n_tokens : int
        Ids below it are tokens that the network knows.
    read : TokenSequences
        Every document, as the network reads it, those without labels last.
    train : LabelledDocuments
    valid : LabelledDocuments or None
        Documents that the caller wants to be held out.
    unlabelled : Encoded or None
    classes : array, shape (n_classes,)
    class_count : float64 array, shape (n_classes,)
        Training documents of each class, by their sample weights alone.
    """

    encoder: TextEncoder | None
    n_tokens: int
    read: TokenSequences
    train: LabelledDocuments
    valid: LabelledDocuments | None
    unlabelled: Encoded | None
    classes: np.ndarray
    class_count: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Logits of a model of these classes: one stands for two of them."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def class_prior(self) -> np.ndarray:
        prior: np.ndarray = self.class_count / self.class_count.sum()
        return prior

    @property
    def truncated_share(self) -> float | None:
        """Of the documents that were read; None for token ids."""
        if self.encoder is None:
            return None
        parts = [self.train.encoded, *([] if self.unlabelled is None else [self.unlabelled])]
        return sum(part.n_truncated for part in parts) / self.read.n_documents

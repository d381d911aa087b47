"""What a fit is given: documents read and labels checked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import Encoded, TokenSequences
from fastlstm.side.reader import SideReader
from fastlstm.side.steps import StepReader
from fastlstm.text.encoder import TextEncoder

# Whole documents, and the probability of each output's class: (n_documents, n_outputs).
SoftlyLabelled = tuple[TokenSequences, np.ndarray]


class LabelledDocuments(NamedTuple):
    """Documents with what they should be classified as.

    Attributes
    ----------
    encoded : Encoded
    y : int64 array, shape (n_labels,)
        Class indices, of each document.
    weight : float64 array, shape (n_labels,)
        With the weight of the class.
    by_step : bool
        Whether each step has a label, and not the document.
    """

    encoded: Encoded
    y: np.ndarray
    weight: np.ndarray
    by_step: bool = False


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
    reader : SideReader or None
        How documents were read, if something stands beside their text.
    steps : StepReader or None
        How features of their steps were read, if there are some.
    """

    encoder: TextEncoder | None
    n_tokens: int
    read: TokenSequences
    train: LabelledDocuments
    valid: LabelledDocuments | None
    unlabelled: Encoded | None
    classes: np.ndarray
    class_count: np.ndarray
    reader: SideReader | None = None
    steps: StepReader | None = None

    @property
    def n_side(self) -> int:
        """Numbers beside each document."""
        return 0 if self.reader is None else self.reader.n_side

    @property
    def n_outputs(self) -> int:
        """Logits of a model of these classes: one stands for two of them."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def each_token_once(self) -> FitData:
        """The same with one document to read, of all tokens.

        For what is said of given word vectors, which is by how often tokens occur.
        """
        each = np.arange(self.n_tokens, dtype=np.int32)
        return self._replace(read=TokenSequences(each, np.array([0, len(each)])))

    def with_relevance(self, relevance: np.ndarray) -> FitData:
        """The same, where numbers of columns beside the text count as much as they tell."""
        assert self.reader is not None, "something stands beside the texts"
        reader = self.reader._replace(relevance=tuple(relevance.tolist()))

        def weighed(encoded: Encoded) -> Encoded:
            side = encoded.side
            assert side is not None, "all documents are read alike"
            sequences = encoded.sequences._replace(side=reader.weighed(side))
            return encoded._replace(sequences=sequences)

        valid, others = self.valid, self.unlabelled
        return self._replace(
            reader=reader,
            train=self.train._replace(encoded=weighed(self.train.encoded)),
            valid=None if valid is None else valid._replace(encoded=weighed(valid.encoded)),
            unlabelled=None if others is None else weighed(others),
        )

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

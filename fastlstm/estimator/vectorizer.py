"""SequenceVectorizer: documents -> padded token ids."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from fastlstm.core.records import PAD_ID, Encoded
from fastlstm.estimator.base import fitted
from fastlstm.estimator.notes import warn_truncated
from fastlstm.estimator.text_parameters import TEXT_CONSTRAINTS, TextInputMixin, learn_encoder
from fastlstm.text.documents import check_documents
from fastlstm.text.encoder import TextEncoder, TextOptions, truncate

_TEXT = TextOptions()


class SequenceVectorizer(TextInputMixin, TransformerMixin, BaseEstimator):
    """Turn documents into a 2-D array of token ids, as LSTMClassifier reads it.

    Parameters
    ----------
    tokenizer, lowercase, normalize, max_features, min_df, max_length, truncation, missing
        As in :class:`LSTMSentimentClassifier`.
    zh_script, vocabulary
        As in :class:`LSTMSentimentClassifier`.
    padding : {"post", "pre"}, default="post"
        Where the zeros of shorter documents go.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token; 0 is padding and 1 stands for unknown tokens.
    n_columns_ : int
        Width of the result: ``max_length``, or with ``max_length=None`` that of the
        longest document of the fit.

    Examples
    --------
    >>> from fastlstm import SequenceVectorizer
    >>> SequenceVectorizer(max_length=3).fit_transform(["good film", "good good"])
    array([[2, 3, 0],
           [2, 2, 0]], dtype=int32)
    """

    _parameter_constraints = {**TEXT_CONSTRAINTS, "padding": [StrOptions({"post", "pre"})]}

    def __init__(
        self,
        *,
        tokenizer=_TEXT.tokenizer,
        lowercase=_TEXT.lowercase,
        normalize="all",
        max_features=_TEXT.max_features,
        min_df=_TEXT.min_df,
        max_length=_TEXT.max_length,
        truncation=_TEXT.truncation,
        missing="error",
        vocabulary=None,
        padding="post",
        zh_script=_TEXT.zh_script,
    ):
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.normalize = normalize
        self.max_features = max_features
        self.min_df = min_df
        self.max_length = max_length
        self.truncation = truncation
        self.missing = missing
        self.vocabulary = vocabulary
        self.padding = padding
        self.zh_script = zh_script

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X, y=None):
        """Learn the vocabulary of documents X; y is ignored."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn the vocabulary and return the token ids of X.

        Returns
        -------
        ids : int32 array, shape (n_documents, n_columns_)
        """
        self._validate_params()
        texts, _ = check_documents(X, missing=self.missing)
        encoder, encoded = learn_encoder(self, texts)
        warn_truncated(encoded, encoder.options.max_length)
        longest = int(encoded.sequences.lengths.max(initial=0))
        most = encoder.options.max_length
        self.encoder_, self.n_columns_ = encoder, most or max(1, longest)
        return self._pad(encoded.sequences)

    def transform(self, X):
        """Token ids of documents X.

        Returns
        -------
        ids : int32 array, shape (n_documents, n_columns_)
            Longer documents are cut as ``truncation`` says.
        """
        check_is_fitted(self)
        texts, _ = check_documents(X, missing=self.missing, allow_empty=True)
        whole = self.encoder_.encode(texts).sequences
        encoded = Encoded(truncate(whole, self.n_columns_, self.truncation), whole)
        warn_truncated(encoded, self.encoder_.options.max_length)
        return self._pad(encoded.sequences)

    vocabulary_ = fitted("encoder_", "Id of each token.", TextEncoder.known)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns: ``token_0``, ``token_1`` and so on."""
        check_is_fitted(self)
        return np.array([f"token_{column}" for column in range(self.n_columns_)], dtype=object)

    def _pad(self, sequences):
        n, width = sequences.n_documents, self.n_columns_
        lengths = sequences.lengths
        out = np.full((n, width), PAD_ID, dtype=np.int32)
        row = np.repeat(np.arange(n), lengths)
        column = np.arange(len(sequences.ids)) - np.repeat(sequences.offsets[:-1], lengths)
        if self.padding == "pre":
            column += np.repeat(width - lengths, lengths)
        out[row, column] = sequences.ids
        return out

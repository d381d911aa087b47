"""A saved model that predicts, and nothing more: what services and the command load.

Unlike ``fastlstm.load`` this imports neither scikit-learn nor training.
"""

from __future__ import annotations

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.kernels.registry import load_backend
from fastlstm.losses import probabilities
from fastlstm.model import Network
from fastlstm.persist.model_file import read_model
from fastlstm.text.documents import check_documents


class Predictor:
    """Predict with a model file of a text classifier.

    Parameters
    ----------
    path : str or path-like
        A file that ``LSTMSentimentClassifier.save`` wrote.
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    run : callable, default=map
        ``run(function, items)`` applies the work to parts of the documents; pass
        the ``map`` of a thread pool to use several cores.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
    n_truncated_ : int
        Documents longer than ``max_length`` in the last call.

    Raises
    ------
    ModelFormatError
        If the file is damaged or of an unknown version.
    ValueError
        If the model takes token ids instead of text.
    """

    def __init__(self, path, *, backend="auto", run=map):
        saved = read_model(path)
        if saved.encoder is None:
            raise ValueError(
                f"{path} holds an LSTMClassifier, which takes token ids. "
                "Load it with fastlstm.load."
            )
        self._network = Network(load_backend(backend), saved.config, saved.parameters)
        self._saved = saved
        self._run = run
        self.classes_ = saved.classes
        self.n_truncated_ = 0

    def _logits(self, X) -> np.ndarray:
        texts, _ = check_documents(X, missing=self._saved.missing)
        sequences: TokenSequences = self._saved.encoder.transform(texts)
        self.n_truncated_ = self._saved.encoder.n_truncated_
        return self._network.logits(sequences, self._saved.class_prior, self._run)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities, float64, shape (n_documents, n_classes)."""
        return probabilities(self._logits(X))

    def predict(self, X) -> np.ndarray:
        """Most likely label of each document, shape (n_documents,)."""
        logits = self._logits(X)
        indices = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(int)
        return self.classes_[indices]

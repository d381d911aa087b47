"""A saved model that predicts, and nothing more: what services and the command load.

Unlike ``fastlstm.load`` this imports neither scikit-learn nor training.
"""

from __future__ import annotations

from threading import local

import numpy as np

from fastlstm.classifier.fitted import Scorer, predicting_precision
from fastlstm.classifier.long import ReadsLongTexts
from fastlstm.core.records import Encoded
from fastlstm.core.shown import brief, plain
from fastlstm.core.threads import effective_n_jobs
from fastlstm.network.losses import log_probabilities, predicted_class, probabilities
from fastlstm.persist.container import shown
from fastlstm.persist.model_file import read_model
from fastlstm.side.reader import read_documents
from fastlstm.text.documents import OF_OTHERS


class Predictor(ReadsLongTexts):
    """Predict with a model file of a text classifier; threads may share it.

    Documents come in any container that ``LSTMSentimentClassifier`` takes. No documents
    give an empty result, so that a service's empty batch is no error.

    Parameters
    ----------
    path : str, path-like or binary file object
        What ``LSTMSentimentClassifier.save`` wrote; of a file object everything from its
        position to its end.
    tokenizer : callable or None, default=None
        The function that the model was fitted with, where that was a callable; see
        ``fastlstm.load``.
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    precision : {"auto", "float32", "bfloat16", "int8"}, default="auto"
        Of the LSTM's matrix products. "auto" is int8 for a model that ``quantize`` made, if
        this machine has such products, and float32 otherwise.
    n_jobs : int or None, default=None
        Threads at most. None is every usable core, or 1 inside a joblib worker;
        -1 is all cores. A service that answers from several threads wants 1.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
    n_truncated_ : int
        Documents longer than ``max_length`` in this thread's last call of ``predict`` or
        ``predict_proba``; ``encode`` says it of any documents.

    Raises
    ------
    ModelFormatError
        If the file is damaged or of an unknown version.
    ValueError
        If the model takes token ids instead of text, needs a callable tokenizer, or was
        given one that it has no use for; if there is no such precision.
    BackendError
        If the backend or the precision is not available on this machine.
    """

    def __init__(self, path, *, backend="auto", precision="auto", n_jobs=None, tokenizer=None):
        effective_n_jobs(n_jobs)  # a wrong one is an error here, not in the first answer
        saved = read_model(path, tokenizer)
        if saved.model.encoder is None:
            raise ValueError(
                f"{shown(path)} holds an LSTMClassifier, which takes token ids. "
                "Load it with fastlstm.load."
            )
        self.missing, self.n_jobs = saved.missing, n_jobs
        self._path = shown(path)
        self._attach(saved.model, backend, precision)

    def _attach(self, model, backend, precision) -> None:
        self._asked = backend, precision
        if precision == "auto":
            precision = predicting_precision(model, backend)
        self.scorer_ = Scorer(model, backend, precision)
        self._last = local()

    def __repr__(self) -> str:
        return plain(f"<Predictor of {self._path}, classes {brief(self.classes_.tolist())}>")

    @property
    def classes_(self) -> np.ndarray:
        """Labels in sorted order, shape (n_classes,)."""
        return self.scorer_.model.classes

    @property
    def reader(self):
        """How documents with something beside their text are read: SideReader or None."""
        return self.scorer_.model.reader

    @property
    def n_truncated_(self) -> int:
        """Documents cut in this thread's last call."""
        return getattr(self._last, "n_truncated", 0)

    def encode(self, X, X_side=None) -> Encoded:
        """Documents as token ids, which ``predict`` and ``predict_proba`` take as well.

        The record says what was cut and what is unknown.
        """
        model = self.scorer_.model
        found = read_documents(
            model.reader, X, X_side, missing=self.missing, allow_empty=True, mend=OF_OTHERS
        )
        return found.of(model.text_encoder.encode(found.texts))

    def _encoded(self, X, X_side=None) -> Encoded:
        """Documents, or what ``encode`` gave of them, as the latter."""
        encoded = X if isinstance(X, Encoded) else self.encode(X, X_side)
        if encoded.whole is None:
            raise ValueError("X holds token ids alone; pass documents, or what encode(X) gave.")
        return encoded

    def coverage(self, X, X_side=None) -> np.ndarray:
        """Share of each document's tokens that the model knows.

        Parameters
        ----------
        X : documents, or what ``encode`` gave of them
        X_side : 2-D array of numbers or None
            Vectors beside them, of a model that was fitted with such.

        Returns
        -------
        coverage : float64 array, shape (n_documents,)
            From 0 to 1, over all tokens of the document. 0 also where it has none: nothing
            in the document then decides the answer. Texts like those of the training are
            seldom below 0.5, those in another script nearly always, and those in another
            language mostly.
        """
        return self._encoded(X, X_side).coverage

    def _logits(self, X, X_side=None) -> np.ndarray:
        encoded = self._encoded(X, X_side)
        self._last.n_truncated = encoded.n_truncated
        several = self.scorer_.uses_threads(encoded)
        return self.scorer_.logits(encoded, effective_n_jobs(self.n_jobs, several))

    def predict_proba(self, X, X_side=None) -> np.ndarray:
        """Class probabilities, float64, shape (n_documents, n_classes)."""
        return probabilities(self._logits(X, X_side))

    def predict_log_proba(self, X, X_side=None) -> np.ndarray:
        """Their natural logarithms, which are finite where probabilities are rounded to 0."""
        return log_probabilities(self._logits(X, X_side))

    def decision_function(self, X, X_side=None) -> np.ndarray:
        """Logits, float64, shape (n_documents,) or (n_documents, n_classes).

        With two classes the log-odds of ``classes_[1]``.
        """
        logits = self._logits(X, X_side)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict(self, X, X_side=None) -> np.ndarray:
        """Most likely label of each document, shape (n_documents,)."""
        indices = predicted_class(self._logits(X, X_side))
        return self.classes_[indices]

    def explain(self, X, X_side=None, *, method="integrated_gradients", target=None):
        """What each token adds to the logits, as ``LSTMSentimentClassifier.explain``."""
        from fastlstm.explain.documents import explain_documents, reading_of

        scorer, documents, n_threads = reading_of(self, X, X_side)
        return explain_documents(scorer, documents, method, target, n_threads)

    # Packed weights are made again where it is unpickled.
    def __getstate__(self):
        return self.missing, self.n_jobs, self._asked, self.scorer_.model, self._path

    def __setstate__(self, state):
        self.missing, self.n_jobs, asked, model, *path = state  # older ones have no path
        self._path = path[0] if path else "a pickle"
        self._attach(model, *asked)

"""A saved model that predicts, and nothing more: what services and the command load.

Unlike ``fastlstm.load`` this imports neither scikit-learn nor training.
"""

from __future__ import annotations

import numpy as np

from fastlstm.classifier.scoring import Encoded, Scorer
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import effective_n_jobs
from fastlstm.kernels.registry import load_backend
from fastlstm.network.losses import predicted_class, probabilities
from fastlstm.network.predict import Network
from fastlstm.persist.model_file import read_model
from fastlstm.text.documents import check_documents


class Predictor:
    """Predict with a model file of a text classifier.

    Parameters
    ----------
    path : str or path-like
        A file that ``LSTMSentimentClassifier.save`` wrote.
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    precision : {"float32", "bfloat16"}, default="float32"
        Of the LSTM's matrix products; the weights in the file are float32 either way.
    n_jobs : int or None, default=None
        Threads at most. None is every usable core, or 1 inside a joblib worker;
        -1 is all cores. A service that answers from several threads wants 1.

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
    BackendError
        If the backend or the precision is not available on this machine.
    """

    def __init__(self, path, *, backend="auto", precision="float32", n_jobs=None):
        saved = read_model(path)
        if saved.encoder is None:
            raise ValueError(
                f"{path} holds an LSTMClassifier, which takes token ids. "
                "Load it with fastlstm.load."
            )
        self._saved = saved
        self._backend = backend
        self._precision = precision
        self._n_jobs = n_jobs
        self.classes_ = saved.classes
        self.n_truncated_ = 0
        self._attach_network()

    def _attach_network(self) -> None:
        saved = self._saved
        k = load_backend(self._backend)
        self._scorer = Scorer(
            [Network(k, saved.config, each, self._precision) for each in saved.networks],
            saved.ngrams, saved.wide, saved.blend, saved.class_prior,
        )  # fmt: skip

    def _logits(self, X) -> np.ndarray:
        texts, _ = check_documents(X, missing=self._saved.missing)
        whole: TokenSequences = self._saved.encoder.read(texts)
        encoded = Encoded(self._saved.encoder.shorten(whole), whole)
        self.n_truncated_ = self._saved.encoder.n_truncated_
        n_threads = effective_n_jobs(self._n_jobs)
        return self._scorer.logits(encoded, n_threads)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities, float64, shape (n_documents, n_classes)."""
        return probabilities(self._logits(X))

    def predict(self, X) -> np.ndarray:
        """Most likely label of each document, shape (n_documents,)."""
        indices = predicted_class(self._logits(X))
        return self.classes_[indices]

    def explain(self, X, *, method="integrated_gradients", target=None):
        """What each token adds to the logits, as ``LSTMSentimentClassifier.explain``."""
        from fastlstm.explain.documents import explain_documents

        model, texts, n_threads = self._explained(X)
        return explain_documents(model, texts, method, target, n_threads)

    def _explained(self, X):
        """What explanations need: the model, the documents, and how many threads."""
        from fastlstm.explain.documents import Model

        texts, _ = check_documents(X, missing=self._saved.missing)
        model = Model(self._scorer, self._saved.encoder, self.classes_)
        return model, texts, effective_n_jobs(self._n_jobs)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "_scorer"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._attach_network()

"""What both classifiers share: parameters, training, prediction."""

from __future__ import annotations

import numbers
import os
import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastlstm.classifier.scoring import Scorer
from fastlstm.core.errors import BackendError
from fastlstm.core.threads import effective_n_jobs
from fastlstm.estimator.fitting import Fitting
from fastlstm.kernels.contract import POOLING
from fastlstm.kernels.registry import load_backend, why
from fastlstm.network.losses import predicted_class, probabilities
from fastlstm.network.predict import Network
from fastlstm.training.optim.schedules import SCHEDULES
from fastlstm.vectors.given import WordVectors


class BaseLSTM(Fitting, ClassifierMixin, BaseEstimator):
    """An LSTM classifier over token sequences: parameters, prediction, saving."""

    _parameter_constraints = {
        "embedding_dim": [Interval(numbers.Integral, 1, None, closed="left")],
        "hidden_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "num_layers": [Interval(numbers.Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "pooling": [StrOptions(set(POOLING))],
        "dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "embedding_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "token_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "ngrams": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_ngrams": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "ngram_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "segment_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "average_decay": [Interval(numbers.Real, 0, 1, closed="left")],
        "word_vectors": [str, os.PathLike, WordVectors, HasMethods(["get_vector"]), None],
        "optimizer": [StrOptions({"adam", "adamw", "sgd"})],
        "learning_rate": [Interval(numbers.Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "warmup_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
        "max_grad_norm": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "momentum": [Interval(numbers.Real, 0, 1, closed="left")],
        "weight_decay": [Interval(numbers.Real, 0, None, closed="left")],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_epochs": [Interval(numbers.Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "n_estimators": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
        "calibrate": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [numbers.Integral, None],
        "verbose": ["verbose"],
        "backend": [StrOptions({"auto", "numba", "cython", "reference"})],
        "precision": [StrOptions({"float32", "bfloat16"})],
    }

    # -- predicting ------------------------------------------------------------

    def _logits(self, X) -> np.ndarray:
        check_is_fitted(self)
        encoded = self._encode(X)
        return self._scorer().logits(encoded, effective_n_jobs(self.n_jobs))

    def _scorer(self) -> Scorer:
        return Scorer(self._networks, self.ngrams_, self.wide_, self.blend_, self.class_prior_)

    def decision_function(self, X) -> np.ndarray:
        """Logits.

        Parameters
        ----------
        X : documents

        Returns
        -------
        scores : float64 array, shape (n_documents,) or (n_documents, n_classes)
            With two classes the log-odds of ``classes_[1]``.
        """
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def decision_parts(self, X) -> dict[str, np.ndarray]:
        """What each part of the model adds to the logits.

        Parameters
        ----------
        X : documents

        Returns
        -------
        parts : dict of str to float64 array, shape as that of ``decision_function``
            "networks", "bias" and, with ``wide``, "linear_part": their sum is what
            ``decision_function`` gives. Of a document without a token all is bias.
        """
        check_is_fitted(self)
        encoded = self._encode(X)
        found = self._scorer().contributions(encoded, effective_n_jobs(self.n_jobs))
        one_column = self.config_.n_outputs == 1
        return {name: part[:, 0] if one_column else part for name, part in found.items()}

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : documents

        Returns
        -------
        probabilities : float64 array, shape (n_documents, n_classes)
            Columns in the order of ``classes_``. A document without a token gets
            ``class_prior_``.
        """
        return probabilities(self._logits(X))

    def predict(self, X) -> np.ndarray:
        """Most likely label of each document, shape (n_documents,)."""
        indices = predicted_class(self._logits(X))
        return self.classes_[indices]

    def save(self, path) -> None:
        """Write the fitted model to one file, which ``fastlstm.load`` reads.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        OSError
            If the file cannot be written; a file that was there before is kept.
        """
        from fastlstm.estimator.saving import save

        check_is_fitted(self)
        save(self, path)

    # -- pickling: packed weights are rebuilt, not stored ------------------------

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_networks"}

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "networks_"):
            self._attach_networks()

    def _attach_networks(self) -> None:
        """Make the networks ready to predict on this machine.

        Weights are float32 whatever ``precision`` is, so a CPU without bfloat16
        products predicts with float32 ones.
        """
        k = load_backend(self.backend)
        self.backend_, self.backend_reason_ = k.NAME, why(self.backend)
        try:
            k.packed_dtype(np.float32, self.precision, training=True)
            precision = self.precision
        except BackendError:
            precision = "float32"
        self._networks = [Network(k, self.config_, each, precision) for each in self.networks_]


def warn_truncated(n_truncated: int, n_documents: int, tokens_lost: int, max_length) -> None:
    """Say what truncation cost; silent when nothing was cut."""
    if n_truncated:
        from fastlstm.core.errors import TruncationWarning

        warnings.warn(
            f"{n_truncated} of {n_documents} documents ({n_truncated / n_documents:.1%}) were "
            f"longer than max_length={max_length} and lost {tokens_lost} tokens in all. "
            "Raise max_length, or choose which part to keep with truncation.",
            TruncationWarning,
            stacklevel=6,
        )

"""What both classifiers answer: scores, probabilities, labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fastlstm.classifier.fitted import FittedModel, Scorer
from fastlstm.core.records import Encoded
from fastlstm.core.threads import effective_n_jobs
from fastlstm.estimator.sequences import SequenceData
from fastlstm.estimator.step_labels import by_document, flat_labels, flat_weights
from fastlstm.estimator.validation import read_labels
from fastlstm.network.losses import log_probabilities, predicted_class, probabilities


def _without_one_column(logits: np.ndarray) -> np.ndarray:
    return logits[:, 0] if logits.shape[1] == 1 else logits


def _shaped(model: FittedModel, answers: np.ndarray, encoded: Encoded):
    """Answers as they are, or those of the steps of each document."""
    return by_document(answers, encoded.sequences.offsets) if model.config.by_step else answers


class Predicting(ClassifierMixin, ABC):
    """A fitted LSTM classifier that answers.

    Where each step is classified (``targets="steps"``), every answer is a list with an array for
    each document, whose first axis is that document's steps.
    """

    scorer_: Scorer
    n_jobs: int | None

    @abstractmethod
    def _encode(self, X, model: FittedModel, X_side=None) -> Encoded:
        """Documents as a fitted model reads them."""

    def _steps_of(self, X) -> SequenceData:
        """Documents whose steps have labels."""
        raise TypeError(f"{type(self).__name__} classifies no steps")

    def _read(self, X, X_side) -> tuple[Scorer, Encoded, int]:
        """The scorer, taken once since another thread may fit, what it reads, and threads."""
        check_is_fitted(self)
        scorer = self.scorer_
        encoded = self._encode(X, scorer.model, X_side)
        return scorer, encoded, effective_n_jobs(self.n_jobs, scorer.uses_threads(encoded))

    def _answers(self, X, X_side, answer: Callable[[FittedModel, np.ndarray], np.ndarray]):
        """What ``answer(model, logits)`` makes; of each step, a list of such of each document."""
        scorer, encoded, n_threads = self._read(X, X_side)
        found = answer(scorer.model, scorer.logits(encoded, n_threads))
        return _shaped(scorer.model, found, encoded)

    def decision_function(self, X, X_side=None) -> np.ndarray:
        """Logits.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None
            Vectors beside them, of a model that was fitted with such.

        Returns
        -------
        scores : float64 array, shape (n_documents,) or (n_documents, n_classes)
            With two classes the log-odds of ``classes_[1]``.
        """
        return self._answers(X, X_side, lambda _, logits: _without_one_column(logits))

    def decision_parts(self, X, X_side=None) -> dict[str, np.ndarray]:
        """What each part of the model adds to the logits.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None

        Returns
        -------
        parts : dict of str to float64 array, shape as that of ``decision_function``
            "networks", "bias" and, with ``wide``, "linear_part", and, with something beside the
            text, "side_columns": their sum is what ``decision_function`` gives. Of a document
            without a token, and with nothing beside it, all is bias.
        """
        scorer, encoded, n_threads = self._read(X, X_side)
        found = scorer.contributions(encoded, n_threads)
        return {
            name: _shaped(scorer.model, _without_one_column(part), encoded)
            for name, part in found.items()
        }

    def predict_proba(self, X, X_side=None) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None

        Returns
        -------
        probabilities : float64 array, shape (n_documents, n_classes)
            Columns in the order of ``classes_``. A document without a token gets
            ``class_prior_``.
        """
        return self._answers(X, X_side, lambda _, logits: probabilities(logits))

    def predict_log_proba(self, X, X_side=None) -> np.ndarray:
        """Natural logarithms of the class probabilities.

        They are finite where ``predict_proba`` rounds to 0.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None

        Returns
        -------
        logarithms : float64 array, shape (n_documents, n_classes)
        """
        return self._answers(X, X_side, lambda _, logits: log_probabilities(logits))

    def predict(self, X, X_side=None) -> np.ndarray:
        """Most likely label of each document, shape (n_documents,)."""

        def labels(model, logits):
            return model.classes[predicted_class(logits)]

        return self._answers(X, X_side, labels)

    def score(self, X, y, sample_weight=None, *, X_side=None) -> float:
        """Accuracy on documents with their labels.

        Parameters
        ----------
        X : documents
        y : array-like, shape (n_documents,)
            In any container that ``fit`` takes.
        sample_weight : array-like, shape (n_documents,), or None
        X_side : 2-D array of numbers or None

        Returns
        -------
        accuracy : float
            Where each step is classified, the share of all steps.
        """
        from sklearn.metrics import accuracy_score

        predicted = self.predict(X, X_side)
        if not isinstance(predicted, list):
            return accuracy_score(read_labels(y), predicted, sample_weight=sample_weight)
        data = self._steps_of(X)
        weight = None if sample_weight is None else flat_weights(sample_weight, data)
        wanted = flat_labels(y, data, checked=False)
        return accuracy_score(wanted, np.concatenate(predicted), sample_weight=weight)

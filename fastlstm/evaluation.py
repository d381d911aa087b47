"""Scores of predictions: accuracy, F1, confusion, calibration, and how far chance moves them.

NumPy alone, so that whoever scores a model needs no scikit-learn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Resamples of the bootstrap, and the percentiles between which an interval lies.
N_RESAMPLES = 2000
_INTERVAL = (2.5, 97.5)

# Standard deviations of a normal distribution that hold 95 % of it.
_Z = 1.96


class Score(NamedTuple):
    """How well a classifier did on held-out documents.

    Attributes
    ----------
    accuracy : float
    macro_f1 : float
        Mean F1 of the classes that occur among the labels or the predictions.
    seconds : float
        Wall time of training and predicting.
    n_classes : int
        Number of those classes.
    """

    accuracy: float
    macro_f1: float
    seconds: float
    n_classes: int


def score(y_true, y_pred, seconds: float) -> Score:
    """Accuracy and macro-F1 of predictions.

    Parameters
    ----------
    y_true, y_pred : sequences of labels
    seconds : float
        Passed on.
    """
    totals = _totals(y_true, y_pred)
    return Score(
        float(totals.accuracy()), float(totals.macro_f1()), seconds, int(totals.n_classes())
    )


def accuracy(y_true, y_pred) -> float:
    """Share of predictions that are right.

    Parameters
    ----------
    y_true, y_pred : sequences of labels, shape (n_documents,)
        One document at least.

    Raises
    ------
    ValueError
        If they differ in length.
    """
    return float(_totals(y_true, y_pred).accuracy())


def macro_f1(y_true, y_pred) -> float:
    """Mean F1 of the classes that occur among the labels or the predictions.

    Parameters
    ----------
    y_true, y_pred : sequences of labels, shape (n_documents,)
        One document at least.

    Raises
    ------
    ValueError
        If they differ in length.
    """
    return float(_totals(y_true, y_pred).macro_f1())


def _totals(y_true, y_pred) -> Totals:
    """Totals of the classes that occur."""
    if len(y_true) != len(y_pred):
        raise ValueError(f"there are {len(y_true)} labels and {len(y_pred)} predictions.")
    both = np.concatenate([np.asarray(y_true), np.asarray(y_pred)])
    classes, numbers = np.unique(both, return_inverse=True)
    true, predicted = np.split(numbers, 2)
    # Not by way of the confusion matrix, which thousands of classes make large.
    of_documents = true[true == predicted], predicted, true
    counts = (np.bincount(each, minlength=len(classes)) for each in of_documents)
    return Totals(*(each.astype(float) for each in counts))


def class_numbers(labels, classes) -> np.ndarray:
    """Position of each label among the classes.

    Parameters
    ----------
    labels : sequence, shape (n_documents,)
    classes : sequence, shape (n_classes,)

    Returns
    -------
    int64 array, shape (n_documents,)

    Raises
    ------
    KeyError
        If a label is none of the classes.
    """
    numbers = {label: number for number, label in enumerate(classes)}
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def confusion(true, predicted, n_classes: int) -> np.ndarray:
    """Documents of each true class (rows) predicted as each class (columns).

    Parameters
    ----------
    true, predicted : int arrays, shape (n_documents,)
        Positions of classes.
    n_classes : int

    Returns
    -------
    int array, shape (n_classes, n_classes)
    """
    cells = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


class Totals(NamedTuple):
    """Documents of each class, of one confusion matrix or of many.

    Attributes
    ----------
    right, predicted, true : float arrays, shape (..., n_classes)
    """

    right: np.ndarray
    predicted: np.ndarray
    true: np.ndarray

    @classmethod
    def of(cls, counts) -> Totals:
        """Those of a confusion matrix."""
        return cls(*(x.astype(float) for x in (np.diag(counts), counts.sum(0), counts.sum(1))))

    def scores(self) -> np.ndarray:
        """Precision, recall and F1 of each class, shape (..., n_classes, 3); 0 where undefined."""
        right, predicted, true = self
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = [right / predicted, right / true, 2 * right / (predicted + true)]
        return np.nan_to_num(np.stack(scores, axis=-1))

    def accuracy(self) -> np.ndarray:
        return self.right.sum(axis=-1) / self.true.sum(axis=-1)

    def macro_f1(self) -> np.ndarray:
        """Mean F1 of the classes that occur or are predicted, as scikit-learn's."""
        return self.scores()[..., 2].sum(axis=-1) / self.n_classes()

    def n_classes(self) -> np.ndarray:
        """How many classes occur or are predicted."""
        return (self.predicted + self.true > 0).sum(axis=-1)


def bootstrap(counts, seed: int = 0) -> Totals:
    """Totals of resampled documents, each of shape (N_RESAMPLES, n_classes).

    Documents drawn with replacement are draws of a multinomial distribution over the cells
    of the confusion matrix (Efron 1979).
    """
    true, predicted = np.nonzero(counts)
    n, of_cells = int(counts.sum()), counts[true, predicted]
    draws = np.random.default_rng(seed).multinomial(n, of_cells / n, size=N_RESAMPLES)
    each = np.arange(len(counts))[None, :]
    in_row, in_column = true[:, None] == each, predicted[:, None] == each
    draws = draws.astype(float)
    return Totals(draws @ (in_row & in_column), draws @ in_column, draws @ in_row)


def percentile_interval(resampled) -> np.ndarray:
    """Ends of the 95 % interval of resampled scores.

    Parameters
    ----------
    resampled : float array, shape (N_RESAMPLES, ...)

    Returns
    -------
    float array, shape (2, ...)
    """
    return np.percentile(resampled, _INTERVAL, axis=0)


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of the share ``n_right / n`` (Wilson 1927); NaN for no documents."""
    if not n:
        return np.nan, np.nan
    share = n_right / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return middle - half, middle + half


def expected_calibration_error(confidence, right, n_bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width.

    As Guo et al. (2017), "On calibration of modern neural networks".

    Parameters
    ----------
    confidence : float array, shape (n_documents,)
        Probability of the class that was predicted, in [0, 1].
    right : bool array, shape (n_documents,)
        Whether it was the right one.
    n_bins : int

    Returns
    -------
    float
        In [0, 1]; each bin counts as its share of the documents. 0 for no documents.
    """
    said, happened, counts = reliability(confidence, right, n_bins)
    there = counts > 0
    gaps = np.abs(said - happened)[there] * counts[there]
    return float(gaps.sum() / max(1, counts.sum()))


def reliability(confidence, right, n_bins: int = 15):
    """Mean confidence, share that was right, and documents of each bin of equal width.

    Parameters
    ----------
    confidence, right : arrays, shape (n_documents,)
        As in ``expected_calibration_error``.
    n_bins : int

    Returns
    -------
    said, happened : float arrays, shape (n_bins,)
        NaN for bins without a document.
    counts : int array, shape (n_bins,)
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    # A bin is open below and closed above.
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    sums = [np.bincount(bins, weights=values, minlength=n_bins) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        said, happened = (total / counts for total in sums)
    return said, happened, counts

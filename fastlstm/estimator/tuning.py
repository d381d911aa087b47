"""Parameters chosen in a time budget: Optuna's search, scored on documents held out."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from fastlstm.classifier.held_out import hold_out
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.validation import check_labels, check_same_length
from fastlstm.evaluation import accuracy, macro_f1
from fastlstm.side.tables import (
    check_vectors,
    columns_of,
    find_layout,
    is_table,
    n_rows,
    texts_of,
)
from fastlstm.text.documents import check_documents
from fastlstm.training.interrupts import Guard, guard_for, guarded_by

METRICS = {"accuracy": accuracy, "macro_f1": macro_f1}

# A trial sees a quarter of the documents first, then half, then all: the worse half of
# the trials ends at each step. Fewer documents than this are not divided.
_STEPS = {1: 0.25, 2: 0.5, 4: 1.0}
_ENOUGH_DOCUMENTS = 800

# Of the documents, held out to score trials.
_HELD_OUT = 0.2

# One network without company, whatever the estimator has: that is put back in the end.
_ALONE = {"wide": None, "n_estimators": 1, "calibrate": False}

# The space: what moves the score of one network, around the defaults.
_SPACE: dict[str, Callable] = {
    "embedding_dim": lambda trial, name: trial.suggest_categorical(name, [64, 128, 256]),
    "hidden_size": lambda trial, name: trial.suggest_categorical(name, [32, 64, 128]),
    "pooling": lambda trial, name: trial.suggest_categorical(name, ["auto", "mean_max", "mean"]),
    "dropout": lambda trial, name: trial.suggest_float(name, 0.2, 0.7, step=0.1),
    "embedding_dropout": lambda trial, name: trial.suggest_float(name, 0.1, 0.7, step=0.1),
    "token_dropout": lambda trial, name: trial.suggest_float(name, 0.0, 0.4, step=0.1),
    "ngrams": lambda trial, name: trial.suggest_int(name, 1, 3),
    "learning_rate": lambda trial, name: trial.suggest_float(name, 1e-3, 1e-2, log=True),
    "batch_size": lambda trial, name: trial.suggest_categorical(name, [16, 32, 64]),
}


def _free(start: LSTMSentimentClassifier, fixed) -> list[str]:
    """Parameters of the space that nobody has decided on."""
    unknown = sorted(set(fixed) - set(start.get_params()))
    if unknown:
        raise ValueError(f"fixed: there is no parameter {', '.join(unknown)}.")
    default = LSTMSentimentClassifier().get_params()
    fixed = {*fixed, *(name for name in _SPACE if getattr(start, name) != default[name])}
    if not (start.word_vectors is None or start.word_vectors == "skipgram"):
        fixed.add("embedding_dim")  # that of the vectors
    free = [name for name in _SPACE if name not in fixed]
    if not free:
        raise ValueError(
            "nothing is left to search: the estimator has values of its own, or fixed names, for "
            f"all of {', '.join(_SPACE)}. Leave one of them at its default."
        )
    return free


# The warning of a search that found nothing.
NOTHING_FOUND = (
    "no trial of the search came to its end, so it found no parameters; give it more time"
)


@dataclass
class Trial:
    """One choice of parameters.

    Attributes
    ----------
    number : int
        0 is the parameters that the search began with.
    params : dict
    score : float
        On the documents held out, of a network trained on ``share`` of the others.
    share : float
    seconds : float
    """

    number: int
    params: dict
    score: float = 0.0
    share: float = 0.0
    seconds: float = 0.0


@dataclass
class TuningResult:
    """What ``tune`` found.

    Attributes
    ----------
    best_params : dict
        Those of the best trial; empty where none was better than the beginning.
    best_score : float
        Of that trial, on the documents that chose it: an optimistic figure. NaN where no
        trial came to all of its documents.
    trials : list of Trial
    stopped_by : str
        What ended the search: "minutes" or "interrupt".
    """

    best_params: dict
    best_score: float
    trials: list[Trial] = field(default_factory=list)
    stopped_by: str = "minutes"


class _OutOfTimeError(Exception):
    """The search's time is over."""


class _Deadline(Guard):
    """Ends the fit of a trial when the time is over; Ctrl-C raises at once."""

    def __init__(self, minutes: float) -> None:
        self._end = time.perf_counter() + 60 * minutes

    @property
    def requested(self) -> bool:  # type: ignore[override]
        self.check()
        return False

    def check(self) -> None:
        if time.perf_counter() >= self._end:
            raise _OutOfTimeError


def tune(
    texts, labels, *, minutes=5.0, estimator=None, metric="accuracy", random_state=0, fixed=(),
    report: Callable[[list[Trial]], None] | None = None, X_side=None,
) -> TuningResult:  # fmt: skip
    """Search for better parameters of a text classifier.

    Each trial trains one network on a quarter, half, and all of the documents that are
    not held out, and ends early where others were better. Optuna chooses the next.

    Parameters
    ----------
    texts : list, tuple, array or Series of str, or a table
        What ``fit`` takes, columns beside the text too.
    labels : array-like, shape (n_documents,)
    minutes : float
        After these the search ends, within a step of training.
    estimator : LSTMSentimentClassifier or None
        Where the search begins. A parameter that is not at its default is left alone, and
        so is the width of given word vectors. Of the others these are searched:
        ``embedding_dim``, ``hidden_size``, ``pooling``, ``dropout``, ``embedding_dropout``,
        ``token_dropout``, ``ngrams``, ``learning_rate`` and ``batch_size``. Trials
        have one network and nothing beside it, whatever ``n_estimators``, ``wide`` and
        ``calibrate`` are, and their seed is ``random_state`` of this function. The result
        names none of these four.
    metric : {"accuracy", "macro_f1"}
    random_state : int
        Of the documents held out, the search and the networks. How many trials there is
        time for depends on the machine.
    fixed : iterable of str
        Further parameters to leave alone, at their default.
    report : callable or None
        Called with all trials after each step of one.
    X_side : 2-D array of numbers, shape (n_documents, width), or None
        A vector beside each text, as with ``fit``.

    Returns
    -------
    TuningResult
        ``clone(estimator).set_params(**result.best_params)`` is ready to be fitted.

    Warns
    -----
    UserWarning
        If no trial came to its end, so that the result has no parameters.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    ValueError
        If no document can be held out, or a parameter is out of its range.
    KeyboardInterrupt
        Of a Ctrl-C where a loop runs around the call, as with ``fit``.

    Notes
    -----
    Ctrl-C ends the search. The result has the best of the trials that were whole.
    """
    optuna = import_optuna()
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r} is not known; use one of {', '.join(METRICS)}.")
    if not minutes > 0:
        raise ValueError(f"minutes={minutes!r} must be above 0.")
    start = LSTMSentimentClassifier() if estimator is None else estimator
    if not isinstance(start, LSTMSentimentClassifier):
        raise TypeError(
            f"estimator is {type(start).__name__}; tune searches for an LSTMSentimentClassifier. "
            "GridSearchCV of scikit-learn takes LSTMClassifier, and SequenceData."
        )
    free = _free(start, fixed)
    mend = "an estimator= with missing='empty' takes them as empty"
    several = is_table(texts, "texts") and len(columns_of(texts, "texts")) > 1
    if several:  # what is wrong with the texts is said of the whole table
        layout = find_layout(texts, start.text_column, with_side=False)
        texts_of(texts, layout, start.missing, "texts")
    else:
        texts, _ = check_documents(texts, missing=start.missing, name="texts", mend=mend)
    labels = check_labels(labels, name="labels")
    n = n_rows(texts) if several else len(texts)
    check_same_length(n, labels, "texts", "labels")
    if X_side is not None:
        X_side = check_vectors(X_side, n)
    guard = guard_for(sys._getframe(1))
    search = _Search(optuna, start, (texts, X_side), labels, metric, random_state, report)
    study = _study(optuna, random_state)
    try:
        with guarded_by(_Deadline(minutes)) as deadline:
            search.run(study, study.ask({}), {})
            while True:
                deadline.check()
                trial = study.ask()
                search.run(study, trial, {name: _SPACE[name](trial, name) for name in free})
    except _OutOfTimeError:
        return search.result("minutes")
    except KeyboardInterrupt:
        if guard.in_loop:
            raise
        return search.result("interrupt")


def import_optuna():
    """The module ``optuna``, or an ImportError that says how to get it."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "tuning needs Optuna: pip install 'fastlstm[tune]' (or: pip install optuna)"
        ) from error
    return optuna


def _study(optuna, seed):
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it has a line for each new study
    try:
        return optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        )
    finally:
        optuna.logging.set_verbosity(verbosity)


class _Search:
    """Runs trials on one division of the documents."""

    def __init__(self, optuna, start, documents, labels, metric, seed, report):
        self._optuna, self._start, self._metric = optuna, start, METRICS[metric]
        self._seed, self._report = seed, report or (lambda trials: None)
        train, held_out = hold_out(labels, _HELD_OUT, seed)
        if not len(held_out):
            raise ValueError("each class has one document, so none can be held out to choose by.")
        self._documents, self._labels = documents, np.asarray(labels)
        self._held_out = held_out
        # Nested: what a trial has seen of the documents only grows.
        order = np.random.default_rng(seed).permutation(train)
        several = len(order) >= _ENOUGH_DOCUMENTS
        steps = _STEPS if several else {1: 1.0}
        self._steps = {step: order[: round(share * len(order))] for step, share in steps.items()}
        self._shares = steps
        self.trials: list[Trial] = []

    def run(self, study, trial, params: dict) -> None:
        """Train on more and more documents, until the trial is over or not worth it."""
        states = self._optuna.trial.TrialState
        record = Trial(len(self.trials), params)
        for step, rows in self._steps.items():
            started = time.perf_counter()
            score = self._score(params, rows)
            if not record.share:
                self.trials.append(record)
            record.score, record.share = score, self._shares[step]
            record.seconds += time.perf_counter() - started
            trial.report(score, step)
            self._report(self.trials)
            if params and record.share < 1 and trial.should_prune():
                study.tell(trial, state=states.PRUNED)
                return
        study.tell(trial, record.score)

    def _score(self, params, rows) -> float:
        clf = clone(self._start).set_params(
            **{**_ALONE, **params}, random_state=self._seed, verbose=0
        )
        (X, X_side), (others, beside_others) = map(self._of, (rows, self._held_out))
        clf.fit(X, self._labels[rows], X_side=X_side)
        predicted = clf.predict(others, X_side=beside_others)
        return float(self._metric(self._labels[self._held_out], predicted))

    def _of(self, rows) -> tuple[Any, np.ndarray | None]:
        """Documents, and the vectors beside them."""
        X, X_side = self._documents
        return _safe_indexing(X, rows), None if X_side is None else X_side[rows]

    def result(self, stopped_by: str) -> TuningResult:
        whole = [trial for trial in self.trials if trial.share == 1]
        if not whole:
            warnings.warn(NOTHING_FOUND, UserWarning, stacklevel=3)
            return TuningResult({}, float("nan"), self.trials, stopped_by)
        best = max(whole, key=lambda trial: trial.score)  # of equals the first
        return TuningResult(best.params, best.score, self.trials, stopped_by)

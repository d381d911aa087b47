"""Parameters chosen in a time budget: Optuna's search, scored on documents held out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone

from fastlstm.classifier.held_out import hold_out
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.validation import check_labels, check_same_length
from fastlstm.evaluation import accuracy, macro_f1
from fastlstm.text.documents import check_documents

METRICS = {"accuracy": accuracy, "macro_f1": macro_f1}

# A trial sees a quarter of the documents first, then half, then all: the worse half of
# the trials ends at each step. Fewer documents than this are not divided.
_STEPS = {1: 0.25, 2: 0.5, 4: 1.0}
_ENOUGH_DOCUMENTS = 800

# Of the documents, held out to score trials.
_HELD_OUT = 0.2

# One network without company, which is what the search varies.
_ALONE = {"wide": None, "n_estimators": 1, "calibrate": False, "early_stopping": False}


def _suggest(trial) -> dict:
    """The space: what moves the score of one network, around the defaults."""
    return {
        "embedding_dim": trial.suggest_categorical("embedding_dim", [64, 128, 256]),
        "hidden_size": trial.suggest_categorical("hidden_size", [32, 64, 128]),
        "pooling": trial.suggest_categorical("pooling", ["max", "mean_max", "mean"]),
        "dropout": trial.suggest_float("dropout", 0.2, 0.7, step=0.1),
        "embedding_dropout": trial.suggest_float("embedding_dropout", 0.1, 0.7, step=0.1),
        "token_dropout": trial.suggest_float("token_dropout", 0.0, 0.4, step=0.1),
        "ngrams": trial.suggest_int("ngrams", 1, 3),
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64]),
    }


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
        Of that trial, on the documents that chose it: an optimistic figure.
    trials : list of Trial
    """

    best_params: dict
    best_score: float
    trials: list[Trial] = field(default_factory=list)


def tune(
    texts, labels, *, minutes=5.0, estimator=None, metric="accuracy", random_state=0,
    report: Callable[[list[Trial]], None] | None = None,
) -> TuningResult:  # fmt: skip
    """Search for better parameters of a text classifier.

    Each trial trains one network on a quarter, half, and all of the documents that are
    not held out, and ends early where others were better. Optuna chooses the next.

    Parameters
    ----------
    texts : list, tuple, array or Series of str
    labels : array-like, shape (n_documents,)
    minutes : float
        After these no trial begins or goes on. The first one is always finished.
    estimator : LSTMSentimentClassifier or None
        Where the search begins, and the parameters that it leaves alone.
    metric : {"accuracy", "macro_f1"}
    random_state : int
        Of the documents held out, the search and the networks. How many trials there is
        time for depends on the machine.
    report : callable or None
        Called with all trials after each step of one.

    Returns
    -------
    TuningResult
        ``clone(estimator).set_params(**result.best_params)`` is ready to be fitted.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    ValueError
        If no document can be held out, or a parameter is out of its range.
    """
    optuna = _optuna()
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r} is not known; use one of {', '.join(METRICS)}.")
    if not minutes > 0:
        raise ValueError(f"minutes={minutes!r} must be above 0.")
    start = LSTMSentimentClassifier() if estimator is None else estimator
    texts, _ = check_documents(texts, missing=start.missing, name="texts")
    labels = check_labels(labels, name="labels")
    check_same_length(len(texts), labels, "texts", "labels")
    search = _Search(optuna, start, texts, labels, metric, random_state, report)
    deadline = time.perf_counter() + 60 * minutes
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=random_state),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    )
    begin = study.ask({})
    search.run(begin, {}, deadline=None)
    search.tell(study, begin)
    while time.perf_counter() < deadline:
        trial = study.ask()
        search.run(trial, _suggest(trial), deadline)
        search.tell(study, trial)
    return search.result()


def _optuna():
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "tuning needs Optuna: pip install 'fastlstm[tune]' (or: pip install optuna)"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class _Search:
    """Runs trials on one division of the documents."""

    def __init__(self, optuna, start, texts, labels, metric, seed, report):
        self._optuna, self._start, self._metric = optuna, start, METRICS[metric]
        self._seed, self._report = seed, report or (lambda trials: None)
        train, held_out = hold_out(labels, _HELD_OUT, seed)
        if not len(held_out):
            raise ValueError("each class has one document, so none can be held out to choose by.")
        self._texts, self._labels = texts, np.asarray(labels)
        self._held_out = held_out
        # Nested: what a trial has seen of the documents only grows.
        order = np.random.default_rng(seed).permutation(train)
        several = len(order) >= _ENOUGH_DOCUMENTS
        steps = _STEPS if several else {1: 1.0}
        self._steps = {step: order[: round(share * len(order))] for step, share in steps.items()}
        self._shares = steps
        self.trials: list[Trial] = []

    def run(self, trial, params: dict, deadline: float | None) -> None:
        """Train on more and more documents, until the trial is over or not worth it."""
        record = Trial(len(self.trials), params)
        for step, rows in self._steps.items():
            if deadline is not None and time.perf_counter() > deadline:
                return
            started = time.perf_counter()
            score = self._score(params, rows)
            if not record.share:
                self.trials.append(record)
            record.score, record.share = score, self._shares[step]
            record.seconds += time.perf_counter() - started
            trial.report(score, step)
            self._report(self.trials)
            if deadline is not None and trial.should_prune():
                return

    def _score(self, params, rows) -> float:
        clf = clone(self._start).set_params(
            **{**_ALONE, **params}, random_state=self._seed, verbose=0
        )
        clf.fit([self._texts[i] for i in rows], self._labels[rows])
        predicted = clf.predict([self._texts[i] for i in self._held_out])
        return float(self._metric(self._labels[self._held_out], predicted))

    def tell(self, study, trial) -> None:
        """Hand the trial's outcome to the sampler."""
        states = self._optuna.trial.TrialState
        record = next((t for t in self.trials if t.params == trial.params), None)
        if record is None:  # no time for its first step
            study.tell(trial, state=states.FAIL)
        elif record.share == 1:
            study.tell(trial, record.score)
        else:
            study.tell(trial, state=states.PRUNED)

    def result(self) -> TuningResult:
        whole = [trial for trial in self.trials if trial.share == 1]
        best = max(whole, key=lambda trial: trial.score)  # of equals the first
        return TuningResult(best.params, best.score, self.trials)

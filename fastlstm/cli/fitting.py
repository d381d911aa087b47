"""Training a classifier and measuring it beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastlstm.cli.errors import note

if TYPE_CHECKING:
    from fastlstm.cli.beside import Frame
    from fastlstm.evaluation import Score


class Split(NamedTuple):
    """Documents to train on and to score on.

    ``how`` says where the latter are from, ``chooses_epoch`` whether early stopping
    uses them too. ``unlabelled`` are further documents to learn from, without the
    ``n_left_out`` that are to be scored on, and ``about`` is what to say of all this.
    ``tables`` hold both parts with columns beside the texts, where such are read.
    """

    texts: list
    labels: list[str]
    valid_texts: list
    valid_labels: list[str]
    how: str
    chooses_epoch: bool
    unlabelled: list | None = None
    n_left_out: int = 0
    about: Sequence[str] = ()
    tables: tuple[Frame, Frame] | None = None

    @property
    def documents(self) -> list | Frame:
        """Documents to train on, with what stands beside them."""
        return self.texts if self.tables is None else self.tables[0]

    @property
    def valid_documents(self) -> list | Frame:
        """Documents to score on, likewise."""
        return self.valid_texts if self.tables is None else self.tables[1]


def fit_and_score(clf, data: Split, save_to=None) -> Score:
    """Train on one part of the documents and score on the other.

    Parameters
    ----------
    clf : LSTMSentimentClassifier
    data : Split
    save_to : path-like or None
        Model file, written as soon as training ends, by Ctrl-C too.
    """
    from fastlstm.evaluation import score
    from fastlstm.training.interrupts import InterruptGuard, guarded_by

    started = time.perf_counter()
    given = {}
    if data.chooses_epoch and clf.early_stopping:
        given = {"X_val": data.valid_documents, "y_val": data.valid_labels}
    with guarded_by(InterruptGuard()):  # whatever loop the command runs in
        clf.fit(data.documents, data.labels, X_unlabelled=data.unlabelled, **given)
    clf.set_params(verbose=0)
    if save_to is not None:
        clf.save(save_to)
        if clf.stopped_by_ == "interrupt":
            note(f"The model so far is in {save_to}.")
    predicted = clf.predict(data.valid_documents)
    return score(data.valid_labels, predicted, time.perf_counter() - started)


def with_baselines(lstm: Score, data: Split) -> dict[str, Score]:
    """Scores of the majority class, of TF-IDF + logistic regression, and the given one."""
    from fastlstm.estimator.baselines import majority_baseline, tfidf_baseline

    texts = [text or "" for text in data.texts]
    valid_texts = [text or "" for text in data.valid_texts]
    return {
        "majority": majority_baseline(data.labels, data.valid_labels),
        "tfidf": tfidf_baseline(texts, data.labels, valid_texts, data.valid_labels),
        "lstm": lstm,
    }

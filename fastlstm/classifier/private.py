"""A fit that keeps a promise of privacy: what it must leave alone, and what its steps are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlstm.classifier.data import FitData
from fastlstm.classifier.fitted import TrainingRecord
from fastlstm.classifier.networks import n_epochs
from fastlstm.core.options import Options
from fastlstm.privacy.accounting import NoisySteps
from fastlstm.privacy.record import PrivacyRecord
from fastlstm.privacy.settings import Privacy
from fastlstm.privacy.training import Plan
from fastlstm.training.history import EpochRecord


class PrivateFit(NamedTuple):
    """How the networks of a private fit are trained.

    Attributes
    ----------
    plan : Plan
    record : PrivacyRecord
    n_epochs : int
    """

    plan: Plan
    record: PrivacyRecord
    n_epochs: int

    def without_counts(self, record: TrainingRecord) -> TrainingRecord:
        """A record that tells nothing of the documents but what is promised.

        Not even how long an epoch took, which depends on their lengths.
        """
        history = tuple(
            EpochRecord(
                epoch=each["epoch"], network=each["network"], learning_rate=each["learning_rate"]
            )  # fmt: skip
            for each in record.history
        )
        even = np.ones(len(record.class_count))
        return replace(
            record, history=history, class_count=even, truncated_share=None, coverage=None,
            privacy=self.record,
        )  # fmt: skip


def leaks_of(data: FitData, options: Options, linear: bool) -> list[str]:
    """What reads the documents without noise, or lets one change what another one counts.

    Returns
    -------
    mends : list of str
        What to set instead.
    """
    skipgram = isinstance(options.word_vectors, str) and options.word_vectors == "skipgram"
    leaks = {
        "early_stopping=False": options.early_stopping,
        "calibrate=False": options.calibrate,
        "ngrams=1": options.ngrams != 1,
        # A mask depends on where a document stands among others, so they would change its gradient.
        "dropout=0": options.dropout,
        "embedding_dropout=0": options.embedding_dropout,
        "token_dropout=0": options.token_dropout,
        "word_vectors=None, or vectors from elsewhere": skipgram,
        'pooling="max", or another than "auto"': options.pooling == "auto",
        'segment_state="fresh", or another than "auto"': options.segment_state == "auto",
        "wide=None": linear,
        "side=None, and pass texts alone": data.reader is not None,
        "no features of steps": data.steps is not None,
        "no X_val": data.valid is not None,
        "no X_unlabelled": data.unlabelled is not None,
    }
    return [mend for mend, does in leaks.items() if does]


def private_fit(
    privacy: Privacy, data: FitData, options: Options, seed: int | None
) -> PrivateFit:  # fmt: skip
    """The steps of a fit, with as much noise as the promise asks for.

    Parameters
    ----------
    privacy : Privacy
    data : FitData
    options : Options
    seed : int or None
        Of repeatable noise; None draws from a cryptographic source.

    Raises
    ------
    ValueError
        If ``unit`` has another length than there are documents, or no noise is enough.
    ImportError
        If a package of ``fastlstm[privacy]`` is missing.
    """
    unit = _units(privacy, data.train.encoded.n_documents)
    n = int(unit.max(initial=-1)) + 1
    rate = min(1.0, privacy.expected_batch_size / n)
    epochs = n_epochs(options._replace(batch_size=privacy.expected_batch_size), n)
    steps = math.ceil(1 / rate)
    part = NoisySteps("networks", rate, 0.0, epochs * steps * int(options.n_estimators))
    record = PrivacyRecord.of(privacy, (part,), n, seed is not None)
    noise = record.parts[0].noise_multiplier
    plan = Plan(unit, n, rate, noise, float(privacy.max_grad_norm), steps, seed)
    return PrivateFit(plan, record, epochs)


def _units(privacy: Privacy, n_documents: int) -> np.ndarray:
    """The number of each document's unit."""
    if isinstance(privacy.unit, str):
        return np.arange(n_documents)
    names = np.asarray(privacy.unit)
    if names.shape != (n_documents,):
        raise ValueError(
            f"privacy.unit has shape {names.shape}, and there are {n_documents} documents: it says "
            "of each document whose it is."
        )
    return np.unique(names, return_inverse=True)[1].astype(np.int64)

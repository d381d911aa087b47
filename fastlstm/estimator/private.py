"""What estimators refuse where ``privacy`` makes a promise, and parameters that suit one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fastlstm.classifier.data import FitData
from fastlstm.classifier.fitted import FittedModel
from fastlstm.classifier.private import PrivateFit, leaks_of_columns, private_fit
from fastlstm.core.options import Options
from fastlstm.privacy import Privacy
from fastlstm.privacy.accounting import NoisySteps

# Nothing reads the documents unasked, and no document changes what another one counts.
PRIVATE_IDS = {
    "early_stopping": False, "calibrate": False, "dropout": 0.0, "embedding_dropout": 0.0,
    "token_dropout": 0.0, "ngrams": 1, "n_estimators": 1, "pooling": "mean",
    "segment_state": "fresh", "word_vectors": None, "average_decay": 0.99,
}  # fmt: skip

# Chosen on a development part of imdb, at epsilon 3.
PRIVATE_TEXTS = {
    **PRIVATE_IDS, "side": None, "max_length": 200, "embedding_dim": 16, "hidden_size": 16,
    "learning_rate": 0.05, "max_epochs": 8,
}  # fmt: skip


def repeatable_seed(random_state) -> int | None:
    """A seed from ``random_state``, which is not drawn from; None for fresh entropy."""
    if random_state is None:
        return None
    state = check_random_state(copy.deepcopy(random_state))
    return int(state.randint(np.iinfo(np.int32).max))


def refuse_leaks(estimator, leaks: Sequence[str]) -> None:
    """Refuse what reads the documents without noise.

    Parameters
    ----------
    estimator : BaseLSTM
        Its own parameters are looked at, too.
    leaks : sequence of str
        From ``leaks_of``.

    Raises
    ------
    ValueError
        Names every parameter, and what to set it to.
    """
    given = estimator.privacy.epsilon is None
    own = {
        "vocabulary to tokens from elsewhere, or epsilon in place of noise_multiplier": (
            given and getattr(estimator, "vocabulary", ()) is None
        ),
        "wide=None, or epsilon in place of noise_multiplier": (
            given and bool(getattr(estimator, "wide", None))
        ),
        "min_df=1, as tokens are chosen with noise": getattr(estimator, "min_df", 1) != 1,
        "vocabulary_size": getattr(estimator, "vocabulary_size", ()) is None,
        'max_length to a number or None, not "auto"': (
            isinstance(getattr(estimator, "max_length", None), str)
        ),
        'class_weight to None or a dict, not "balanced"': estimator.class_weight == "balanced",
    }
    wanted = [*leaks, *(mend for mend, does in own.items() if does)]
    if wanted:
        name = type(estimator).__name__
        raise ValueError(
            "privacy= promises nothing where something else reads the documents without noise, or "
            f"one document changes what another one counts. {name}.private(epsilon) sets all "
            f"parameters so that it does. Or set {'; '.join(wanted)}."
        )


def refuse_another_promise(estimator, model: FittedModel | None) -> None:
    """Refuse to train a private model further without noise, or another one with it.

    Raises
    ------
    ValueError
        Also if the promise was to persons and is now to documents, or the other way.
    """
    if model is None:
        return
    was, now = model.record.privacy, estimator.privacy
    if was is None and now is None:
        return
    if was is None or now is None:
        how, other = ("with", "without") if now is None else ("without", "with")
        raise ValueError(
            f"the model was fitted {how} privacy=, and goes on {how} it: {other} it nothing would "
            "be promised to the documents of one of the two fits. Or fit anew with all documents "
            "and warm_start=False."
        )
    unit = now.unit if isinstance(now.unit, str) else "array"
    if was.unit != unit:
        raise ValueError(
            f"privacy.unit is now {unit!r}, and the model was fitted with {was.unit!r}: promises "
            "to documents and to persons do not add up. Set it back, or fit anew."
        )


def promise_of(
    estimator, data: FitData, options: Options, spent: tuple[NoisySteps, ...],
    start: FittedModel | None, linear: bool,
) -> PrivateFit | None:  # fmt: skip
    """The noisy steps of a fit; None where nothing is promised.

    Raises
    ------
    ValueError
        If something beside the documents is read, or the promise cannot be kept.
    """
    if estimator.privacy is None:
        return None
    refuse_leaks(estimator, leaks_of_columns(data))
    seed = repeatable_seed(estimator.random_state)
    return private_fit(estimator.privacy, data, options, seed, spent, linear, start)


def private_parameters(
    suited: dict[str, Any], privacy: Privacy | float, given: dict[str, Any]
) -> dict[str, Any]:
    """Parameters of an estimator that keep a promise, but for those that are given.

    Parameters
    ----------
    suited : dict
        Parameters that suit noisy steps.
    privacy : Privacy or float
        A number is epsilon.
    given : dict
    """
    promise = privacy if isinstance(privacy, Privacy) else Privacy(epsilon=privacy)
    return {**suited, "privacy": promise, **given}

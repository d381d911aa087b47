"""What estimators refuse where ``privacy`` makes a promise."""

from __future__ import annotations

from collections.abc import Sequence

from fastlstm.classifier.fitted import FittedModel


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
    own = {
        "vocabulary to tokens from elsewhere": getattr(estimator, "vocabulary", ()) is None,
        "vocabulary_size": getattr(estimator, "vocabulary_size", ()) is None,
        'max_length to a number or None, not "auto"': (
            isinstance(getattr(estimator, "max_length", None), str)
        ),
        'class_weight to None or a dict, not "balanced"': estimator.class_weight == "balanced",
    }
    wanted = [*leaks, *(mend for mend, does in own.items() if does)]
    if wanted:
        raise ValueError(
            "privacy= promises nothing where something else reads the documents without noise, or "
            f"one document changes what another one counts. Set {'; '.join(wanted)}."
        )


def refuse_going_on_in_private(
    estimator, model: FittedModel | None, what: str = "warm_start=True"
) -> None:
    """Refuse to train a private model further, or another one with noise.

    Raises
    ------
    ValueError
        If ``what`` would.
    """
    was = model is not None and model.record.privacy is not None
    if was or (estimator.privacy is not None and (model is not None or what == "partial_fit")):
        raise ValueError(
            f"{what} and privacy= do not go together: what later documents add to the budget is "
            "not counted yet. fit with all documents, or without privacy=."
        )

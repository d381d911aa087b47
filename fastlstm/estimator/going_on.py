"""What may change between a fit and the training that goes on from it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastlstm.classifier.fitted import FittedModel
from fastlstm.core.shown import brief
from fastlstm.text.clean import check_steps
from fastlstm.text.vocabulary import given_tokens

# What training reads anew each time, or networks that are added do. Any other parameter is built
# into the model: a change would be ignored, and is refused.
MAY_CHANGE = frozenset({
    "average_decay", "backend", "batch_size", "calibrate", "class_weight", "dropout",
    "early_stopping", "embedding_dropout", "forget_bias", "learning_rate", "learning_rate_schedule",
    "max_epochs", "max_grad_norm", "missing", "momentum", "n_iter_no_change", "n_jobs",
    "ngram_dropout", "optimizer", "precision", "privacy", "random_state", "recompute",
    "step_dropout", "token_dropout", "train_vectors", "validation_fraction", "verbose",
    "warm_start", "warmup_fraction", "weight_decay",
})  # fmt: skip


def refuse_training_of_8_bits(estimator) -> None:
    """Training needs weights that can change a little.

    Raises
    ------
    ValueError
        If the estimator is one that ``quantize`` made, or asks for int8.
    """
    model = getattr(estimator, "model_", None)
    if model is not None and model.quantized:
        raise ValueError(
            f"this {type(estimator).__name__} has weights of 8 bits and only predicts. Train the "
            "one that quantize() was called on and quantize it anew, or fit "
            "sklearn.base.clone(clf), which has the same parameters and no model."
        )
    if estimator.precision == "int8":
        raise ValueError(
            "precision='int8' is for prediction alone. fit with precision='float32', then "
            "call quantize()."
        )


def built_in(estimator) -> dict[str, Any]:
    """The parameters that may not change any more, once the estimator is fitted with them."""
    # The names are those of get_params, which takes a good part of a small partial_fit.
    names = estimator._parameter_constraints
    return {name: getattr(estimator, name) for name in names if name not in MAY_CHANGE}


def networks_to_be(estimator, fitted_with: dict[str, Any], model: FittedModel) -> int:
    """How many networks there are to be, once nothing has changed that going on would ignore.

    Those of the model stay where ``n_estimators`` has not changed. The linear part may be
    taken away.

    Parameters
    ----------
    estimator : BaseLSTM
    fitted_with : dict
        What ``built_in`` gave when the model was fitted; empty where that is not known.
    model : FittedModel

    Raises
    ------
    ValueError
        Names the first parameter that has changed, both values and the mend.
    """
    for name, now in built_in(estimator).items():
        before = fitted_with.get(name, now)
        dropped = name == "wide" and now is None
        if name != "n_estimators" and not dropped and not _same(name, now, before):
            raise ValueError(
                f"{name} is now {brief(now)}, but the fitted model was made with {brief(before)}. "
                "Set it back to go on with this model, or fit anew with warm_start=False."
            )
    there, wanted = len(model.networks), estimator.n_estimators
    # After Ctrl-C a model may have fewer than its parameter said; it goes on as it is.
    if wanted == fitted_with.get("n_estimators"):
        return there
    if wanted < there:
        raise ValueError(
            f"n_estimators={wanted} is less than the {there} networks of the fitted model, and "
            f"going on takes none away. Set n_estimators={there} or more, or fit anew with "
            "warm_start=False."
        )
    return wanted


def _same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a parameter mean the same, however they are written."""
    if one is other:
        return True
    if name == "normalize":
        return check_steps(one) == check_steps(other)
    if name == "text_column":
        one, other = ([v] if isinstance(v, str) else v and list(v) for v in (one, other))
    if name == "vocabulary" and one is not None and other is not None:
        return given_tokens(one) == given_tokens(other)
    one, other = (os.fspath(v) if isinstance(v, os.PathLike) else v for v in (one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # no answer, or one for each element
        return False

"""Model files to estimators."""

from __future__ import annotations

import numpy as np

from fastlstm.core.errors import ModelFormatError
from fastlstm.estimator.going_on import built_in
from fastlstm.estimator.saving import COLUMNS
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.tokens import LSTMClassifier
from fastlstm.persist.container import shown
from fastlstm.persist.model_file import read_model
from fastlstm.privacy import Privacy


def load(path, *, tokenizer=None):
    """Read a model file that ``save`` wrote.

    Parameters
    ----------
    path : str, path-like or binary file object
        Of a file object everything from its position to its end is read.
    tokenizer : callable or None, default=None
        The function that the model was fitted with, where that was a callable: files hold
        its name alone, and nothing is imported by it. For other models leave it out.

    Returns
    -------
    estimator : LSTMSentimentClassifier or LSTMClassifier
        Fitted, with the parameters it was saved with. ``random_state`` comes back
        only if it was an int, ``word_vectors`` only if it was a string or path.

    Raises
    ------
    ModelFormatError
        If the file is damaged, no model of this package, or of an unknown version.
    ValueError
        If the model needs a callable tokenizer, or one is given that it has no use for.
    """
    saved = read_model(path, tokenizer)
    kind = LSTMClassifier if saved.model.encoder is None else LSTMSentimentClassifier
    settings = dict(saved.settings)
    if saved.model.encoder is not None:
        settings.setdefault("tokenizer", saved.model.encoder.options.tokenizer)
    else:  # what the network does, whatever was set after it was fitted
        settings["targets"] = ("documents", "steps")[saved.model.config.by_step]
    try:
        if isinstance(settings.get("class_weight"), list):
            settings["class_weight"] = dict(settings["class_weight"])
        if settings.get("privacy") is not None:
            settings["privacy"] = Privacy.from_state(settings["privacy"])
        estimator = kind(**settings)
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"{shown(path)}: parameters of the estimator: {error}") from error
    columns = {}
    for name, value in saved.columns.items():
        if name not in COLUMNS:
            continue
        if not isinstance(value, COLUMNS[name]):
            raise ModelFormatError(f"{shown(path)}: {name} is {type(value).__name__}.")
        # scikit-learn compares an array of names with those of a data frame.
        columns[name] = np.array(value, dtype=object) if type(value) is list else value
    fitted_with = built_in(estimator)
    if fitted_with["word_vectors"] is None:
        del fitted_with["word_vectors"]  # a file keeps no vectors: there may have been some
    estimator._hold(saved.model, {**columns, "_fitted_with": fitted_with})
    return estimator

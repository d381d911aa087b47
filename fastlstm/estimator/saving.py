"""Estimators to model files and back."""

from __future__ import annotations

import numpy as np

from fastlstm.core.errors import ModelFormatError
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.tokens import LSTMClassifier
from fastlstm.persist.model_file import SavedModel, read_model, write_model

_FITTED = ("history_", "n_iter_", "stopped_by_", "truncated_share_", "n_features_in_")


def save(estimator, path) -> None:
    """Write a fitted classifier; see ``save`` of the estimators."""
    encoder = getattr(estimator, "encoder_", None)
    settings = {
        name: _plain(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in ("class_weight", "random_state")
    }
    weights = estimator.class_weight
    if isinstance(weights, dict):
        weights = [[_plain(label), float(weight)] for label, weight in weights.items()]
    settings["class_weight"] = weights
    seed = estimator.random_state
    settings["random_state"] = int(seed) if isinstance(seed, (int, np.integer)) else None
    fitted = {
        name: _plain(getattr(estimator, name)) for name in _FITTED if hasattr(estimator, name)
    }
    saved = SavedModel(
        config=estimator.config_,
        parameters=estimator.parameters_,
        classes=estimator.classes_,
        class_prior=estimator.class_prior_,
        encoder=encoder,
        missing=getattr(estimator, "missing", "error"),
        settings=settings,
        fitted=fitted,
    )
    write_model(saved, path)


def load(path):
    """Read a model file that ``save`` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    estimator : LSTMSentimentClassifier or LSTMClassifier
        Fitted, with the parameters it was saved with. ``random_state`` comes back
        only if it was an int.

    Raises
    ------
    ModelFormatError
        If the file is damaged, no model of this package, or of an unknown version.
    """
    saved = read_model(path)
    kind = LSTMClassifier if saved.encoder is None else LSTMSentimentClassifier
    settings = dict(saved.settings)
    if isinstance(settings.get("class_weight"), list):
        settings["class_weight"] = {label: weight for label, weight in settings["class_weight"]}
    try:
        estimator = kind(**settings)
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"{path}: parameters of the estimator: {error}") from error
    estimator.config_ = saved.config
    estimator.parameters_ = saved.parameters
    estimator.classes_ = saved.classes
    estimator.class_prior_ = saved.class_prior
    if saved.encoder is not None:
        estimator.encoder_ = saved.encoder
    for name in _FITTED:
        if name in saved.fitted:
            setattr(estimator, name, saved.fitted[name])
    estimator._attach_network()
    return estimator


def _plain(value):
    """NumPy scalars to Python's, so that JSON can hold them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

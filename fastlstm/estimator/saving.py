"""Estimators to model files and back."""

from __future__ import annotations

import os

import numpy as np

from fastlstm.core.errors import ModelFormatError
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.tokens import LSTMClassifier
from fastlstm.persist.model_file import SavedModel, read_model, write_model

# Fitted attributes that go into the file as JSON, and their types there.
_FITTED = {
    "history_": list,
    "n_iter_": int,
    "stopped_by_": str,
    "truncated_share_": (float, int),
    "n_features_in_": int,
    "feature_names_in_": list,
    "class_count_": list,
}
# scikit-learn compares an array of names with those of a data frame.
_ARRAYS = {"feature_names_in_": object, "class_count_": np.float64}


def save(estimator, path) -> None:
    """Write a fitted classifier; see ``save`` of the estimators."""
    encoder = getattr(estimator, "encoder_", None)
    settings = {
        name: _plain(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in ("class_weight", "random_state")
    }
    source = estimator.word_vectors
    if isinstance(source, os.PathLike):
        settings["word_vectors"] = os.fspath(source)
    elif not isinstance(source, str):
        settings["word_vectors"] = None
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
        networks=estimator.networks_,
        ngrams=estimator.ngrams_,
        wide=estimator.wide_,
        blend=estimator.blend_,
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
        only if it was an int, ``word_vectors`` only if it was a string or path.

    Raises
    ------
    ModelFormatError
        If the file is damaged, no model of this package, or of an unknown version.
    """
    saved = read_model(path)
    kind = LSTMClassifier if saved.encoder is None else LSTMSentimentClassifier
    settings = dict(saved.settings)
    try:
        if isinstance(settings.get("class_weight"), list):
            settings["class_weight"] = dict(settings["class_weight"])
        estimator = kind(**settings)
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"{path}: parameters of the estimator: {error}") from error
    estimator.config_ = saved.config
    estimator.networks_ = saved.networks
    estimator.ngrams_ = saved.ngrams
    estimator.wide_ = saved.wide
    estimator.blend_ = saved.blend
    estimator.classes_ = saved.classes
    estimator.class_prior_ = saved.class_prior
    if saved.encoder is None:
        estimator._vocabulary_size = saved.ngrams.n_tokens
    else:
        estimator.encoder_ = saved.encoder
    for name, kind in _FITTED.items():
        if name not in saved.fitted:
            continue
        value = saved.fitted[name]
        if not isinstance(value, kind):
            raise ModelFormatError(f"{path}: {name} is {type(value).__name__}.")
        if name in _ARRAYS:
            try:
                value = np.array(value, dtype=_ARRAYS[name])
            except (TypeError, ValueError) as error:
                raise ModelFormatError(f"{path}: {name}: {error}") from error
        setattr(estimator, name, value)
    if "class_count_" not in saved.fitted:
        estimator.class_count_ = saved.class_prior
    if estimator.class_count_.shape != saved.class_prior.shape:
        raise ModelFormatError(f"{path}: class_count_ does not fit the classes.")
    estimator._attach_networks()
    return estimator


def _plain(value):
    """NumPy scalars and arrays to Python's, so that JSON can hold them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

"""Estimators to model files."""

from __future__ import annotations

import os

import numpy as np

from fastlstm.persist.model_file import SavedModel, plain_values, write_model
from fastlstm.text.vocabulary import given_tokens

# What an estimator knows of the columns of X, and the types there, in the file's JSON.
COLUMNS = {"n_features_in_": int, "feature_names_in_": list}


def save(estimator, path) -> None:
    """Write a fitted classifier; see ``save`` of the estimators."""
    settings = {
        name: plain_values(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in ("class_weight", "random_state")
    }
    if callable(settings.get("tokenizer")):
        del settings["tokenizer"]  # whoever loads the file gives it
    if settings.get("vocabulary") is not None:
        settings["vocabulary"] = given_tokens(estimator.vocabulary)
    source = estimator.word_vectors
    if isinstance(source, os.PathLike):
        settings["word_vectors"] = os.fspath(source)
    elif not isinstance(source, str):
        settings["word_vectors"] = None
    weights = estimator.class_weight
    if isinstance(weights, dict):
        weights = [[plain_values(label), float(weight)] for label, weight in weights.items()]
    settings["class_weight"] = weights
    if estimator.privacy is not None:
        settings["privacy"] = estimator.privacy.state()
    seed = estimator.random_state
    settings["random_state"] = int(seed) if isinstance(seed, (int, np.integer)) else None
    columns = {
        name: plain_values(vars(estimator)[name]) for name in COLUMNS if name in vars(estimator)
    }
    missing = getattr(estimator, "missing", "error")
    write_model(SavedModel(estimator.model_, missing, settings, columns), path)

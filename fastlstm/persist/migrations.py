"""Versions of the model file, and the steps from each one to the next.

How to change the format
------------------------
The version rises when a reader of the last release would misread or refuse the
new content: an array or a metadata key renamed, removed or given another meaning.
A new key that an older reader may ignore does not need it. In this order:

1. Before the change, save a small model with the last release, and keep that file
   with the predictions it gives among the test data. It is never written again.
2. Add 1 to ``CURRENT_VERSION``.
3. Write a function ``(arrays, metadata) -> (arrays, metadata)`` from the old content
   to the new one. It returns new dicts, and raises ``ModelFormatError`` when a key it
   needs is not there. Add it to ``MIGRATIONS`` under the version it starts from.
4. Change the code that makes and uses the content.
5. Test that the file kept in step 1 loads and predicts what it did.
6. Say in the change log that older releases cannot read the new files.

A released step is never edited: files in the world depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.core.errors import ModelFormatError

Arrays = dict[str, np.ndarray]
Metadata = dict[str, Any]

CURRENT_VERSION = 10


def _with_ngrams(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 1 to 2: n-grams, segments and a linear part, of which there were none."""
    try:
        config = {**metadata["config"], "n_ngrams": 0, "segment_length": 0}
        off = {"ngrams": 1, "segment_length": None, "average_decay": 0.0, "word_vectors": None}
        settings = {**off, **metadata["settings"]}
        encoder = metadata["encoder"]
        if encoder is not None:
            encoder = {**encoder, "n_known": len(encoder["tokens"])}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    arrays = {**arrays, "ngrams": np.zeros((0, 2), dtype=np.int32)}
    new = {"config": config, "settings": settings, "encoder": encoder}
    return arrays, {**metadata, **new, "wide": False, "blend": None}


def _with_networks(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 2 to 3: several networks, of which there was one, and always a blend."""
    try:
        off: Metadata = {"n_estimators": 1, "token_dropout": 0.0, "calibrate": False}
        if metadata["encoder"] is not None:
            off["wide"] = None
        settings = {**off, **metadata["settings"]}
        blend = metadata["blend"]
        if blend is None:
            blend = [[1.0], [0.0] * len(arrays["dense.b"])]
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    shared = ("ngrams", "wide.")
    arrays = {
        name if name.startswith(shared) else f"network.0.{name}": array
        for name, array in arrays.items()
    }
    return arrays, {**metadata, "settings": settings, "blend": blend, "n_networks": 1}


# How models up to version 3 read texts: by the estimator's parameters, and by what has none.
_TEXT_OF_3: Metadata = {"normalize": ["tags"], "zh_script": None}
_RULES_OF_3: Metadata = {"jieba_rules": 1}


def _with_text_rules(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 3 to 4: names for the text rules, of which there was one set."""
    try:
        settings, encoder = metadata["settings"], metadata["encoder"]
        if encoder is not None:
            settings = {**_TEXT_OF_3, **settings}
            encoder = {**_TEXT_OF_3, **_RULES_OF_3, **encoder}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    return arrays, {**metadata, "settings": settings, "encoder": encoder}


def _with_precision(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 4 to 5: weights of 8 bits, of which there were none."""
    return arrays, {**metadata, "quantized": False}


def _with_side(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 5 to 6: columns beside the text, of which there were none."""
    try:
        config = {**metadata["config"], "n_side": 0, "side_dropout": 0.0}
        settings = metadata["settings"]
        if metadata["encoder"] is not None:
            settings = {"text_column": None, "side": "auto", **settings}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    off: Metadata = {"side": None, "side_part": False}
    return arrays, {**metadata, "config": config, "settings": settings, **off}


def _with_steps(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 6 to 7: features and labels of steps, of which there were none."""
    try:
        config = {**metadata["config"], "n_step_features": 0, "n_gaps": 0, "by_step": False}
        settings = {"recompute": "auto", **metadata["settings"]}
        if metadata["encoder"] is None:
            settings = {"targets": "documents", "step_dropout": 0.0, **settings}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    return arrays, {**metadata, "config": config, "settings": settings, "steps": None}


def _with_cells(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 7 to 8: cells, and what segments begin with, of which there was one kind each."""
    new = {"cell": "lstm", "segment_state": "fresh"}
    try:
        config = {**metadata["config"], **new}
        settings = {**new, "forget_bias": 1.0, **metadata["settings"]}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    return arrays, {**metadata, "config": config, "settings": settings}


def _with_privacy(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 8 to 9: promises of privacy, of which there were none."""
    try:
        settings = {"privacy": None, **metadata["settings"]}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    return arrays, {**metadata, "settings": settings}


def _with_fixed_vectors(arrays: Arrays, metadata: Metadata) -> tuple[Arrays, Metadata]:
    """Version 9 to 10: vectors that training leaves alone, of which there were none."""
    try:
        settings = {"train_vectors": True, **metadata["settings"]}
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the model's description is incomplete: {error}") from error
    return arrays, {**metadata, "settings": settings}


# From a version to the next one.
MIGRATIONS: dict[int, Callable[[Arrays, Metadata], tuple[Arrays, Metadata]]] = {
    1: _with_ngrams,
    2: _with_networks,
    3: _with_text_rules,
    4: _with_precision,
    5: _with_side,
    6: _with_steps,
    7: _with_cells,
    8: _with_privacy,
    9: _with_fixed_vectors,
}


def check_version(version: int) -> None:
    """Refuse a version of the model file that this release cannot read.

    Raises
    ------
    ModelFormatError
        ``version`` is not between 1 and ``CURRENT_VERSION``.
    """
    if version < 1:
        raise ModelFormatError(f"format version {version} does not exist; the first one is 1")
    if version > CURRENT_VERSION:
        raise ModelFormatError(
            f"the file has format version {version}, and this fastlstm reads versions "
            f"up to {CURRENT_VERSION}; upgrade fastlstm"
        )


def migrate(arrays: Arrays, metadata: Metadata, version: int) -> tuple[Arrays, Metadata]:
    """Bring the content of a model file up to ``CURRENT_VERSION``.

    The module's docstring says how to add a version.

    Parameters
    ----------
    arrays : dict of str to ndarray
    metadata : dict
    version : int
        The version that ``arrays`` and ``metadata`` have.

    Returns
    -------
    arrays : dict of str to ndarray
    metadata : dict
        The same content as the current version lays it out.

    Raises
    ------
    ModelFormatError
        The version is unknown, or a step found the content incomplete.
    """
    check_version(version)
    for start in range(version, CURRENT_VERSION):
        arrays, metadata = MIGRATIONS[start](arrays, metadata)
    return arrays, metadata

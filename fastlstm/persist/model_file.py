"""A classifier as one file: what goes into the container, and back.

It is plain data, so that the lean predictor and the estimators read the same file.
Nothing in it names code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from fastlstm.classifier.blend import Blend
from fastlstm.classifier.fitted import FittedModel, TrainingRecord
from fastlstm.classifier.linear_part import LinearPart
from fastlstm.classifier.side_part import SidePart
from fastlstm.core.errors import ModelFormatError
from fastlstm.network.config import CELL_NAMES, POOLINGS, SEGMENT_STATES, ModelConfig
from fastlstm.network.parameters import Parameters
from fastlstm.persist.container import (
    Readable,
    Writable,
    read_container,
    shown,
    write_container,
)
from fastlstm.persist.migrations import Arrays, Metadata
from fastlstm.persist.small_arrays import enlarged, shrunk
from fastlstm.privacy.record import PrivacyRecord
from fastlstm.side.reader import SideReader
from fastlstm.side.steps import StepReader
from fastlstm.text.encoder import TextEncoder, needed_tokenizer
from fastlstm.text.ngrams import NGrams

# Integers, floats and booleans of the sizes that NumPy has everywhere, and strings.
_LABEL_DTYPE = re.compile(r"<[iu][248]|<f[248]|<U[1-9][0-9]{0,8}|\|[iub]1|\|O")

# A string type takes its full width for every label; a file must not claim gigabytes.
_MAX_LABEL_BYTES = 2**26


# Facts of training that go into the file, and their types there.
_RECORD: dict[str, Any] = {
    "history_": list,
    "stopped_by_": str,
    "n_iter_": int,
    "truncated_share_": (float, int),
    "class_count_": list,
    "privacy_": dict,
}


def plain_values(value: Any) -> Any:
    """NumPy scalars and arrays, tuples too, as Python's, which JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    return value


class SavedModel(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    model : FittedModel
    missing : str
        "error" or "empty", for text models.
    settings : dict
        Parameters of the estimator, as JSON can hold them.
    columns : dict
        What the estimator knows of the columns of X, likewise.
    callable_tokenizer : str or None
        Of a model that was read and needs a callable tokenizer: its name.
    """

    model: FittedModel
    missing: str = "error"
    settings: Metadata = {}
    columns: Metadata = {}
    callable_tokenizer: str | None = None


def write_model(saved: SavedModel, path: str | os.PathLike[str] | Writable) -> None:
    """Write a model file, or to a binary file object.

    Raises
    ------
    ValueError
        If something in it cannot be stored, such as labels that are neither strings nor
        numbers.
    OSError
        If the file cannot be written; an older file is kept.
    """
    model = saved.model
    if model.reader is not None and model.reader.transformer is not None:
        kind = type(model.reader.transformer)
        raise ValueError(
            f"the model's columns are encoded by {kind.__module__}.{kind.__qualname__}, which a "
            'model file cannot hold. Pickle the estimator, or fit with side="auto".'
        )
    metadata = {
        "config": model.config._asdict(),
        "classes": model.classes.tolist(),
        "classes_dtype": _label_dtype(model.classes),
        "class_prior": model.class_prior.tolist(),
        "encoder": None if model.encoder is None else model.encoder.state(),
        "quantized": model.quantized,
        "wide": model.linear is not None,
        "side": None if model.reader is None else model.reader.state(),
        "side_part": model.side is not None,
        "steps": None if model.steps is None else model.steps.state(),
        "blend": [part.tolist() for part in model.blend],
        "n_networks": len(model.networks),
        "missing": saved.missing,
        "settings": saved.settings,
        "fitted": {**_facts(model.record), **saved.columns},
    }
    arrays = {"ngrams": model.ngrams.pairs}
    for number, parameters in enumerate(model.networks):
        prefix = _prefix(number)
        arrays.update({prefix + name: array for name, array in parameters.arrays().items()})
    if model.linear is not None:
        arrays["wide.ngrams"] = model.linear.ngrams.pairs
        arrays["wide.weights"], arrays["wide.bias"] = model.linear.weights, model.linear.bias
    if model.side is not None:
        arrays["side.weights"], arrays["side.bias"] = model.side
    write_container(path, shrunk(arrays) if model.quantized else arrays, metadata)


def _facts(record: TrainingRecord) -> Metadata:
    facts = {
        "history_": [plain_values(epoch) for epoch in record.history],
        "n_iter_": record.n_epochs,
        "stopped_by_": record.stopped_by,
        "class_count_": record.class_count.tolist(),
    }
    if record.truncated_share is not None:
        facts["truncated_share_"] = record.truncated_share
    if record.privacy is not None:
        facts["privacy_"] = record.privacy.state()
    return facts


def _prefix(number: int) -> str:
    """What the names of a network's weights begin with."""
    return f"network.{number}."


def unread(text: str) -> list[str]:
    """Stands for any tokenizer where a model is described and reads no text."""
    raise ValueError("this model was read without its tokenizer")


def read_model(
    path: str | os.PathLike[str] | Readable, tokenizer: Callable[[str], list[str]] | None = None
) -> SavedModel:
    """Read a model file, or a binary file object; nothing in it is executed or imported.

    Parameters
    ----------
    path : str, path-like or binary file object
    tokenizer : callable or None
        For a model that was fitted with a callable tokenizer, and only for such a one;
        ``unread`` for any model that reads no text.

    Raises
    ------
    ModelFormatError
        If the file is damaged, of an unknown version, or inconsistent.
    ValueError
        If the model needs a tokenizer that is not given, or one is given that it has no
        use for.
    """
    if tokenizer is not None and not callable(tokenizer):
        raise TypeError(
            f"tokenizer={tokenizer!r} is not callable; pass the function that the model was "
            "fitted with, or leave it out."
        )
    arrays, metadata = read_container(path)
    try:
        saved = _saved_model(arrays, metadata, tokenizer)
        _check_consistent(saved)
    except _WrongTokenizerError as error:  # the file is sound
        raise ValueError(f"{shown(path)}: {error}") from None
    except ModelFormatError as error:
        raise ModelFormatError(f"{shown(path)}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFormatError(
            f"{shown(path)}: the model's description is inconsistent: {error}."
        ) from error
    return saved


class _WrongTokenizerError(Exception):
    """A tokenizer is missing, or was given to a model that has its own."""


def _check_tokenizer(state: Metadata | None, given: Callable[[str], list[str]] | None) -> None:
    """Compare what came with a file with what its encoder needs."""
    needed = None if state is None else needed_tokenizer(state)
    if needed is not None and given is None:
        raise _WrongTokenizerError(
            f"the model was fitted with a callable tokenizer, {needed!r}, which is not in the "
            "file. Pass that function as tokenizer= of fastlstm.load or fastlstm.Predictor."
        )
    if needed is None and given not in (None, unread):
        own = "takes token ids" if state is None else f"has its own, {state['tokenizer']!r}"
        raise _WrongTokenizerError(f"tokenizer= was given, but the model {own}. Leave it out.")


def _saved_model(
    arrays: Arrays, metadata: Metadata, tokenizer: Callable[[str], list[str]] | None
) -> SavedModel:
    config = _config(metadata["config"])
    quantized = metadata["quantized"]
    if not isinstance(quantized, bool):
        raise ModelFormatError(f"quantized is {quantized!r}, which is neither true nor false")
    if quantized:
        arrays = enlarged(arrays)
    of_linear = {name: arrays.pop(name) for name in _LINEAR if metadata["wide"]}
    if type(metadata["side_part"]) is not bool or metadata["side_part"] > (config.n_side > 0):
        raise ModelFormatError("a part reads what stands beside texts, and nothing does")
    of_side = {name: arrays.pop(name) for name in _SIDE if metadata["side_part"]}
    ngrams = _ngrams(config, arrays)
    networks = _networks(config, arrays, ngrams, metadata["n_networks"])
    classes = _classes(metadata)
    prior = np.array(metadata["class_prior"], dtype=np.float64)
    state = metadata["encoder"]
    _check_tokenizer(state, tokenizer)
    encoder = None if state is None else TextEncoder.from_state(state, tokenizer)
    linear = _linear(config, encoder, of_linear) if of_linear else None
    fitted = dict(metadata["fitted"])
    model = FittedModel(
        encoder, config, networks, ngrams, linear, _blend(metadata["blend"]), classes, prior,
        _record(fitted, prior), quantized, _reader(config, encoder, metadata["side"]),
        _side_part(config, of_side) if of_side else None, _steps(config, metadata["steps"]),
    )  # fmt: skip
    columns = {name: value for name, value in fitted.items() if name not in _RECORD}
    needed = None if state is None else needed_tokenizer(state)
    return SavedModel(model, metadata["missing"], dict(metadata["settings"]), columns, needed)


def _is_epoch(epoch: object) -> bool:
    """Whether it is a dict of numbers that says which epoch it is, and of which network.

    That of a private fit says little more.
    """
    return (
        isinstance(epoch, dict)
        and all(type(value) in (int, float) for value in epoch.values())
        and "epoch" in epoch
        and type(epoch.get("network", 1)) is int
    )


def _record(fitted: Metadata, prior: np.ndarray) -> TrainingRecord:
    for name, kind in _RECORD.items():
        if name in fitted and not isinstance(fitted[name], kind):
            raise ModelFormatError(f"{name} is {type(fitted[name]).__name__}")
    history = fitted.get("history_", [])
    if not all(_is_epoch(epoch) for epoch in history):
        raise ModelFormatError("history_ is not a list of epochs")
    try:
        counts = np.array(fitted.get("class_count_", prior), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"class_count_: {error}") from error
    privacy = fitted.get("privacy_")
    return TrainingRecord(
        tuple(history), fitted.get("stopped_by_", ""), counts, fitted.get("truncated_share_"),
        privacy=None if privacy is None else PrivacyRecord.from_state(privacy),
    )  # fmt: skip


# The others count something that every network has.
_MAY_BE_ZERO = ("n_ngrams", "segment_length", "n_side", "n_step_features", "n_gaps")


_CHOICES = {"cell": CELL_NAMES, "pooling": POOLINGS, "segment_state": SEGMENT_STATES}


def _config(values: Metadata) -> ModelConfig:
    known = get_type_hints(ModelConfig)
    if set(values) != set(known):
        raise ModelFormatError(f"unexpected configuration {sorted(set(values) ^ set(known))}")
    for name, value in values.items():
        kind = known[name]
        wrong_bool = isinstance(value, bool) and kind is not bool
        if wrong_bool or not isinstance(value, (int, float) if kind is float else kind):
            raise ModelFormatError(f"configuration {name}={value!r} is not of type {kind.__name__}")
        least = 0 if name in _MAY_BE_ZERO else 1
        if kind is int and value < least:
            raise ModelFormatError(f"configuration {name}={value} is below {least}")
        if kind is float and not 0 <= value < 1:
            raise ModelFormatError(f"configuration {name}={value} is not in [0, 1)")
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise ModelFormatError(f"configuration {name}={values[name]!r} is not known")
    if values["segment_state"] == "truncated" and not values["segment_length"]:
        raise ModelFormatError("configuration segment_state='truncated' without segments")
    return ModelConfig(**values)


def _ngrams(config: ModelConfig, arrays: Arrays) -> NGrams:
    if "ngrams" not in arrays:
        raise ModelFormatError("unexpected weights ['ngrams']")
    pairs = arrays["ngrams"]
    if pairs.shape != (config.n_ngrams, 2) or pairs.dtype != np.int32:
        raise ModelFormatError(
            f"n-grams are {pairs.dtype} {pairs.shape}, not int32 {(config.n_ngrams, 2)}"
        )
    return NGrams(config.vocabulary_size - config.n_ngrams, pairs)


_LINEAR = ("wide.ngrams", "wide.weights", "wide.bias")


def _linear(config: ModelConfig, encoder: TextEncoder | None, arrays: Arrays) -> LinearPart:
    if encoder is None:
        raise ModelFormatError("a linear part needs an encoder")
    pairs, weights, bias = (arrays[name] for name in _LINEAR)
    n_tokens = len(encoder.vocabulary)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype != np.int32:
        raise ModelFormatError(f"n-grams of the linear part are {pairs.dtype} {pairs.shape}")
    shape = (config.n_outputs, n_tokens + len(pairs))
    for name, array, wanted in (("weights", weights, shape), ("bias", bias, shape[:1])):
        if array.shape != wanted or array.dtype != np.float32:
            raise ModelFormatError(
                f"wide.{name} is {array.dtype} {array.shape}, not float32 {wanted}"
            )
    return LinearPart(NGrams(n_tokens, pairs), weights, bias)


_SIDE = ("side.weights", "side.bias")


def _side_part(config: ModelConfig, arrays: Arrays) -> SidePart:
    weights, bias = (arrays[name] for name in _SIDE)
    shape = (config.n_outputs, config.n_side)
    for name, array, wanted in (("weights", weights, shape), ("bias", bias, shape[:1])):
        if array.shape != wanted or array.dtype != np.float32:
            raise ModelFormatError(
                f"side.{name} is {array.dtype} {array.shape}, not float32 {wanted}"
            )
    return SidePart(weights, bias)


def _reader(
    config: ModelConfig, encoder: TextEncoder | None, state: Metadata | None
) -> SideReader | None:
    if state is not None and encoder is None:
        raise ModelFormatError("columns beside a text need an encoder")
    reader = None if state is None else SideReader.from_state(state)
    n_side = 0 if reader is None else reader.n_side
    if n_side != config.n_side:
        raise ModelFormatError(f"there are {n_side} numbers beside a text, not {config.n_side}")
    return reader


def _blend(values: list[Any]) -> Blend:
    shares, bias = (np.array(part, dtype=np.float64) for part in values)
    return Blend(shares, bias)


def _steps(config: ModelConfig, state: Metadata | None) -> StepReader | None:
    reader = None if state is None else StepReader.from_state(state)
    found = (0, 0) if reader is None else (reader.n_columns, reader.n_gaps)
    if found != (config.n_step_features, config.n_gaps):
        raise ModelFormatError(
            f"steps have {found[0]} features with {found[1]} gaps, not "
            f"{config.n_step_features} with {config.n_gaps}"
        )
    return reader


def _networks(
    config: ModelConfig, arrays: Arrays, ngrams: NGrams, count: Any
) -> tuple[Parameters, ...]:
    if type(count) is not int or not 1 <= count <= len(arrays):
        raise ModelFormatError(f"there are {len(arrays)} weights for {count!r} networks")
    found = []
    for number in range(count):
        prefix = _prefix(number)
        own = {name: arrays.pop(name) for name in list(arrays) if name.startswith(prefix)}
        own = {name[len(prefix) :]: array for name, array in own.items()}
        found.append(_parameters(config, own, ngrams))
    if set(arrays) != {"ngrams"}:
        raise ModelFormatError(f"unexpected weights {sorted(set(arrays) - {'ngrams'})}")
    return tuple(found)


def _parameters(config: ModelConfig, arrays: Arrays, ngrams: NGrams) -> Parameters:
    if config.num_layers > len(arrays):  # before a loop over the layers
        raise ModelFormatError(f"there are {len(arrays)} weights for {config.num_layers} layers")
    shapes = {
        "embedding": (config.vocabulary_size, config.embedding_dim),
        **config.dense_shapes(),
    }
    different = set(arrays) ^ set(shapes)
    if different:
        raise ModelFormatError(f"unexpected weights {sorted(different)}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ModelFormatError(
                f"weights {name!r} are {arrays[name].dtype} {arrays[name].shape}, "
                f"not float32 {shape}"
            )
    return Parameters.from_arrays({name: arrays[name] for name in shapes}, ngrams.parents)


def _label_dtype(classes: np.ndarray) -> str:
    dtype: str = classes.dtype.newbyteorder("<").str
    if not _LABEL_DTYPE.fullmatch(dtype):
        raise ValueError(
            f"labels of type {classes.dtype} cannot be stored in a model file; "
            "fit with strings, integers or booleans"
        )
    if classes.nbytes > _MAX_LABEL_BYTES:
        raise ValueError(
            f"the labels take {classes.nbytes} bytes, more than the {_MAX_LABEL_BYTES} a model "
            "file may have; fit with shorter ones"
        )
    return dtype


def _classes(metadata: Metadata) -> np.ndarray:
    name, values = metadata["classes_dtype"], metadata["classes"]
    if not _LABEL_DTYPE.fullmatch(name):
        raise ModelFormatError(f"labels of type {name!r} are not known")
    dtype = np.dtype(name)
    kinds: dict[str, Any] = {"i": int, "u": int, "b": bool, "f": (int, float)}
    kind = kinds.get(dtype.kind, str)
    if not isinstance(values, list) or not all(
        isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        for value in values
    ):
        raise ModelFormatError(f"the labels are not a list of type {dtype}")
    if dtype.itemsize * len(values) > _MAX_LABEL_BYTES:
        raise ModelFormatError(f"the labels take more than {_MAX_LABEL_BYTES} bytes")
    with np.errstate(over="ignore"):
        classes = np.array(values, dtype=dtype)
    # Sorted, and none cut short or rounded to the type.
    if classes.tolist() != values or sorted(set(values)) != values:
        raise ModelFormatError(f"the labels are not sorted, or do not fit the type {dtype}")
    return classes


def _check_consistent(saved: SavedModel) -> None:
    model, n = saved.model, len(saved.model.classes)
    expected = 1 if n == 2 else n
    problems = {
        "number of classes": n < 2 or model.config.n_outputs != expected,
        "class prior": model.class_prior.shape != (n,)
        or not np.all(model.class_prior >= 0)
        or not np.isclose(model.class_prior.sum(), 1),
        "class_count_": model.record.class_count.shape != (n,),
        "what is beside steps": model.encoder is not None
        and (model.steps is not None or model.config.by_step),
        "vocabulary": model.encoder is not None and model.encoder.n_known != model.ngrams.n_tokens,
        "blend": not (
            model.blend.shares.shape == (len(model.components),)
            and model.blend.bias.shape == (model.config.n_outputs,)
            and all(np.isfinite(part).all() for part in model.blend)
            and (model.blend.shares >= 0).all()
        ),
        "missing": saved.missing not in ("error", "empty"),
    }
    wrong = [name for name, is_wrong in problems.items() if is_wrong]
    if wrong:
        raise ModelFormatError(f"inconsistent {', '.join(wrong)}")

"""A fitted model with weights of 8 bits: rounding it, and what that changes.

A weight becomes a whole number from -127 to 127 times a scale, which the weights of a row of
the vectors, or of a column of an LSTM's matrix, share. Scales have 17 significant bits, so
that the product is exact in float32. Hence a rounded model is made of plain float32 weights
that any backend multiplies, numbers and scales are found in them again, and rounding it once
more changes nothing.

Dense layers and biases stay in float32. Weights of the linear part become float16: relative
to the range of 16-bit integers with a scale, most of them are small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlstm.classifier.fitted import FittedModel
from fastlstm.network.parameters import Parameters

LARGEST = 127

# Those of a float32 are 24, and a number takes 7 of them.
_SCALE_BITS = 17

# Scales are within these, or 0: neither they nor the weights leave the range of float32.
_SMALLEST_SCALE, _LARGEST_SCALE = 2.0**-100, 2.0**119


class EightBits(NamedTuple):
    """Weights as whole numbers and scales.

    Attributes
    ----------
    numbers : int8 array, shape (n_rows, n_columns)
        From -127 to 127. Where the scale is not 0, one of those that share it is at an end.
    scales : float32 array, shape (n_rows,) or (n_columns,)
        With 17 significant bits.
    axis : {0, 1}
        Along which weights share a scale: 0 is one a column, 1 is one a row.
    """

    numbers: np.ndarray
    scales: np.ndarray
    axis: int

    @classmethod
    def of(cls, weights: np.ndarray, axis: int) -> EightBits:
        """The nearest to float32 weights, halves to even.

        Raises
        ------
        ValueError
            If a weight is not finite.
        """
        largest = np.maximum(
            weights.max(axis=axis, initial=0), -weights.min(axis=axis, initial=0)
        ).astype(np.float64)
        if not np.isfinite(largest).all():
            raise ValueError(
                "weights are NaN or infinite, so the model is not quantized; fit again with a "
                "lower learning_rate"
            )
        scales = np.minimum(_shortened(largest / LARGEST), _LARGEST_SCALE)
        scales[scales < _SMALLEST_SCALE] = 0
        scales = scales.astype(np.float32)
        divisors = np.where(scales > 0, scales, np.float32(np.inf))  # x / inf is 0
        ratios = weights / np.expand_dims(divisors, axis)
        np.rint(ratios, out=ratios)
        return cls(np.clip(ratios, -LARGEST, LARGEST, out=ratios).astype(np.int8), scales, axis)

    def weights(self) -> np.ndarray:
        """Numbers times scales, float32, exact."""
        products: np.ndarray = self.numbers * np.expand_dims(self.scales, self.axis)
        return products

    @property
    def is_as_rounded(self) -> bool:
        """Whether ``of`` gives these numbers and scales for their weights."""
        lowest = self.numbers.min(axis=self.axis, initial=0)
        largest = np.maximum(self.numbers.max(axis=self.axis, initial=0), -lowest.astype(np.int16))
        used = self.scales != 0
        in_range = (self.scales >= _SMALLEST_SCALE) & (self.scales <= _LARGEST_SCALE)
        return bool(
            (largest == np.where(used, LARGEST, 0)).all()
            and (in_range | ~used).all()
            and (_shortened(self.scales.astype(np.float64)) == self.scales).all()
        )


def _shortened(values: np.ndarray) -> np.ndarray:
    """Non-negative float64 numbers, rounded to as many bits as a scale has."""
    mantissas, exponents = np.frexp(values)
    whole = np.rint(np.ldexp(mantissas, _SCALE_BITS))
    short: np.ndarray = np.ldexp(whole, exponents - _SCALE_BITS)
    return short


def shared_axis(name: str) -> int | None:
    """Along which axis the weights of that name share a scale; None where they stay float32.

    Names are those of ``Parameters.arrays``, or end as they do.
    """
    return {"embedding": 1, "w_x": 0, "w_h": 0}.get(name.rpartition(".")[2])


def quantized(model: FittedModel) -> FittedModel:
    """The model with rounded weights, which ``quantized=True`` marks.

    Parameters
    ----------
    model : FittedModel
        Not changed. One that is rounded already gives itself.

    Raises
    ------
    ValueError
        If a weight is not finite, or one of the linear part is out of the range of float16.
    """
    if model.quantized:
        return model
    linear = model.linear
    if linear is not None:
        with np.errstate(over="ignore"):
            short = linear.weights.astype(np.float16)
        if not np.isfinite(short).all():
            raise ValueError(
                "a weight of the linear part is beyond 65504, the largest of 16 bits; fit again "
                "with weights of documents (sample_weight) that are closer to each other"
            )
        linear = linear._replace(weights=short.astype(np.float32))
    networks = tuple(_rounded(parameters) for parameters in model.networks)
    return replace(model, networks=networks, linear=linear, quantized=True)


def _rounded(parameters: Parameters) -> Parameters:
    arrays = {}
    for name, array in parameters.arrays().items():
        axis = shared_axis(name)
        arrays[name] = array if axis is None else EightBits.of(array, axis).weights()
    return Parameters.from_arrays(arrays, parameters.parents)


def rounding_errors(model: FittedModel, rounded: FittedModel) -> dict[str, float]:
    """How far weights have moved, relative to their size.

    Parameters
    ----------
    model, rounded : FittedModel
        The second one is ``quantized(model)``.

    Returns
    -------
    errors : dict of str to float
        Of "vectors", "lstm" and, if there is one, "linear_part": the root mean square of the
        differences, divided by that of the weights.
    """
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"vectors": [], "lstm": []}
    for one, other in zip(model.networks, rounded.networks, strict=True):
        after = other.arrays()
        for name, before in one.arrays().items():
            if shared_axis(name) is not None:
                kind = "vectors" if name == "embedding" else "lstm"
                pairs[kind].append((before, after[name]))
    if model.linear is not None and rounded.linear is not None:
        pairs["linear_part"] = [(model.linear.weights, rounded.linear.weights)]
    return {kind: _relative(of_kind) for kind, of_kind in pairs.items()}


def _relative(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    moved = sum(float(np.square(after - before).sum(dtype=np.float64)) for before, after in pairs)
    size = sum(float(np.square(before).sum(dtype=np.float64)) for before, _ in pairs)
    return (moved / size) ** 0.5 if size else 0.0


class Change(NamedTuple):
    """What is different between two sets of predictions for the same documents.

    Attributes
    ----------
    n_documents : int
    n_changed : int
        Documents with another class.
    largest_change : float
        The largest difference of a probability, of any class; 0 without documents.
    """

    n_documents: int
    n_changed: int
    largest_change: float

    @classmethod
    def between(cls, before: np.ndarray, after: np.ndarray) -> Change:
        """From class probabilities, float arrays of shape (n_documents, n_classes)."""
        changed = np.count_nonzero(before.argmax(axis=1) != after.argmax(axis=1))
        return cls(len(before), int(changed), float(np.abs(after - before).max(initial=0)))

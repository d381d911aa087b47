"""How the arrays of a model of 8 bits lie in its file, a quarter of their size in memory.

What shares scales is two arrays, ``NAME`` and ``NAME.scales``. Weights of the linear part are
float16. Pairs of n-grams are the differences of their keys, in as many bytes as each needs.
"""

from __future__ import annotations

import numpy as np

from fastlstm.classifier.quantized import EightBits, shared_axis
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist.migrations import Arrays

SCALES = ".scales"
_PAIRS, _LINEAR = ("ngrams", "wide.ngrams"), "wide.weights"

# Bytes of a 64-bit number at 7 bits a byte.
_MOST_BYTES = 10


def packed_pairs(pairs: np.ndarray) -> np.ndarray:
    """Pairs of n-grams in fewer bytes.

    The key of a pair is its first number times 2**32, plus the second. Each key is stored as
    its difference from the one before, modulo 2**64, in the code LEB128: 7 bits a byte from
    the lowest on, with the highest bit set in all bytes of a number but its last. Keys of one
    length rise, so that most differences are small.

    Parameters
    ----------
    pairs : int32 array, shape (n_ngrams, 2)
        None below 0.

    Returns
    -------
    codes : uint8 array, shape (n_bytes,)
    """
    left, right = pairs.T.astype(np.uint64)
    keys = left << np.uint64(32) | right
    steps = np.diff(keys, prepend=np.uint64(0))  # unsigned, so it wraps around
    lengths = np.ones(len(steps), dtype=np.int64)
    for place in range(1, _MOST_BYTES):
        lengths += steps >> np.uint64(7 * place) > 0
    ends = np.cumsum(lengths)
    codes = np.empty(ends[-1] if len(ends) else 0, dtype=np.uint8)
    for place in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > place)
        low = (steps[rows] >> np.uint64(7 * place) & np.uint64(127)).astype(np.uint8)
        more = (lengths[rows] > place + 1).astype(np.uint8) << 7
        codes[ends[rows] - lengths[rows] + place] = low | more
    return codes


def unpacked_pairs(name: str, codes: np.ndarray) -> np.ndarray:
    """What ``packed_pairs`` was given; only its order is not checked.

    Raises
    ------
    ModelFormatError
        If these are no such codes.
    """
    if codes.ndim != 1 or codes.dtype != np.uint8:
        raise ModelFormatError(f"{name} are {codes.dtype} {codes.shape}, not bytes in a row")
    is_last = codes < 128
    ends = np.flatnonzero(is_last) + 1
    lengths = np.diff(ends, prepend=0)
    if (len(codes) and not is_last[-1]) or lengths.max(initial=0) > _MOST_BYTES:
        raise ModelFormatError(f"{name} are damaged: a number does not end")
    steps = np.zeros(len(ends), dtype=np.uint64)
    for place in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > place)
        low = codes[ends[rows] - lengths[rows] + place] & np.uint8(127)
        steps[rows] |= low.astype(np.uint64) << np.uint64(7 * place)
    keys = np.cumsum(steps, dtype=np.uint64)
    pairs = np.stack([keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)], axis=1)
    if (pairs > np.iinfo(np.int32).max).any():
        raise ModelFormatError(f"{name} are damaged: an id is beyond 32 bits")
    return pairs.astype(np.int32)


def shrunk(arrays: Arrays) -> Arrays:
    """The arrays of a model of 8 bits as its file has them.

    Raises
    ------
    ValueError
        If weights are not rounded, so that the file would hold others.
    """
    small = {}
    for name, array in arrays.items():
        axis = shared_axis(name)
        if name in _PAIRS:
            small[name] = packed_pairs(array)
        elif name == _LINEAR:
            with np.errstate(over="ignore"):
                small[name] = array.astype(np.float16)
            _check_same(name, array, small[name])
        elif axis is not None:
            parts = EightBits.of(array, axis)
            _check_same(name, array, parts.weights())
            small[name], small[name + SCALES] = parts.numbers, parts.scales
        else:
            small[name] = array
    return small


def _check_same(name: str, weights: np.ndarray, rounded: np.ndarray) -> None:
    if not np.array_equal(weights, rounded):
        raise ValueError(
            f"the weights {name!r} of this quantized model were changed, and its file cannot hold "
            "them; quantize the model that they came from anew"
        )


def enlarged(arrays: Arrays) -> Arrays:
    """What ``shrunk`` was given, float32 weights with equal bits.

    Whether these are all the arrays of a model, and their shapes, is not checked.

    Raises
    ------
    ModelFormatError
        If numbers and scales are missing, do not fit each other, or are not what rounding
        gives; if pairs are damaged.
    """
    large = dict(arrays)
    for name, array in arrays.items():
        axis = shared_axis(name)
        if name in _PAIRS:
            large[name] = unpacked_pairs(name, array)
        elif name == _LINEAR:
            _check_type(name, array, np.float16, array.shape)
            large[name] = array.astype(np.float32)
        elif axis is not None:
            scales = large.pop(name + SCALES, None)
            if scales is None:
                raise ModelFormatError(f"weights {name!r} are without scales")
            _check_type(name, array, np.int8, array.shape if array.ndim == 2 else (0, 0))
            _check_type(name + SCALES, scales, np.float32, (array.shape[1 - axis],))
            parts = EightBits(array, scales, axis)
            if not parts.is_as_rounded:
                raise ModelFormatError(f"weights {name!r} are not rounded as those of 8 bits are")
            large[name] = parts.weights()
    return large


def _check_type(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ModelFormatError(
            f"weights {name!r} are {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}"
        )

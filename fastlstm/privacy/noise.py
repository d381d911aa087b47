"""Where chance comes from: what is drawn, and the noise.

By default it is ChaCha20 (``randomgen``) with keys of the system's entropy, so that nobody who
knows some of the noise can compute the rest. Streams of one key each may be drawn from side by
side. With a seed anybody who knows it can take the noise away: then nothing is promised.
"""

from __future__ import annotations

import secrets

import numpy as np

_MISSING = (
    "privacy= draws its noise from a cryptographic source, which needs a package that is not "
    "installed: pip install 'fastlstm[privacy]'. (With random_state the noise is repeatable, needs "
    "no such package, and promises nothing.)"
)


def streams(count: int, seed: int | None) -> list[np.random.Generator]:
    """Independent generators.

    Parameters
    ----------
    count : int
    seed : int or None
        None takes the system's entropy; a number makes everything repeatable, and not private.

    Raises
    ------
    ImportError
        If randomgen, which ``seed=None`` needs, is not installed.
    """
    if seed is not None:
        children = np.random.SeedSequence([seed, 0x0D9]).spawn(count)
        return [np.random.Generator(np.random.PCG64(child)) for child in children]
    try:
        from randomgen import ChaCha
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return [np.random.Generator(ChaCha(key=secrets.randbits(256), rounds=20)) for _ in range(count)]


def add_noise(stream: np.random.Generator, array: np.ndarray, deviation: float) -> None:
    """Add independent normal noise to a float array, in place."""
    noise = stream.standard_normal(array.shape, dtype=array.dtype)
    noise *= array.dtype.type(deviation)
    array += noise

"""Independent random streams from one seed.

Each use has a stream of its own, so that a change in how much one of them draws
(a larger vocabulary, say) leaves the others as they were.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Streams(NamedTuple):
    """Generators for the embedding's and the other weights' start, training, word vectors."""

    embedding: np.random.Generator
    weights: np.random.Generator
    training: np.random.Generator
    word_vectors: np.random.Generator


def make_streams(seed: int) -> Streams:
    """The streams of a seed; equal seeds give equal streams."""
    children = np.random.SeedSequence(seed).spawn(len(Streams._fields))
    return Streams(*(np.random.default_rng(child) for child in children))


def copy_of(rng: np.random.Generator) -> np.random.Generator:
    """A generator that draws what ``rng`` would draw next, as a deep copy but at once."""
    bits = type(rng.bit_generator)(0)
    bits.state = rng.bit_generator.state
    return np.random.Generator(bits)

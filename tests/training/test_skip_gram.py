"""Word vectors: what they learn, and that a seed repeats them."""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.vectors.learned import SkipGramOptions, _Negatives, skip_gram
from tests.helpers import each_compiled_backend

# Two topics of 20 words each; a document stays with one.
N_TOKENS = 42


def documents(n=400, seed=0):
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 2, n)
    ids = np.concatenate([2 + 20 * topic + rng.integers(0, 20, 12) for topic in topics])
    return TokenSequences(ids.astype(np.int32), np.arange(n + 1, dtype=np.int64) * 12)


def learned(k, seed=0, **changes):
    options = SkipGramOptions(**{"subsample": 1.0, "learning_rate": 0.1, "epochs": 8, **changes})
    return skip_gram(k, documents(), N_TOKENS, 16, np.random.default_rng(seed), options)


@each_compiled_backend
def test_words_of_a_topic_lie_together(k):
    vectors = learned(k)
    assert not vectors[0].any()
    unit = vectors[2:] / np.linalg.norm(vectors[2:], axis=1, keepdims=True)
    cosine = unit @ unit.T
    topic = np.arange(40) // 20
    same = topic[:, None] == topic[None]
    assert cosine[same].mean() > cosine[~same].mean() + 0.5


@each_compiled_backend
def test_a_seed_repeats_them(k):
    first, second, other = learned(k), learned(k), learned(k, seed=1)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@each_compiled_backend
def test_progress_is_reported(k):
    shares = []
    options = SkipGramOptions(epochs=2)
    skip_gram(k, documents(), N_TOKENS, 4, np.random.default_rng(0), options, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_negatives_follow_frequency_to_three_quarters():
    counts = np.array([0.0, 1, 16, 81, 256])
    drawn = _Negatives(counts)(np.random.default_rng(0), (200_000,))
    expected = counts**0.75 / np.sum(counts**0.75)
    assert np.bincount(drawn, minlength=5) / 200_000 == pytest.approx(expected, abs=0.005)


def test_nothing_to_learn_from():
    from fastlstm.kernels import reference

    empty = TokenSequences(np.zeros(0, np.int32), np.zeros(3, np.int64))
    vectors = skip_gram(reference, empty, 4, 3, np.random.default_rng(0))
    assert vectors.shape == (4, 3)
    assert np.isfinite(vectors).all()

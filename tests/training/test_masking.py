"""What an epoch does not see."""

import numpy as np
import pytest

from fastlstm.core.records import UNK_ID
from fastlstm.training.masking import mask, occurs_once

# Tokens below 6; 6 and 7 are pairs that end with 2 and 3, 8 is a triple that ends with 6.
PARENTS = np.array([2, 3, 6], dtype=np.int32)


def rng():
    return np.random.default_rng(0)


def test_a_token_inside_an_ngram_is_counted():
    ids = np.array([2, 8, 5, 7, 4, 4], dtype=np.int32)
    assert occurs_once(ids, PARENTS, 6).tolist() == [False, False, True, True, False, False]


def test_nothing_is_masked_by_default():
    ids = np.array([2, 8, 5], dtype=np.int32)
    before = rng()
    assert mask(ids, PARENTS, 6, before) is ids
    assert before.bit_generator.state == rng().bit_generator.state


@pytest.mark.parametrize("rate", [0.1, 0.7])
def test_ngrams_become_their_parents(rate):
    ids = np.tile(np.array([2, 6, 8, 7], dtype=np.int32), 5000)
    found = mask(ids, PARENTS, 6, rng(), ngram_rate=rate)
    for place, parent in ((1, 2), (2, 6), (3, 3)):
        column = found[place::4]
        assert set(column.tolist()) == {ids[place], parent}
        assert np.mean(column == parent) == pytest.approx(rate, abs=0.03)
    assert np.array_equal(found[0::4], ids[0::4])
    assert ids[1] == 6


def test_tokens_become_unknown():
    ids = np.tile(np.array([2, 6], dtype=np.int32), 5000)
    found = mask(ids, PARENTS, 6, rng(), token_rate=0.3)
    changed = found != ids
    assert np.mean(changed) == pytest.approx(0.3, abs=0.02)
    assert (found[changed] == UNK_ID).all()


@pytest.mark.parametrize(("token_rate", "expected"), [(0.0, 0.5), (0.2, 0.5), (0.8, 0.8)])
def test_rare_tokens_become_unknown_more_often(token_rate, expected):
    ids = np.tile(np.array([2, 3], dtype=np.int32), 5000)
    rare = ids == 3
    found = mask(ids, PARENTS, 6, rng(), token_rate=token_rate, rare=rare, rare_rate=0.5)
    assert np.mean(found[rare] == UNK_ID) == pytest.approx(expected, abs=0.03)
    assert np.mean(found[~rare] == UNK_ID) == pytest.approx(token_rate, abs=0.03)

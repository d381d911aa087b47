"""The parameter ``privacy``."""

import numpy as np
import pytest
from sklearn.base import clone

from fastlstm import LSTMClassifier, Privacy


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({}, "epsilon, what is promised, or noise_multiplier"),
        ({"epsilon": 1.0, "noise_multiplier": 1.0}, "give one of the two"),
        ({"epsilon": 0}, "epsilon must be a number above 0"),
        ({"epsilon": float("inf")}, "epsilon"),
        ({"epsilon": "3"}, "epsilon"),
        ({"epsilon": True}, "epsilon"),
        ({"noise_multiplier": -1.0}, "noise_multiplier"),
        ({"epsilon": 1, "delta": 1}, "delta must be a number between 0 and 1"),
        ({"epsilon": 1, "max_grad_norm": 0}, "max_grad_norm"),
        ({"epsilon": 1, "expected_batch_size": 2.5}, "expected_batch_size"),
        ({"epsilon": 1, "expected_batch_size": 0}, "expected_batch_size"),
        ({"epsilon": 1, "vocabulary_share": 1}, "vocabulary_share must be a number between 0 and"),
        ({"epsilon": 1, "linear_share": 0}, "linear_share"),
        ({"epsilon": 1, "blend_share": "all"}, "blend_share"),
        ({"epsilon": 1, "unit": "person"}, 'unit must be "document", or an array'),
    ],
)
def test_what_cannot_be(wrong, match):
    with pytest.raises(ValueError, match=match):
        Privacy(**wrong)


def test_it_is_a_plain_value():
    privacy = Privacy(epsilon=np.float64(2.0), unit=np.arange(4))
    assert repr(privacy) == "Privacy(epsilon=np.float64(2.0), unit=<array of 4>)"
    again = Privacy.from_state(privacy.state())
    assert again.epsilon == 2.0 and len(again.unit) == 0
    assert Privacy(epsilon=3.0) == Privacy(epsilon=3.0) != Privacy(epsilon=3.1)
    people = [Privacy(epsilon=3.0, unit=unit) for unit in ([1, 2], [1, 2], [1, 1])]
    assert people[0] == people[1] != people[2] != Privacy(epsilon=3.0)
    assert hash(Privacy(epsilon=3.0)) == hash(Privacy(epsilon=3.0))
    copy = clone(LSTMClassifier(privacy=privacy)).privacy
    assert copy.epsilon == 2.0 and copy.unit.tolist() == [0, 1, 2, 3]


def test_a_dict_is_refused():
    X = np.array([[2, 3]] * 4)
    with pytest.raises(ValueError, match="privacy.*Privacy"):
        LSTMClassifier(privacy={"epsilon": 3}).fit(X, [0, 1, 0, 1])

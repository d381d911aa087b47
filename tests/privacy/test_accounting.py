"""Promises, against dp-accounting and figures that others have published."""

import math

import pytest

from fastlstm.privacy.accounting import NoisySteps, epsilon_of, noise_for
from fastlstm.privacy.record import PrivacyRecord
from fastlstm.privacy.settings import Privacy

dp_accounting = pytest.importorskip("dp_accounting")

STEPS = NoisySteps("networks", 0.01, 1.1, 1000)


def test_a_known_value():
    # dp-accounting 0.6.0, PLD, one document added or removed.
    assert epsilon_of([STEPS], 1e-5) == pytest.approx(1.515, abs=1e-3)
    # Renyi divergences promise less, and coarse intervals no more than fine ones.
    assert epsilon_of([STEPS], 1e-5, "rdp") > epsilon_of([STEPS], 1e-5, "coarse")
    assert epsilon_of([STEPS], 1e-5, "coarse") >= epsilon_of([STEPS], 1e-5)


def test_steps_of_all_documents():
    # Without sampling it is the normal mechanism of sensitivity sqrt(steps): Balle and Wang
    # 2018, theorem 8, is exact.
    found = epsilon_of([NoisySteps("networks", 1.0, 8.0, 64)], 1e-5)

    def phi(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    delta = phi(0.5 - found) - math.exp(found) * phi(-0.5 - found)
    assert delta == pytest.approx(1e-5, rel=0.01)


def test_parts_add_up():
    half = STEPS._replace(steps=500)
    both = epsilon_of([half, half], 1e-5)
    assert both == pytest.approx(epsilon_of([STEPS], 1e-5), rel=1e-3)
    assert epsilon_of([STEPS, NoisySteps("words", 1.0, 5.0, 1)], 1e-5) > both


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 3.0, 8.0])
def test_no_more_noise_than_is_needed(epsilon):
    noise = noise_for(epsilon, 1e-5, [STEPS])
    promised = epsilon_of([STEPS._replace(noise_multiplier=noise)], 1e-5)
    assert 0.97 * epsilon < promised <= epsilon


def test_a_promise_that_no_noise_keeps():
    with pytest.raises(ValueError, match="Raise epsilon, or train for fewer steps"):
        noise_for(1e-4, 1e-9, [STEPS._replace(sampling_rate=1.0, steps=100_000)])


def test_hardly_any_noise_is_quick():
    assert epsilon_of([STEPS._replace(noise_multiplier=0.01)], 1e-5) > 1000


def test_a_record():
    record = PrivacyRecord.of(Privacy(epsilon=2.0), (STEPS,), 1000, False)
    assert record.delta == pytest.approx(1000**-1.1) and 1.9 < record.epsilon <= 2.0
    assert f"epsilon {record.epsilon:.3g}" in str(record) and "1,000 steps" in str(record)
    assert "NOT PRIVATE" not in str(record)
    assert "NOT PRIVATE" in str(record._replace(repeatable=True))
    assert PrivacyRecord.from_state(record.state()) == record
    for wrong in ({"epsilon": "2"}, {"repeatable": 1}, {"parts": [{"what": "x"}]},
                  {"parts": [{**STEPS._asdict(), "steps": "many"}]}):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            PrivacyRecord.from_state({**record.state(), **wrong})


def test_noise_that_is_given():
    record = PrivacyRecord.of(Privacy(noise_multiplier=1.1, delta=1e-5), (STEPS,), 10_000, False)
    assert record.epsilon == epsilon_of([STEPS], 1e-5)


def test_very_many_steps_get_their_noise():
    many = STEPS._replace(steps=50_000)
    noise = noise_for(1.0, 1e-7, [many])
    assert epsilon_of([many._replace(noise_multiplier=noise)], 1e-7, "coarse") <= 1.0

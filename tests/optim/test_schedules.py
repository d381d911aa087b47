"""Learning-rate schedules: their ends, their middle and the warm-up."""

import pytest

from fastlstm.training.optim.schedules import SCHEDULES, make_schedule

TOTAL = 1000


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.999])
def test_rate_rises_then_never_rises_again(name, warmup):
    factor = make_schedule(name, TOTAL, warmup)
    values = [factor(step) for step in range(1, TOTAL + 1)]
    rising = round(warmup * TOTAL)
    assert values[:rising] == pytest.approx([k / rising for k in range(1, rising + 1)])
    falling = values[max(rising - 1, 0) :]
    assert all(a >= b for a, b in zip(falling, falling[1:], strict=False))
    assert all(0 < value <= 1 for value in values)


@pytest.mark.parametrize("name", SCHEDULES)
def test_full_rate_first_and_two_per_cent_last(name):
    factor = make_schedule(name, TOTAL, 0.0)
    # Of 1000 steps each moves the linear rate by 0.00098.
    assert factor(1) == pytest.approx(1.0, abs=1e-3)
    assert factor(TOTAL) == pytest.approx(1.0 if name == "constant" else 0.02, abs=1e-3)
    assert factor(10 * TOTAL) == pytest.approx(1.0 if name == "constant" else 0.02)


@pytest.mark.parametrize(("share", "cosine", "linear"), [(0.25, 0.8565, 0.755), (0.5, 0.51, 0.51)])
def test_on_the_way(share, cosine, linear):
    """After a share of the fall: 0.02 + 0.98 (1 + cos(pi share)) / 2, and 1 - 0.98 share."""
    step = int(share * TOTAL)
    assert make_schedule("cosine", TOTAL, 0.0)(step) == pytest.approx(cosine, abs=2e-3)
    assert make_schedule("linear", TOTAL, 0.0)(step) == pytest.approx(linear, abs=1e-3)
    assert make_schedule("constant", TOTAL, 0.0)(step) == 1.0


def test_single_step_has_a_positive_rate():
    for name in SCHEDULES:
        assert 0 < make_schedule(name, 1, 0.0)(1) <= 1


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="schedule='step' is not known.*cosine"):
        make_schedule("step", TOTAL, 0.0)

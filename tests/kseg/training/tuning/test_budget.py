"""The time of a search."""

import pytest

from edge.core.errors import InputError
from kseg.training.time_plan import TimeBudget
from kseg.training.tuning.budget import check_hours, plan_epochs, times_of


def test_the_time_of_earlier_calls_counts():
    times = iter([130.0, 170.0])
    clock = TimeBudget(60, began=100.0, earlier=10, clock=lambda: next(times))
    assert clock.used() == 40  # 10 before, 30 in this call
    assert clock.left() == -20


def test_twenty_trials_fill_the_time():
    """1000 s for 20 trials are 50 s each: (50 - 10) / 4 = 10 epochs."""
    assert plan_epochs(1000, startup=10, epoch_seconds=4) == 10


def test_a_time_too_short_for_one_trial_is_refused():
    """110 s of a trial with a tenth to spare, and 360 s before: 0.133 hours."""
    with pytest.raises(InputError, match=r"about 1.7 min .* at least --hours 0.13, "):
        check_hours(0.1, used=360, trial_seconds=100)
    check_hours(0.14, used=360, trial_seconds=100)


def test_the_first_epoch_of_a_probe_also_builds_the_graph():
    assert times_of([12.0, 5.0]) == (7.0, 5.0)
    assert times_of([0.0, 0.0])[1] > 0

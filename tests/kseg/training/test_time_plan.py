"""How many steps fit into a time."""

import pytest

from kseg.training.time_plan import (
    Costs,
    Pace,
    TimeBudget,
    epoch_ends,
    seconds_of,
    steps_that_fit,
)

COSTS = Costs(step=2.0, epoch_end=10.0, last_end=12.0, report=30.0)


@pytest.mark.parametrize(
    ("more", "index", "expected"),
    [
        (4, 0, 0),  # less than an epoch
        (10, 0, 0),  # its end is that of the training
        (11, 0, 1),  # an epoch of 10, and the last of 1
        (25, 0, 2),
        (6, 4, 0),  # the current epoch ends after 6 more
        (7, 4, 1),
        (0, 0, 0),
    ],
)
def test_the_last_end_does_not_count(more, index, expected):
    assert epoch_ends(more, index, 10) == expected


def test_seconds_are_steps_ends_and_report():
    # 24 steps: 48 s; two ends: 20 s; the last: 12 s; the report: 30 s
    assert seconds_of(24, 0, 10, COSTS) == 48 + 20 + 12 + 30


@pytest.mark.parametrize("seconds", [43.9, 44.0, 100.0, 99.0, 1000.0, 7200.0])
@pytest.mark.parametrize("index", [0, 3])
def test_one_step_more_would_take_too_long(seconds, index):
    steps = steps_that_fit(seconds, index, 10, COSTS)
    assert seconds_of(steps + 1, index, 10, COSTS) > seconds
    assert steps == 0 or seconds_of(steps, index, 10, COSTS) <= seconds


def test_no_step_fits_where_validation_and_report_do_not():
    assert steps_that_fit(41.0, 0, 10, COSTS) == 0  # they take 42
    assert steps_that_fit(-5.0, 0, 10, COSTS) == 0
    assert steps_that_fit(44.0, 0, 10, COSTS) == 1


def test_recent_steps_count_more():
    pace = Pace()
    assert pace.step == 0
    for _ in range(4):
        pace.add(1.0)
    pace.forget_half()
    for _ in range(2):
        pace.add(3.0)
    assert pace.step == (2 * 1 + 2 * 3) / 4


def test_a_resumed_run_has_what_was_left():
    now = [100.0]
    budget = TimeBudget(60.0, began=90.0, earlier=20.0, clock=lambda: now[0])
    assert (budget.used(), budget.left()) == (30.0, 30.0)
    now[0] = 140.0
    assert budget.left() == -10.0

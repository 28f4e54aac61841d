"""The learning rate of a training whose last step is planned while it runs."""

import keras
import numpy as np
import pytest

from kseg.training.optimizer import AdamW, Schedule
from kseg.training.timed_schedule import TimedSchedule


def rates(schedule, steps) -> list[float]:
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]


@pytest.mark.parametrize("course", ["cosine", "polynomial"])
@pytest.mark.parametrize("warmup", [0, 10, 400])
def test_a_plan_that_holds_gives_the_rates_of_a_schedule_of_that_length(course, warmup):
    timed = TimedSchedule(0.01, warmup, course, final=0.1)
    timed.plan(3, 100)
    known = Schedule(0.01, 100, min(warmup, 20), course, final=0.1)
    steps = (3, 10, 19, 20, 21, 50, 99, 100)
    assert rates(timed, steps) == pytest.approx(rates(known, steps), rel=1e-4)


def test_before_the_first_plan_the_rate_rises_by_the_warm_up():
    assert rates(TimedSchedule(1.0, 100, "cosine"), (0, 1, 3)) == pytest.approx(
        [0, 0.01, 0.03], rel=1e-5
    )
    assert rates(TimedSchedule(1.0, 0, "cosine"), (0, 3)) == [1, 1]


def test_a_new_plan_goes_on_from_the_rate_and_ends_at_the_final_one():
    timed = TimedSchedule(1.0, 10, "polynomial", final=0.05)
    timed.plan(3, 100)
    (before,) = rates(timed, (40,))
    for end in (60, 400):  # slower, then faster
        timed.plan(40, end)
        after, last, later = rates(timed, (40, end, end + 9))
        assert after == pytest.approx(before, rel=1e-5)
        assert last == pytest.approx(0.05) and later == pytest.approx(0.05)
    values = rates(timed, range(40, 401, 10))
    assert values == sorted(values, reverse=True)


def test_within_the_warm_up_a_new_plan_changes_its_length():
    timed = TimedSchedule(1.0, 100, "cosine")
    timed.plan(3, 10_000)
    timed.plan(10, 50)  # a fifth: 10 steps
    assert rates(timed, (10, 50)) == pytest.approx([1, 0], abs=1e-6)


def test_the_plan_is_a_variable_of_the_optimizer():
    """So a step on JAX sees it, and a checkpoint has it."""
    schedule = TimedSchedule(1.0, 10, "cosine")
    optimizer = AdamW(schedule)
    assert any(variable is schedule.progress for variable in optimizer.variables)
    usual = AdamW(Schedule(1.0, 10, 2, "cosine"))
    assert len(optimizer.variables) == len(usual.variables) + 1


def test_a_step_follows_a_plan_that_was_made_after_it_was_compiled():
    schedule = TimedSchedule(1.0, 0, "cosine")
    schedule.plan(0, 2)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    # Sign of the gradient, so that each update is the learning rate.
    model.compile(AdamW(schedule, weight_decay=0.0), "mae")
    x, y = np.ones((1, 1)), np.full((1, 1), 1e6)
    found = []
    for end in (2, 2, 200):
        done = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
        schedule.plan(done, end)
        before = model.get_weights()[0].item()
        model.train_on_batch(x, y)
        found.append(model.get_weights()[0].item() - before)
    # cosine at shares 0, 1/2 and, as the plan was over by then, 1
    assert found == pytest.approx([1, 0.5, 0], abs=1e-3)


def test_an_unknown_course_is_refused_and_the_config_is_complete():
    with pytest.raises(ValueError, match="course"):
        TimedSchedule(1.0, 10, "linear")
    config = TimedSchedule(1.0, 10, "cosine", 0.5).get_config()
    assert config == {"peak": 1.0, "warmup": 10, "course": "cosine", "final": 0.5}

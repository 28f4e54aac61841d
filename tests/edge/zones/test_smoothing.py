"""The moving average over irregular times, by hand."""

import numpy as np
import pytest

from edge.zones.smoothing import MovingAverage


def means(seconds, frames):
    """The mean of "a" after each (time, value)."""
    mean = MovingAverage(seconds)
    return [mean(time, {"a": value}).get("a", 0) for time, value in frames]


def test_irregular_times():
    # A frame stands for the time since the one before it. Window: 1 s.
    frames = [(0, 8), (0.5, 4), (0.75, 0), (1.0, 2), (1.75, 6)]
    assert means(1.0, frames) == [
        8,  # itself
        4,  # 0.5 s of 4
        (0.5 * 4 + 0.25 * 0) / 0.75,
        0.5 * 4 + 0.25 * 0 + 0.25 * 2,
        0.25 * 2 + 0.75 * 6,
    ]


def test_a_span_that_begins_before_the_window_counts_in_part():
    # Up to 2.5: half of the span from 1 to 2 with 10, and 0.5 s with 0.
    assert means(1.0, [(0, 0), (1, 0), (2, 10), (2.5, 0)])[-1] == 5.0


def test_a_gap_leaves_nothing_of_what_was_before():
    assert means(1.0, [(0, 5), (0.5, 5), (60, 1)])[-1] == 1


def test_a_key_that_is_gone_fades_out():
    mean = MovingAverage(1.0)
    mean(0.0, {"a": 4}), mean(1.0, {"a": 4})
    assert mean(1.5, {"b": 2}) == {"a": 2.0, "b": 1.0}
    assert mean(2.0, {}) == {"b": 1.0}
    assert mean(3.0, {}) == {}


def test_without_a_time_each_frame_is_its_own_mean():
    assert means(0, [(0, 3), (1, 9), (1.5, 2)]) == [3, 9, 2]


def test_frames_of_the_same_time():
    assert means(1.0, [(2, 4), (2, 6), (3, 1)]) == [4, 6, 1]


def test_a_time_that_runs_backwards_starts_again():
    assert means(1.0, [(10, 4), (10.5, 4), (0, 1), (0.5, 3)])[2:] == [1, 3]


def test_random_frames_as_their_integral():
    random = np.random.RandomState(2)
    times = np.cumsum(random.uniform(0.01, 0.7, 60)).round(3)
    values = random.randint(0, 50, 60)
    found = means(1.5, list(zip(times.tolist(), values.tolist(), strict=True)))
    for index in range(1, 60):
        start = max(times[0], times[index] - 1.5)
        begins = np.maximum(times[:index], start)
        widths = np.maximum(0, times[1 : index + 1] - begins)
        mean = (widths * values[1 : index + 1]).sum() / widths.sum()
        assert found[index] == pytest.approx(mean, rel=1e-6)


def test_nothing_adds_up_over_many_frames():
    random = np.random.RandomState(3)
    mean, time = MovingAverage(1.0), 0.0
    for step in random.uniform(0.01, 0.2, 5000):
        time += step
        mean(time, {"a": int(random.randint(1000))})
    assert mean(time + 1, {"a": 7}) == {"a": 7}
    assert mean(time + 2, {}) == {}
    assert len(mean._spans) <= 100


@pytest.mark.parametrize("value", [1, 3, 7])
def test_a_constant_is_its_exact_mean(value):
    frames = [(0.1 * index, value) for index in range(50)]
    assert set(means(0.7, frames)) == {value}

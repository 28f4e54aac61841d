"""The rules of --every, on series of numbers made by hand."""

import argparse

import pytest

from edge.app.capture_rule import FIRST, WINDOW, Every, parse_every, rule_of

CALM = [0.1, 0.2] * 10  # the quantile of 95 % is 0.2


def kept(every: Every, values: list, step: float = 1.0) -> list[int]:
    """The indices of the frames that are kept of frames `step` seconds apart."""
    rule = rule_of(every)
    looked = [i for i in range(len(values)) if rule.looks(i * step)]
    return [i for i in looked if rule.keeps(i * step, values[i])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", Every(10)),
        ("2.5", Every(2.5)),
        ("5m", Every(300)),
        ("1H", Every(3600)),
        ("uncertain", Every(10, True)),
        ("uncertain,1m", Every(60, True)),
    ],
)
def test_times_and_uncertain(text, expected):
    assert parse_every(text) == expected


@pytest.mark.parametrize("text", ("", "0s", "-1s", "10x", "uncertain,", "certain"))
def test_anything_else_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="neither a time, such as 10s"):
        parse_every(text)


def test_every_two_seconds_of_the_source():
    assert kept(Every(2), [None] * 6) == [0, 2, 4]
    assert kept(Every(2), [None] * 6, step=0.5) == [0, 4]


def test_a_source_that_starts_again_is_a_new_start():
    rule = rule_of(Every(10))
    assert [rule.looks(seconds) for seconds in (0, 9, 10, 0, 5)] == [
        *(True, False, True, True, False)
    ]


def test_a_frame_less_certain_than_those_before_is_kept():
    assert kept(Every(0.1, True), [*CALM, 0.15, 0.5]) == [21]


def test_nothing_is_kept_before_there_are_enough_frames():
    assert kept(Every(0.1, True), [0.9, *[0.1] * (FIRST - 2), 0.95]) == []


def test_equal_frames_are_never_kept():
    assert kept(Every(0.1, True), [0.3] * 200) == []


def test_frames_are_looked_at_twice_a_second():
    """At 25 frames a second the value between two looks is not seen."""
    values = [0.1] * 600
    values[13 * 25 + 1] = 0.9
    assert kept(Every(0.1, True), values, step=1 / 25) == []
    values[13 * 26] = 0.9  # 338 is a multiple of 13: looks are 0.52 seconds apart
    assert kept(Every(0.1, True), values, step=1 / 25) == [338]


def test_two_kept_frames_are_the_interval_apart():
    rising = [*CALM, *(0.21 + 0.01 * step for step in range(25))]
    assert kept(Every(10, True), rising) == [20, 30, 40]


def test_the_rule_adapts_to_a_scene_that_stays_uncertain():
    """The quantile of 95 % of 107 numbers is the one at 0.95 * 106 = 100.7, from 0.

    So with 100 numbers of 0.1 it is 0.5 once there are 7 numbers of 0.5.
    """
    values = [*[0.1] * 100, *[0.5] * 100]
    assert kept(Every(0.1, True), values) == [*range(100, 107)]


def test_values_older_than_the_window_are_forgotten():
    values = [0.9] * FIRST + [0.1] * WINDOW + [0.2]
    assert kept(Every(0.1, True), values) == [FIRST + WINDOW]


def test_an_unknown_uncertainty_is_left_out():
    assert kept(Every(0.1, True), [None, *CALM, None, 0.5]) == [22]

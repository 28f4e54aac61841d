"""Events of hand-made series: hysteresis, cool-down, times, peaks."""

from datetime import UTC, datetime

import pytest

from edge.events.engine import Engine
from edge.events.grammar import Vocabulary, parse_condition
from edge.events.rule import Rule
from edge.zones.measures import OF_OBJECTS, SHARE, Measures

WORDS = Vocabulary(
    {SHARE: "", **dict.fromkeys(OF_OBJECTS, "")}, ("frame", "door"), str, ()
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def engine_of(when, **settings):
    condition = parse_condition(when, WORDS)
    rule = Rule("rule", when, condition, **{"cool_down_seconds": 0.0, **settings})
    return Engine([rule], "camera", clock=lambda: NOW)


def changes(when, values, step=1.0, measure="share", name="a", **settings):
    """(kind, seconds) of the events of a series, one value in each `step` seconds."""
    engine, found = engine_of(when, **settings), []
    for index, value in enumerate(values):
        values = {name: {measure: value}}
        measures = Measures({"frame": values, "door": values})
        for change in engine(index * step, measures):
            event = change.event
            found.append(
                (change.kind, event.end if event.end is not None else event.start)
            )
    return found


def test_an_event_starts_and_ends():
    assert changes("share(a) > 0.5", [0, 0.6, 0.7, 0.4, 0.3]) == [
        ("started", 1),
        ("ended", 3),
    ]


def test_for_needs_the_whole_time_without_a_break():
    held = [0.6, 0.6, 0.2, 0.6, 0.6, 0.6, 0.6]  # from 3 on
    assert changes("share(a) > 0.5 for 3 s", held) == [("started", 6)]
    assert changes("share(a) > 0.5 for 4 s", held) == []


def test_times_that_are_not_exact():
    series = [0] * 2 + [1] * 6
    # From 0.2 to 0.7, whose difference is 0.49999999999999994.
    assert (
        changes("share(a) > 0.5 for 0.5 s", series, step=0.1)[0][1]
        == 0.7000000000000001
    )


def test_flicker_around_the_threshold_is_one_event():
    # By default the value must fall by a tenth of the threshold: to 0.45 or less.
    flicker = [0.51, 0.49, 0.51, 0.46, 0.52, 0.44, 0.51]
    assert changes("share(a) > 0.5", flicker) == [
        ("started", 0),
        ("ended", 5),
        ("started", 6),
    ]
    many = changes("share(a) > 0.5", flicker, hysteresis=0.0)
    assert len(many) == 7


def test_hysteresis_of_a_value_that_is_too_low():
    series = [0.19, 0.21, 0.25, 0.31, 0.25]
    assert changes("share(a) < 0.2", series, hysteresis=0.1) == [
        ("started", 0),
        ("ended", 3),
    ]


def test_hysteresis_under_not():
    # not (a <= 0.5) is a > 0.5: it ends at 0.4, not at 0.45.
    series = [0.6, 0.45, 0.4, 0.45]
    assert changes("not share(a) <= 0.5", series, hysteresis=0.1) == [
        ("started", 0),
        ("ended", 2),
    ]


def test_whole_numbers_have_no_hysteresis_but_whole_steps():
    series = [4, 3, 4, 2, 1]
    kinds = changes("count(a) > 3", series, measure="count")
    assert kinds == [("started", 0), ("ended", 1), ("started", 2), ("ended", 3)]
    kinds = changes("count(a) > 3", series, measure="count", hysteresis=0.9)
    assert len(kinds) == 4
    kinds = changes("count(a) > 3", series, measure="count", hysteresis=2)
    assert kinds == [("started", 0), ("ended", 4)]


def test_hysteresis_of_equality():
    series = [0, 1, 0, 2]
    assert changes("count(a) == 0", series, measure="count", hysteresis=1) == [
        ("started", 0),
        ("ended", 3),
    ]
    # not (a != 0) is the same, and a != 0 has no value to fall back to.
    kinds = changes("not count(a) != 0", series, measure="count", hysteresis=1)
    assert kinds == [("started", 0), ("ended", 3)]
    for when in ("count(a) != 0", "not count(a) == 0"):
        kinds = changes(when, [0, 1, 2, 1, 0], measure="count", hysteresis=1)
        assert kinds == [("started", 1), ("ended", 4)]


def test_no_event_starts_while_the_rule_cools_down():
    series = [1, 0, 1, 0, 1, 0, 1, 1, 0]
    assert changes("share(a) > 0.5", series, cool_down_seconds=4.0) == [
        ("started", 0),
        ("ended", 1),
        ("started", 6),  # at 5 it could, but the value is low
        ("ended", 8),
    ]


def test_a_rule_that_holds_when_it_has_cooled_down_starts_then():
    series = [1, 0, 1, 1, 1]
    kinds = changes("share(a) > 0.5", series, cool_down_seconds=2.5)
    assert kinds[2:] == [("started", 4)]


def test_irregular_noise_gives_few_events():
    noise = [0.5 + 0.04 * (-1) ** (index * index % 7) for index in range(200)]
    assert len(changes("share(a) > 0.5", noise, step=0.04)) == 1


def test_and_or():
    engine = engine_of("share(a) > 0.5 and not share(b, door) > 0.5 or share(c) > 0.5")
    kinds = []
    for seconds, (a, b, c) in enumerate([(1, 1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 0)]):
        frame = {"a": {"share": a}, "c": {"share": c}}
        measures = Measures({"frame": frame, "door": {"b": {"share": b}}})
        kinds.append([change.kind for change in engine(seconds, measures)])
    assert kinds == [[], ["started"], [], ["ended"]]


def test_for_counts_also_where_another_part_does_not_hold_yet():
    engine = engine_of("share(a) > 0.5 for 3 s and share(b) > 0.5")
    kinds = []
    for seconds, b in enumerate([0, 0, 0, 0, 1]):
        measures = Measures({"frame": {"a": {"share": 1}, "b": {"share": b}}})
        kinds += [(change.kind, seconds) for change in engine(seconds, measures)]
    assert kinds == [("started", 4)]


def test_crossings_of_the_last_seconds():
    # Entered once at 2 and twice at 4.
    series = [0, 0, 1, 1, 3, 3, 3, 3, 3, 3]
    rule = "entered(a, door, 3 s) >= 1"
    assert changes(rule, series, measure="entered") == [("started", 2), ("ended", 7)]
    rule = "entered(a, door, 3 s) >= 3"
    assert changes(rule, series, measure="entered") == [("started", 4), ("ended", 5)]


def test_what_an_event_tells():
    engine = engine_of("share(b) > 0.9 or share(a) > 0.5", hysteresis=0.2)
    found = []
    for seconds, a in enumerate([0.6, 0.8, 0.7, 0.1]):
        measures = Measures({"frame": {"a": {"share": a}}})
        found += engine(10.5 + seconds, measures)
    start, end = (change.to_json() for change in found)
    assert start.pop("id") == end.pop("id")
    common = {
        "rule": "rule",
        "when": "share(b) > 0.9 or share(a) > 0.5",
        "source": "camera",
        "start": 10.5,
        "started": "2026-01-02T03:04:05.000+00:00",
        "quantity": "share(a)",
        "snapshot": "",
        "recording": "",
    }
    running = {"end": None, "seconds": None, "ended": None, "reason": ""}
    assert start == {**common, **running, "event": "started", "value": 0.6, "peak": 0.6}
    assert end == {
        **common,
        **{"event": "ended", "end": 13.5, "seconds": 3.0, "reason": "over"},
        **{"ended": common["started"], "value": 0.1, "peak": 0.8},
    }


def last_of_counts(counts, **settings):
    """The event that the last of these counts ends."""
    engine = engine_of(f"count(a) == {counts[0]}", **settings)
    for seconds, value in enumerate(counts):
        found = engine(seconds, Measures({"frame": {"a": {"count": value}}}))
    return found[0].event


def test_the_value_that_ends_an_event_is_not_its_peak():
    ended = last_of_counts([0, 0, 1])
    assert (ended.value, ended.peak) == (1, 0)


def test_the_peak_of_equal_values_is_the_farthest_within_the_hysteresis():
    assert last_of_counts([4, 5, 2, 4, 9], hysteresis=2).peak == 2


def test_the_peak_of_a_low_value_is_the_lowest():
    engine = engine_of("share(a) < 0.5", hysteresis=0.2)
    for seconds, a in enumerate([0.4, 0.1, 0.3]):
        engine(seconds, Measures({"frame": {"a": {"share": a}}}))
    assert engine.running[0].peak == 0.1


def test_ids_differ_and_are_names_of_files():
    engine = engine_of("share(a) > 0.5")
    ids = set()
    for seconds in range(20):
        measures = Measures({"frame": {"a": {"share": seconds % 2}}})
        ids |= {change.event.id for change in engine(seconds, measures)}
    assert len(ids) == 10
    assert all(each.startswith("20260102T030405-") for each in ids)


def test_files_are_named_only_with_a_folder():
    rule = Rule("r", "", parse_condition("share(a) > 0.5", WORDS), before_seconds=1.0)
    measures = Measures({"frame": {"a": {"share": 1}}})
    (change,) = Engine([rule], files=True)(0.0, measures)
    name = change.event.id
    assert (change.event.snapshot, change.event.recording) == (
        f"{name}.jpg",
        f"{name}.mp4",
    )
    (change,) = Engine([rule])(0.0, measures)
    assert (change.event.snapshot, change.event.recording) == ("", "")


def test_events_that_run_are_ended_with_a_reason():
    engine = engine_of("share(a) > 0.5")
    engine(3.0, Measures({"frame": {"a": {"share": 1}}}))
    engine(4.0, Measures({"frame": {"a": {"share": 1}}}))
    (change,) = engine.end("stopped")
    assert (change.kind, change.event.end, change.event.reason) == (
        "ended",
        4,
        "stopped",
    )
    assert engine.running == () and engine.end("stopped") == ()
    assert engine.counts["rule"] == 1


@pytest.mark.parametrize("when", ["share(a) > 0.5 for 5 s", "share(a) > 0.5"])
def test_a_source_that_starts_again(when):
    engine = engine_of(when, cool_down_seconds=100.0)
    high, low = (Measures({"frame": {"a": {"share": a}}}) for a in (1, 0))
    kinds = []
    for seconds, measures in ((90, high), (96, high), (97, low), (0, high), (6, high)):
        kinds += [(change.kind, seconds) for change in engine(seconds, measures)]
    first, again = (96, 6) if "for" in when else (90, 0)
    assert kinds == [("started", first), ("ended", 97), ("started", again)]

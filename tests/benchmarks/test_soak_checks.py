import json

import pytest

from benchmarks.soak_checks import (
    check_ages,
    check_end,
    check_events,
    check_files,
    check_memory,
    check_stranger,
    events_of,
)


def event(number: str, kind: str) -> dict:
    return {"id": number, "event": kind}


BOTH = [event("a", "started"), event("a", "ended")]
MISSING = "kseg: --events e.jsonl: 1 lines are missing"
LOST = "mqtt h:1: messages of events that were not delivered: 1"


def passed(checks) -> dict:
    return {check.name: check.passed for check in checks}


@pytest.mark.parametrize(
    ("written", "heard", "lines", "failed"),
    [
        (BOTH, BOTH, [], set()),
        (BOTH, [BOTH[0], *BOTH], [], set()),  # twice is allowed
        (BOTH, BOTH[:1], [], {"delivered"}),
        (BOTH, BOTH[:1], [LOST], set()),  # it was said
        (BOTH[:1], BOTH, [], {"written"}),
        (BOTH[:1], BOTH, [MISSING], set()),
        (BOTH, BOTH[::-1], [], {"order"}),
        ([], [], [], {"delivered"}),  # a run without events tests nothing
    ],
)
def test_what_is_lost_without_a_word_fails(written, heard, lines, failed):
    found = passed(check_events(written, heard, lines))
    assert {name for name, good in found.items() if not good} == failed


def test_an_overflow_of_the_queue_is_told():
    lines = ["mqtt h:1: 1000 events wait to be sent; the oldest are lost", LOST]
    delivered = check_events(BOTH, BOTH[1:], lines)[0]
    assert delivered.passed
    assert "1 missing, 1 said to be lost; the queue has overflown" in delivered.text


def test_memory_may_change_by_twenty_megabytes():
    early = [(0, 10.0), (10, 100.0), (20, 100.0)]  # the start does not count
    assert check_memory([*early, (95, 119.0)], 100).passed
    assert not check_memory([*early, (95, 121.0)], 100).passed
    assert not check_memory([*early, (95, 79.0)], 100).passed
    assert not check_memory(early, 100).passed  # nothing at the end


def test_ten_more_files_may_be_open():
    assert check_files([(10, 20), (95, 30)], 100).passed
    assert not check_files([(10, 20), (95, 31)], 100).passed


def test_the_oldest_of_the_last_frames_decides():
    old = [500.0] * 10
    assert check_ages([*old, *[9.0] * 100], 100).passed
    assert not check_ages([*[9.0] * 99, 101.0], 100).passed
    assert not check_ages([], 100).passed


def test_a_crash_is_a_status_or_a_traceback():
    assert check_end(0, ["300 frames"]).passed
    assert not check_end(-11, []).passed
    assert not check_end(None, []).passed  # it hangs
    assert not check_end(0, ["Traceback (most recent call last):"]).passed


def test_a_stranger_who_gets_an_answer_fails():
    assert check_stranger(10, []).passed
    assert not check_stranger(10, ["GET /: 200"]).passed
    assert not check_stranger(0, []).passed  # nothing was tried


def test_incomplete_lines_are_counted(tmp_path):
    path = tmp_path / "events.jsonl"
    whole = json.dumps(BOTH[0]).encode()
    path.write_bytes(whole + b'\n{"id": "a", "ev\n' + whole + b"\n")
    assert events_of(path) == ([BOTH[0], BOTH[0]], 1)

"""Events in the log and in a file."""

import json
from dataclasses import replace

import pytest

from edge.core.errors import InputError
from edge.events.event import EventChange
from edge.events.lines import EventLines, EventLog
from edge.events.text import running_text
from tests.support.events import END, ENDED_EVENT, EVENT, START, shown
from tests.support.posix import needs_linux


def test_a_line_of_the_log_at_the_start_and_at_the_end(capsys):
    log = EventLog()
    for changes in ((), (START,), (END,)):
        log.take(shown(*changes))
    stopped = replace(ENDED_EVENT, reason="stopped", measure="dwell", peak=12.34)
    log.take(shown(EventChange("ended", stopped), redrawn=True))
    log.close()
    assert capsys.readouterr().err.splitlines() == [
        "event smoke: started, share(smoke) is 0.4",
        "event smoke: ended after 4.5 s, peak 0.568",
        "event smoke: ended after 4.5 s (stopped), peak 12.3 s",
    ]


def test_lines_of_a_file_are_written_at_once_and_appended(tmp_path):
    path = tmp_path / "events.jsonl"
    for change in (START, END):
        lines = EventLines(path)
        lines.take(shown())
        lines.take(shown(change))
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        assert last == change.to_json()
        lines.close()
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        EventLines(tmp_path)


@needs_linux
def test_a_full_disk_is_one_line_and_the_camera_goes_on(capsys):
    from pathlib import Path

    lines = EventLines(Path("/dev/full"))
    for change in (START, END, START):
        lines.take(shown(change))
    lines.close()
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("--events /dev/full: an event is not written (No space")
    assert first.endswith("free some space)")
    assert last == "--events /dev/full: 3 lines are missing"


@needs_linux
def test_a_line_that_fits_in_part_is_removed_again(tmp_path, capsys):
    import resource

    path = tmp_path / "events.jsonl"
    lines = EventLines(path)
    lines.take(shown(START))
    size, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # as on a disk with room for ten more bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
        lines.take(shown(END))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size == size
    lines.take(shown(END))
    lines.close()
    found = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert list(found) == [START.to_json(), END.to_json()]
    assert capsys.readouterr().err.endswith(": 1 lines are missing\n")


def test_a_file_that_a_power_failure_has_torn_goes_on_in_a_new_line(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "star')
    lines = EventLines(path)
    lines.take(shown(START))
    lines.close()
    torn, whole = path.read_text(encoding="utf-8").splitlines()
    assert torn == '{"event": "star' and json.loads(whole) == START.to_json()


def test_running_events_in_the_view():
    events = [replace(EVENT, rule=f"r{index}", start=index) for index in range(7)]
    assert running_text(events[:2], 12.0) == "event r0 12 s\nevent r1 11 s"
    assert running_text(events, 12.0).splitlines()[5:] == ["and 2 more events"]
    assert running_text((), 12.0) == ""

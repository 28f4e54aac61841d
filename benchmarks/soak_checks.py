"""What must hold after the soak test, from what was seen of the camera."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Optional, Sequence

from edge.events.event import STARTED

MEMORY_MB = 20.0  # that resident memory may change from the first quarter to the end
MORE_FILES = 10  # that may be open at the end
LAST_AGES = 100  # frames whose ages are those at the end
WARM_UP, QUARTER, END = 0.05, 0.25, 0.9  # shares of the frames
NOT_WRITTEN = re.compile(r"--events .*: (\d+) lines are missing")
NOT_DELIVERED = re.compile(r"messages of events that were not delivered: (\d+)")
OVERFLOW = "events wait to be sent; the oldest are lost"

Key = tuple[str, str]  # the id of an event, and "started" or "ended"


class Check(NamedTuple):
    """A condition: its name, whether it holds, and the figures in words."""

    name: str
    passed: bool
    text: str


def check_end(status: Optional[int], lines: Sequence[str]) -> Check:
    """The program has ended as asked, without an error that it did not expect."""
    wrong = [line for line in lines if "Traceback" in line or "please report" in line]
    text = "it runs no more frames" if status is None else f"status {status}"
    text += f", {wrong[0]}" if wrong else ", no traceback"
    return Check("no crash", status == 0 and not wrong, text)


def check_memory(samples: Sequence[tuple[int, float]], frames: int) -> Check:
    """Resident memory is about what it was in the first quarter.

    `samples` are the number of frames and the memory in MB at each time.
    """
    first, last = early_and_late(samples, frames)
    if first is None or last is None:
        return Check("memory", False, "no measurement; the run was too short")
    text = f"{first:.1f} MB in the first quarter, {last:.1f} MB at the end"
    text += f", most {max(mb for _, mb in samples):.1f} MB"
    return Check("memory", abs(last - first) <= MEMORY_MB, text)


def check_files(samples: Sequence[tuple[int, int]], frames: int) -> Check:
    """Open files and sockets do not get more; `samples` as those of the memory."""
    first, last = early_and_late(samples, frames)
    if first is None or last is None:
        return Check("files", False, "no measurement; the run was too short")
    text = f"{first:.0f} open in the first quarter, {last:.0f} at the end"
    return Check("files", last - first <= MORE_FILES, text)


def early_and_late(
    samples: Sequence[tuple[int, float]], frames: int
) -> tuple[Optional[float], Optional[float]]:
    """The medians in the first quarter, without the start, and at the end."""
    early = [x for at, x in samples if WARM_UP * frames <= at <= QUARTER * frames]
    late = [x for at, x in samples if at >= END * frames]
    return median(early) if early else None, median(late) if late else None


def events_of(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The events of a file, and how many lines of it are incomplete."""
    events, incomplete = [], 0
    for line in path.read_bytes().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            incomplete += 1
    return events, incomplete


def key_of(event: dict[str, Any]) -> Key:
    return event["id"], event["event"]


def total(pattern: re.Pattern, lines: Sequence[str]) -> int:
    """The sum of the numbers that a pattern finds in what was printed."""
    return sum(int(found[1]) for found in map(pattern.search, lines) if found)


def check_events(
    written: Sequence[dict[str, Any]],
    heard: Sequence[dict[str, Any]],
    lines: Sequence[str],
) -> list[Check]:
    """Each start and end has come to the subscriber and is in the file, in order.

    `written` are the events of the file, `heard` the messages. What the program says
    that it could not write or deliver may be missing, and nothing else.
    """
    file, told = [key_of(x) for x in written], list(map(key_of, heard))
    times = Counter(told)
    first = list(dict.fromkeys(told))
    lost = [key for key in dict.fromkeys(file) if key not in times]
    said = total(NOT_DELIVERED, lines)
    overflow = "; the queue has overflown" if OVERFLOW in "\n".join(lines) else ""
    text = f"{len(first)} of at least {len(set(file))} starts and ends arrived, "
    text += f"{sum(n - 1 for n in times.values())} of them twice"
    text += f", {len(lost)} missing, {said} said to be lost{overflow}"
    delivered = Check("delivered", bool(first) and len(lost) <= said, text)
    common = set(file) & set(first)
    same = [k for k in file if k in common] == [k for k in first if k in common]
    order = same and starts_first(first)
    in_order = Check("order", order, "as in the file" if same else "not as in the file")
    missing, printed = len(set(first) - set(file)), total(NOT_WRITTEN, lines)
    text = f"{missing} missing in the file, {printed} said to be"
    return [delivered, in_order, Check("written", missing <= printed, text)]


def starts_first(keys: Sequence[Key]) -> bool:
    """Whether no event starts after its end.

    >>> starts_first([("a", "started"), ("a", "ended"), ("b", "ended")])
    True
    >>> starts_first([("a", "ended"), ("a", "started")])
    False
    """
    ended = set()
    for number, kind in keys:
        if kind == STARTED and number in ended:
            return False
        if kind != STARTED:
            ended.add(number)
    return True


def check_ages(ages: Sequence[float], most: float) -> Check:
    """The last frames are young enough. `ages` in ms, from camera to viewer."""
    if not ages:
        return Check("age", False, "no frame was seen in the browser's stream")
    last = sorted(ages[-LAST_AGES:])
    text = f"of the last {len(last)} frames: median {median(last):.0f} ms"
    text += f", oldest {last[-1]:.0f} ms; limit {most:.0f} ms"
    return Check("age", last[-1] <= most, text)


def check_stranger(tries: int, got: Sequence[str]) -> Check:
    """Who has no token got nothing."""
    text = f"{tries} requests, {len(got)} answered"
    text += f", such as {got[0]}" if got else ""
    return Check("stranger", bool(tries) and not got, text)

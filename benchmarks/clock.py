"""Wall-clock and processor time of training steps."""

from __future__ import annotations

import time
from typing import Any, Callable

Millis = tuple[float, float]  # per step: wall-clock and processor time
WARM_UP = 3  # steps before each measurement that are not counted


def now() -> tuple[float, float]:
    """Wall-clock and processor time in seconds."""
    return time.perf_counter(), time.process_time()


def between(start: tuple[float, float], end: tuple[float, float], steps: int) -> Millis:
    """Milliseconds per step between two times of `now`."""
    wall, processors = (
        1e3 * (after - before) / steps for before, after in zip(start, end, strict=True)
    )
    return wall, processors


def mean_millis(step: Callable[[], Any], steps: int) -> Millis:
    """The mean time of `steps` calls after the warm-up."""
    for _ in range(WARM_UP):
        step()
    start = now()
    for _ in range(steps):
        step()
    return between(start, now(), steps)

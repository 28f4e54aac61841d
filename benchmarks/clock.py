"""Times of steps: by the clock, and of the processors."""

from __future__ import annotations

import time
from typing import Any, Callable

Millis = tuple[float, float]  # per step: by the clock, and of the processors
WARM_UP = 3  # steps of each turn that are not counted


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def between(start: tuple[float, float], end: tuple[float, float], steps: int) -> Millis:
    wall, processors = (
        1e3 * (after - before) / steps for before, after in zip(start, end, strict=True)
    )
    return wall, processors


def mean_millis(step: Callable[[], Any], steps: int) -> Millis:
    """The mean of `steps` calls after the warm-up."""
    for _ in range(WARM_UP):
        step()
    start = now()
    for _ in range(steps):
        step()
    return between(start, now(), steps)

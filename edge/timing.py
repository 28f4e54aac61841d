"""Time per stage and frames per second, honestly counted."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from contextlib import contextmanager
from typing import Callable, Iterator

import numpy as np

WARM_UP = 3  # first runs of a stage: caches fill, memory is allocated


class Stages:
    """Collects how long named stages take; `clock` gives seconds.

    >>> ticks = iter([0.0, 0.010])
    >>> stages = Stages(clock=lambda: next(ticks))
    >>> with stages.stage("draw"):
    ...     pass
    >>> stages.summary()["draw"]["p50"]
    10.0
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock = clock
        self.millis: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self.clock()
        yield
        self.millis[name].append(1e3 * (self.clock() - start))

    def summary(self) -> dict[str, dict[str, float]]:
        """Stage -> median and 95th percentile in milliseconds, after warm-up."""
        result = {}
        for name, millis in self.millis.items():
            counted = millis[WARM_UP:] if len(millis) > 2 * WARM_UP else millis
            p50, p95 = np.percentile(counted, (50, 95))
            result[name] = {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}
        return result


class Rate:
    """Frames per second: intervals, not frames, over the time they took."""

    def __init__(self, window: int = 0, clock: Callable[[], float] = time.perf_counter):
        self.clock = clock
        self.ticks: deque[float] = deque(maxlen=window or None)

    def tick(self) -> None:
        self.ticks.append(self.clock())

    @property
    def fps(self) -> float:
        if len(self.ticks) < 2 or self.ticks[-1] == self.ticks[0]:
            return 0.0
        return (len(self.ticks) - 1) / (self.ticks[-1] - self.ticks[0])

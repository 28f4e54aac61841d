"""Time per stage and frames per second, honestly counted."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from contextlib import contextmanager
from typing import Callable, Iterator, Optional

import numpy as np

STAGES = ("capture", "preprocess", "inference", "postprocess", "draw")  # of the loop
KEPT = 10_000  # times per stage: memory stays flat however long a camera runs
WARM_UP = 3  # first runs of a stage: caches fill, memory is allocated


class StageTimer:
    """Collects how long named stages take; `clock` gives seconds.

    >>> ticks = iter([0.0, 0.010])
    >>> stages = StageTimer(clock=lambda: next(ticks))
    >>> with stages.stage("draw"):
    ...     pass
    >>> stages.summary()["draw"]["p50"]
    10.0
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock = clock
        self.millis: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=KEPT)
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self.clock()
        yield
        self.millis[name].append(1e3 * (self.clock() - start))

    def last(self, *names: str) -> dict[str, float]:
        """How many milliseconds these stages took the last time."""
        return {name: self.millis[name][-1] for name in names}

    def forget(self, name: str) -> None:
        """Leaves the last time of a stage out."""
        self.millis[name].pop()

    def summary(self) -> dict[str, dict[str, float]]:
        """Stage -> median and 95th percentile in milliseconds, after warm-up."""
        result = {}
        for name, millis in list(self.millis.items()):  # threads may add one
            if not millis:
                continue
            skipped = WARM_UP if len(millis) > 2 * WARM_UP else 0
            counted = list(millis)[skipped:]
            p50, p95 = np.percentile(counted, (50, 95))
            result[name] = {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}
        return result


class Rate:
    """Frames per second: intervals, not frames, over the time they took.

    With a `window` the last so many frames count, else all since the first.
    """

    def __init__(
        self,
        window: Optional[int] = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.clock, self.window = clock, window
        self.count = 0
        self.ticks: deque[float] = deque(maxlen=window or 1)

    def tick(self) -> None:
        now = self.clock()
        if not self.count:
            self.first = now
        self.count += 1
        self.ticks.append(now)

    @property
    def fps(self) -> float:
        if self.count < 2:
            return 0.0
        frames = len(self.ticks) if self.window else self.count
        seconds = self.ticks[-1] - (self.ticks[0] if self.window else self.first)
        return (frames - 1) / seconds if seconds else 0.0

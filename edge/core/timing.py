"""Time per stage, frames per second, and calls timed in turns."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Optional, TypeVar

import numpy as np

STAGES = ("capture", "preprocess", "inference", "postprocess", "draw")  # of the loop
KEPT = 10_000  # times per stage: memory stays flat however long a camera runs
WARM_UP = 3  # first runs of a stage: caches fill, memory is allocated
K = TypeVar("K")


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


def time_in_turns(
    calls: Mapping[K, Callable[[], Any]],
    rounds: int,
    seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[K, list[float]]:
    """How many milliseconds each call takes, round by round; `clock` gives seconds.

    The calls take turns, so that whatever else the machine does falls on all of them
    alike. In each round every call runs twice and the second run counts: the first
    finds the caches, and threads that still wait for work, as the call before left
    them. After `seconds` no further round begins, but the first round always runs.

    >>> ticks = iter([0.0, 1.0, 1.25])
    >>> time_in_turns({"draw": lambda: None}, 1, clock=lambda: next(ticks))
    {'draw': [250.0]}
    """
    millis: dict[K, list[float]] = {key: [] for key in calls}
    end = clock() + seconds
    for number in range(rounds):
        if number and clock() > end:
            break
        for key, call in calls.items():
            call()
            start = clock()
            call()
            millis[key].append(1e3 * (clock() - start))
    return millis

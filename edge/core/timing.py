"""Time per stage, frames per second, pauses, and several calls timed in turns."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Optional, TypeVar

import numpy as np

# Stages of the camera loop.
STAGES = ("capture", "preprocess", "inference", "postprocess", "draw")
MAX_TIMES = 10_000  # per stage, so that memory stays bounded
WARM_UP = 3  # first runs of a stage, which are not counted
K = TypeVar("K")


class StageTimer:
    """Measure how long named stages take; `clock` returns seconds.

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
            lambda: deque(maxlen=MAX_TIMES)
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self.clock()
        yield
        self.millis[name].append(1e3 * (self.clock() - start))

    def last(self, *names: str) -> dict[str, float]:
        """The last time of each of these stages, in milliseconds."""
        return {name: self.millis[name][-1] for name in names}

    def record(self, times: Mapping[str, float]) -> None:
        """Add a time to each of these stages, in milliseconds."""
        for name, millis in times.items():
            self.millis[name].append(millis)

    def discard_last(self, name: str) -> None:
        """Remove the last time of a stage."""
        self.millis[name].pop()

    def summary(self) -> dict[str, dict[str, float]]:
        """Stage -> median and 95th percentile in milliseconds, after warm-up."""
        result = {}
        for name, millis in list(self.millis.items()):  # other threads may add a stage
            if not millis:
                continue
            skipped = WARM_UP if len(millis) > 2 * WARM_UP else 0
            counted = list(millis)[skipped:]
            p50, p95 = np.percentile(counted, (50, 95))
            result[name] = {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}
        return result


class Rate:
    """Frames per second: the number of intervals divided by their duration.

    `window` is the number of last frames to count; None counts all frames.
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


def pauses(first: float, longest: float) -> Iterator[float]:
    """The seconds before each further attempt: twice the last ones, up to `longest`.

    >>> waits = pauses(0.5, 10.0)
    >>> [next(waits) for _ in range(7)]
    [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    """
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)


def time_in_turns(
    calls: Mapping[K, Callable[[], Any]],
    rounds: int,
    seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[K, list[float]]:
    """Time several calls in alternation: milliseconds of each call, round by round.

    The calls alternate so that other load on the machine affects all of them equally.
    In each round every call runs twice and the second run is counted; the first run
    warms caches and threads up. No round starts later than `seconds` after the
    start, but the first round always runs. `clock` returns seconds.

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

"""What a network and the loop around it take, frame by frame, on a busy machine too.

Each frame is marked by the clock and in processor time of this process: others may
stop the clock from telling much, but the work that a frame costs stays the same.
"""

from __future__ import annotations

import struct
import time
from itertools import cycle
from statistics import median
from typing import Any, Callable, ContextManager, Iterator, NamedTuple, Sequence

import numpy as np

from edge.app.loop import CameraLoop
from edge.core.errors import InputError
from edge.core.timing import WARM_UP, StageTimer
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View
from edge.predict.base import Predictor
from edge.video.frames import FPS, Frame, Source

FEWEST = 2 * WARM_UP + 2  # frames: the first do not count, and the rest needs intervals
STAMP = struct.Struct("d")  # seconds of time.perf_counter, in a frame's first bytes
Figures = dict[str, Any]  # names -> numbers, or names -> Figures


class Mark(NamedTuple):
    """When a frame was done, in seconds: by the clock, and as the processors' work."""

    clock: float
    processor: float


def mark() -> Mark:
    return Mark(time.perf_counter(), time.process_time())


def figures(marks: Sequence[Mark]) -> Figures:
    """One mark per frame -> per second, milliseconds of each, and of the processors.

    Intervals count, after the first frames. `processor_millis` is the work of all
    processors together for a frame.

    >>> marks = [Mark(i / 10, i / 20) for i in range(9)]
    >>> figures(marks)["fps"], figures(marks)["processor_millis"]
    (10.0, 50.0)
    """
    clock, processor = np.array(marks[WARM_UP:]).T
    apart = np.diff(clock)
    return {
        "fps": round(float(1 / apart.mean()), 3),
        "millis": percentiles(1e3 * apart),
        "processor_millis": round(1e3 * float(np.diff(processor).mean()), 3),
    }


def percentiles(values: Sequence[float]) -> Figures:
    """Median and 95th percentile."""
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over rounds that have the same.

    >>> medians([{"fps": 9, "millis": {"p50": 3}}, {"fps": 5, "millis": {"p50": 1}}])
    {'fps': 7.0, 'millis': {'p50': 2.0}}
    """
    result: Figures = {}
    for name, value in rounds[0].items():
        values = [figures[name] for figures in rounds]
        if isinstance(value, dict):
            result[name] = medians(values)
        else:
            result[name] = round(float(median(values)), 3)
    return result


def network_alone(predictor: Predictor, frame: np.ndarray, count: int) -> Figures:
    """Figures of the network on a frame (H, W, 3) BGR that is prepared already."""
    tiles, _ = predictor.prepare(frame, order="BGR")
    marks = []
    for _ in range(count):
        for row in tiles:
            for tile in row:
                predictor.engine(tile)
        marks.append(mark())
    return figures(marks)


class Watch:
    """A sink that marks each frame and, of stamped ones, notes how old they are."""

    def __init__(self, wants_view: bool, stamped: bool):
        self.wants_view, self.stamped = wants_view, stamped
        self.marks: list[Mark] = []
        self.ages: list[float] = []

    def take(self, seen: DisplayFrame) -> None:
        if seen.again:
            return
        self.marks.append(mark())
        if self.stamped:
            self.ages.append(1e3 * (self.marks[-1].clock - stamp_of(seen.frame)))

    def close(self) -> None:
        pass


def whole_loop(
    predictor: Predictor,
    open_frames: Callable[[], ContextManager[Source]],
    count: int,
    wants_view: bool,
    stamped: bool,
) -> Figures:
    """Figures of the camera loop over a source, and of each of its stages.

    Stamped frames have an age too, when they are drawn, and what it grew by between the
    first and the last quarter. Raises InputError where there are fewer than `count`.
    """
    predictor = type(predictor)(predictor.engine, predictor.info, StageTimer())
    watch = Watch(wants_view, stamped)
    with open_frames() as source:
        live = CameraLoop(source, predictor, [watch], Controls(View()))
        live.run(count)
        there = len(watch.marks)
        if there < count:
            raise InputError(
                f"source {source.name}: has {there} frames for turns of {count}; give "
                f"--frames {there}, or a longer one"
            )
    result = figures(watch.marks)
    result["dropped"] = live.dropped
    result["stage_millis"] = predictor.stages.summary()
    if stamped:
        result["age_millis"] = percentiles(watch.ages[WARM_UP:])
        result["age_growth_millis"] = growth(watch.ages[WARM_UP:])
    return result


def growth(values: Sequence[float]) -> float:
    """How far the median of the last quarter is above that of the first.

    >>> growth([1, 1, 5, 5, 5, 5, 3, 3])
    2.0
    """
    quarter = max(1, len(values) // 4)
    return round(float(median(values[-quarter:]) - median(values[:quarter])), 3)


def repeated_frames(frames: Sequence[np.ndarray]) -> Iterator[Frame]:
    """Frames in turn, for ever, as fast as they are taken."""
    for index, frame in enumerate(cycle(frames)):
        yield Frame(frame, index / FPS)


def stamped_frames(frames: Sequence[np.ndarray], fps: float) -> Iterator[Frame]:
    """Frames (H, W, 3) in turn, for ever, at a camera's pace, with the time in them."""
    due = time.perf_counter()
    for frame in cycle(frames):
        due = max(due + 1 / fps, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        stamped = np.array(frame, order="C")
        stamped.reshape(-1)[: STAMP.size] = np.frombuffer(STAMP.pack(now), np.uint8)
        yield Frame(stamped, now)


def stamp_of(frame: np.ndarray) -> float:
    """The time.perf_counter that is in a stamped frame."""
    return STAMP.unpack(frame.reshape(-1)[: STAMP.size].tobytes())[0]

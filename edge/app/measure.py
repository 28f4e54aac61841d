"""Measuring a network and the camera loop, frame by frame.

Each frame is timed by the clock and in processor time of this process. Other load on
the machine affects the clock, but hardly the processor time of a frame.
"""

from __future__ import annotations

import struct
import time
from itertools import cycle, islice
from statistics import median
from typing import Any, Callable, ContextManager, Iterator, NamedTuple, Sequence

import numpy as np

from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.core.errors import InputError
from edge.core.timing import WARM_UP, StageTimer
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View
from edge.predict.base import Predictor
from edge.video.frames import FPS, Frame, Source

MIN_FRAMES = 2 * WARM_UP + 2  # the first do not count; the rest must have intervals
STAMP = struct.Struct("d")  # time.perf_counter in seconds, in a frame's first bytes
SourceOpener = Callable[[], ContextManager[Source]]
Figures = dict[str, Any]  # names -> numbers, or names -> Figures


class Mark(NamedTuple):
    """The time at which a frame was done, and the processor time until then, in s."""

    clock: float
    processor: float


def mark() -> Mark:
    return Mark(time.perf_counter(), time.process_time())


def figures(marks: Sequence[Mark]) -> Figures:
    """One mark per frame -> frames per second, frame times and processor times in ms.

    These are computed from intervals after the warm-up frames. `processor_millis` is
    the processor time of one frame, summed over all processors.

    >>> marks = [Mark(i / 10, i / 20) for i in range(9)]
    >>> figures(marks)["fps"], figures(marks)["processor_millis"]
    (10.0, 50.0)
    """
    clock, processor = np.array(marks[WARM_UP:]).T
    intervals = np.diff(clock)
    return {
        "fps": round(float(1 / intervals.mean()), 3),
        "millis": percentiles(1e3 * intervals),
        "processor_millis": round(1e3 * float(np.diff(processor).mean()), 3),
    }


def percentiles(values: Sequence[float]) -> Figures:
    """Median and 95th percentile."""
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds.

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
    """The figures of the network on one preprocessed frame (H, W, 3) BGR."""
    tiles, _ = predictor.prepare(frame, order="BGR")
    marks = []
    for _ in range(count):
        for row in tiles:
            for tile in row:
                predictor.engine(tile)
        marks.append(mark())
    return figures(marks)


def decoding(open_frames: SourceOpener, count: int) -> float:
    """Processor time in ms to read one frame of a source, without anything else.

    That of the threads of FFmpeg counts too. Raises InputError as `open_source`.
    """
    with open_frames() as source:
        start = time.process_time()
        number = sum(1 for _ in islice(source.frames, count))
        return round(1e3 * (time.process_time() - start) / max(1, number), 3)


class TimingSink:
    """A sink that records the time of each frame, and the age of stamped ones."""

    def __init__(self, wants_view: bool, stamped: bool):
        self.wants_view, self.stamped = wants_view, stamped
        self.marks: list[Mark] = []
        self.ages: list[float] = []

    def take(self, displayed: DisplayFrame) -> None:
        if displayed.redrawn:
            return
        self.marks.append(mark())
        if self.stamped:
            self.ages.append(1e3 * (self.marks[-1].clock - stamp_of(displayed.frame)))

    def close(self) -> None:
        pass


def whole_loop(
    predictor: Predictor,
    open_frames: SourceOpener,
    count: int,
    wants_view: bool,
    stamped: bool,
) -> Figures:
    """The figures of the camera loop over a source, and of each of its stages.

    For stamped frames also their age when they are drawn, and its growth from the
    first to the last quarter. Raises InputError if there are fewer than `count` frames.
    """
    predictor = type(predictor)(predictor.engine, predictor.info, StageTimer())
    sink = TimingSink(wants_view, stamped)
    with open_frames() as source:
        live = CameraLoop(Feed(source, predictor, [sink], Controls(View())))
        live.run(count)
        available = len(sink.marks)
        if available < count:
            raise InputError(
                f"source {source.name}: has {available} frames, --frames is {count}; "
                f"use --frames {available} or a longer source"
            )
    result = figures(sink.marks)
    result["dropped"] = live.dropped
    result["stage_millis"] = predictor.stages.summary()
    if stamped:
        result["age_millis"] = percentiles(sink.ages[WARM_UP:])
        result["age_growth_millis"] = growth(sink.ages[WARM_UP:])
    return result


def growth(values: Sequence[float]) -> float:
    """The median of the last quarter minus that of the first.

    >>> growth([1, 1, 5, 5, 5, 5, 3, 3])
    2.0
    """
    quarter = max(1, len(values) // 4)
    return round(float(median(values[-quarter:]) - median(values[:quarter])), 3)


def repeated_frames(frames: Sequence[np.ndarray]) -> Iterator[Frame]:
    """Repeat frames endlessly, without waiting."""
    for index, frame in enumerate(cycle(frames)):
        yield Frame(frame, index / FPS)


def stamped_frames(frames: Sequence[np.ndarray], fps: float) -> Iterator[Frame]:
    """Repeat frames (H, W, 3) endlessly at `fps` frames per second, timestamped."""
    due = time.perf_counter()
    for frame in cycle(frames):
        due = max(due + 1 / fps, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        stamped = np.array(frame, order="C")
        stamped.reshape(-1)[: STAMP.size] = np.frombuffer(STAMP.pack(now), np.uint8)
        yield Frame(stamped, now)


def stamp_of(frame: np.ndarray) -> float:
    """The timestamp of a stamped frame, in seconds of time.perf_counter."""
    return STAMP.unpack(frame.reshape(-1)[: STAMP.size].tobytes())[0]

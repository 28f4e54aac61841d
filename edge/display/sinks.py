"""Sinks of predicted frames: recording, masks, lines of JSON.

A sink has `take(displayed)`, called with every frame in order, `close()`, and
`wants_view`: whether it uses `displayed.view`, which is drawn only if some sink does.
One with `wants_confidence(seconds)` is asked whether the frame at this time, from the
start of its prediction on, needs the confidence of its result.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import numpy as np

from edge.core.errors import cannot_be
from edge.core.files import json_text
from edge.display.tasks import FRAME_FILES, SUMMARIES, WITH_POLYGONS
from edge.display.view import View
from edge.events.event import Event, EventChange
from edge.model_file.info import ModelInfo
from edge.predict.results import Result
from edge.video.recording import open_recorder
from edge.zones.measures import Measures


@dataclass(frozen=True)
class DisplayFrame:
    """A frame (H, W, 3) BGR, its result, and the drawn view, if any.

    `seconds` is the position in a file, or the capture time of a live source. `millis`
    holds the time of each stage. `redrawn` marks the last frame drawn again, because a
    live source has stalled or a viewer changed the view. `crossings` are the numbers of
    objects that have crossed the line of --count-line: {class: {direction: number}}.
    `dropped` is how many frames of a live source newer ones have replaced so far.

    `measures` are those of the zones, None if nothing asks for them. `events` are those
    that start or end in this frame, `running` those that run, in the order of
    the rules. At the end of the program, the last frame comes once more, `redrawn`, if
    there are events that end with it: a sink of events looks at redrawn frames too.

    `source` is the name of the source where there are several, else "".
    """

    index: int
    seconds: float
    frame: np.ndarray
    result: Result
    view: Optional[np.ndarray]
    millis: dict[str, float]
    redrawn: bool = False
    crossings: Optional[dict[str, dict[str, int]]] = None
    dropped: int = 0
    measures: Optional[Measures] = None
    events: Tuple[EventChange, ...] = ()
    running: Tuple[Event, ...] = ()
    source: str = ""


@dataclass
class Controls:
    """State that viewers may change, each in its own thread.

    `view` is replaced as a whole, by `change_view`. `finished` tells viewers that the
    source gives no more frames.
    """

    view: View
    paused: bool = False
    ended: bool = False
    finished: bool = False
    capture: Optional[Callable[[], Optional[str]]] = None  # keeps the newest frame
    _changing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def change_view(self, change: Callable[[View], View]) -> None:
        """Replace the view by `change(view)`; no change of another thread is lost."""
        with self._changing:
            self.view = change(self.view)


class Recording:
    """Records the view to a video file, which is this process's alone from now on.

    Raises InputError if another process records to it.
    """

    wants_view = True

    def __init__(self, path: Path, fps: float):
        self._recorder = open_recorder(path, fps)
        self._recorder.claim()

    def take(self, displayed: DisplayFrame) -> None:
        if not displayed.redrawn:
            self._recorder.write(displayed.view, displayed.seconds)

    def close(self) -> None:
        self._recorder.close()


class Masks:
    """Writes each result to a numbered file in a folder, as FRAME_FILES defines."""

    wants_view = False

    def __init__(self, folder: Path, info: ModelInfo):
        self.folder, self.info, self._write = folder, info, FRAME_FILES[info.task]

    def take(self, displayed: DisplayFrame) -> None:
        if not displayed.redrawn:
            name = f"{displayed.index:06d}"
            self._write(self.folder, name, displayed.result, self.info)

    def close(self) -> None:
        pass


class FrameLines:
    """Writes one line of JSON for each frame, without delay.

    The keys are `source` if there are several, `frame`, `seconds` since the first frame
    of the source, `time` of day, those of SUMMARIES for the task, or of WITH_POLYGONS
    with `polygons`, `crossings` if they are counted, the measures of `zones` and the
    rules of running `events` if there are zones, and `stage_millis`.
    """

    wants_view = False

    def __init__(self, path: Path, info: ModelInfo, polygons: bool = False):
        self.info = info
        self._first: dict[str, float] = {}  # source -> the time of its first frame
        self._summary = (WITH_POLYGONS if polygons else SUMMARIES)[info.task]
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise cannot_be("written", path, error) from None
        self._path, self._failed = path, False

    def take(self, displayed: DisplayFrame) -> None:
        if displayed.redrawn:
            return
        if not displayed.index:
            self._first[displayed.source] = displayed.seconds
        seconds = displayed.seconds - self._first[displayed.source]
        source = {"source": displayed.source} if displayed.source else {}
        crossings = {}
        if displayed.crossings is not None:
            crossings["crossings"] = displayed.crossings
        watched: dict[str, Any] = {}
        if displayed.measures is not None:
            watched["zones"] = displayed.measures.to_json()
            watched["events"] = [event.rule for event in displayed.running]
        line = {
            **source,
            "frame": displayed.index,
            "seconds": round(seconds, 3),
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            **self._summary(displayed.result, self.info),
            **crossings,
            **watched,
            "stage_millis": {k: round(v, 3) for k, v in displayed.millis.items()},
        }
        try:
            self._file.write(json_text(line) + "\n")
        except OSError as error:
            self._failed = True
            raise cannot_be("written", self._path, error) from None

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            if self._failed:  # which was reported
                return
            raise cannot_be("written", self._path, error) from None

"""Where frames go once they are labelled: window, recording, masks, a line of JSON.

A sink has `take(seen)`, called with every frame in order, `close()`, and `wants_view`:
whether it looks at `seen.view`, which is drawn only while some sink does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import numpy as np

from edge.core.errors import InputError
from edge.display.tasks import FRAME_FILES, SUMMARIES
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import Result
from edge.video.recorder import Recorder


@dataclass(frozen=True)
class DisplayFrame:
    """A frame (H, W, 3) BGR, its result, and the view of both, if drawn.

    `seconds` are the frame's own: its place in a file, or when a camera gave it.
    `millis` holds what each stage took. `again` is the last frame drawn anew: while a
    live source is away, or when a viewer changed something.
    """

    index: int
    seconds: float
    frame: np.ndarray
    result: Result
    view: Optional[np.ndarray]
    millis: dict[str, float]
    again: bool = False


@dataclass
class Controls:
    """What viewers may change while it runs; threads replace `view` as a whole."""

    view: View
    paused: bool = False
    ended: bool = False


class Recording:
    """What is seen, in a video file."""

    wants_view = True

    def __init__(self, path: Path, fps: float):
        self._recorder = Recorder(path, fps)

    def take(self, seen: DisplayFrame) -> None:
        if not seen.again:
            self._recorder.write(seen.view, seen.seconds)

    def close(self) -> None:
        self._recorder.close()


class Masks:
    """Each frame's result as a file, numbered, in a folder: as FRAME_FILES has it."""

    wants_view = False

    def __init__(self, folder: Path, info: ModelInfo):
        self.folder, self._write = folder, FRAME_FILES[info.task]

    def take(self, seen: DisplayFrame) -> None:
        if not seen.again:
            self._write(self.folder, f"{seen.index:06d}", seen.result)

    def close(self) -> None:
        pass


class FrameLines:
    """One line of JSON for each frame, written at once: others follow the file.

    `{"frame", "seconds" since the first, "time" of day, what SUMMARIES has of the task,
    "stage_millis"}`.
    """

    wants_view = False

    def __init__(self, path: Path, info: ModelInfo):
        self.info, self._first = info, 0.0
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None

    def take(self, seen: DisplayFrame) -> None:
        if seen.again:
            return
        if not seen.index:
            self._first = seen.seconds
        line = {
            "frame": seen.index,
            "seconds": round(seen.seconds - self._first, 3),
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            **SUMMARIES[self.info.task](seen.result, self.info),
            "stage_millis": {k: round(v, 3) for k, v in seen.millis.items()},
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()

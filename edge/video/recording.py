"""Opens the recorder of a file: PyAV's where it can write it, else OpenCV's."""

from __future__ import annotations

from pathlib import Path

from edge.video.readers import reader_name
from edge.video.recorder import Recorder

BY_PYAV = (".mp4", ".mkv")  # AVI files have one frame rate, and no H.264


def open_recorder(
    path: Path, fps: float, quiet: bool = False, shown: str = ""
) -> Recorder:
    """The recorder for a file; it writes nothing before the first frame.

    `fps` is the frame rate of what OpenCV writes; PyAV keeps the times of the frames.
    A `quiet` recorder does not tell its encoder and what it has recorded. Messages
    begin with `shown`, by default the option --record and the path.
    Raises InputError for a suffix that is not one of a video.
    """
    if path.suffix.lower() in BY_PYAV and reader_name() != "opencv":
        from edge.video.pyav_recorder import PyAVRecorder

        return PyAVRecorder(path, fps, quiet, shown)
    return Recorder(path, fps, quiet, shown)

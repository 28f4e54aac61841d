#!/usr/bin/env python3
"""Segments live video on this device.

    python edge/camera_demo.py saved_models/RUN/int8.tflite --source 0
    python edge/camera_demo.py MODEL --source street.mp4 --headless --record out.mp4

Keys in the window: q or Esc ends, space pauses.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from edge.command import (  # noqa: E402
    Parser,
    make_folder,
    positive,
    run,
    say,
    writable,
    write_text,
)
from edge.engines import ENGINES, describe, open_engine  # noqa: E402
from edge.frames import Recorder, Source, open_source, recorder  # noqa: E402
from edge.images import write_image  # noqa: E402
from edge.metadata import info_of  # noqa: E402
from edge.overlay import draw  # noqa: E402
from edge.segmenter import Segmenter  # noqa: E402
from edge.timing import Rate, Stages  # noqa: E402

WINDOW = "kseg"
STAGES = ("capture", "preprocess", "inference", "postprocess", "draw")


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser(
        prog="camera_demo.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a .tflite or .onnx file")
    add(
        "--source",
        default="0",
        help="camera number, video file, picture, folder of pictures, or shapes (a "
        "moving procedural scene); default 0",
    )
    add("--engine", default="auto", choices=ENGINES, help="what runs the model")
    add("--delegate", metavar="PATH", help="library that takes its operators over")
    add("--require", action="store_true", help="exit 3 where another engine must do")
    add("--threads", type=positive, help="processors to use; default all")
    add("--headless", action="store_true", help="open no window")
    add("--record", type=writable, metavar="FILE", help="write what is seen to a video")
    add("--masks", type=Path, metavar="DIR", help="write each frame's labels as a PNG")
    add("--stats", type=writable, metavar="FILE", help="write the times as JSON")
    add("--max-frames", type=positive, metavar="N", help="end after N frames")
    return parser.parse_args(argv)


def has_display() -> bool:
    """Whether a window can be opened. Asked first: OpenCV aborts where it cannot."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def load(arguments: argparse.Namespace) -> Segmenter:
    """The model as a Segmenter, with a word on what runs."""
    engine = open_engine(
        arguments.model,
        *(arguments.engine, arguments.threads, arguments.delegate, arguments.require),
    )
    info = info_of(arguments.model)
    if engine.wants_floats:
        say("its input is floating point: values are scaled to -1..1")
    height, width = engine.size
    say(f"{describe(engine)}, input {height}x{width}")
    return Segmenter(engine, info, Stages())


def timed(source: Source, stages: Stages, limit: Optional[int]) -> Iterator[np.ndarray]:
    """The frames of a source, each wait for one counted as "capture"."""
    frames = islice(source.frames, limit)
    while True:
        with stages.stage("capture"):
            frame = next(frames, None)
        if frame is None:
            stages.millis["capture"].pop()  # the wait that found the end
            return
        yield frame


def show(view: np.ndarray, still: bool) -> bool:
    """Puts a frame into the window; False when the viewer wants to end."""
    cv2.imshow(WINDOW, view)
    key = cv2.waitKey(0 if still else 1) & 0xFF
    if key == ord(" ") and not still:
        key = cv2.waitKey(0) & 0xFF
    closed = cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1
    return not closed and key not in (ord("q"), 27)


def loop(
    segmenter: Segmenter, source: Source, arguments: argparse.Namespace, rate: Rate
) -> None:
    """Segments frame after frame until the source, a limit or the viewer ends it."""
    recent = Rate(window=20)
    with recorder(arguments.record, source.fps) as video:
        for frame in timed(source, segmenter.stages, arguments.max_frames):
            labels = segmenter.predict(frame, order="BGR")
            with segmenter.stages.stage("draw"):
                text = f"{recent.fps:.1f} fps" if recent.fps else ""
                view = draw(frame, labels, segmenter.info, text)
            if video:
                video.write(view)
            if arguments.masks:
                name = f"{rate.count:06d}.png"
                write_image(arguments.masks / name, labels)
            rate.tick()
            recent.tick()
            if not arguments.headless and not show(view, source.still):
                break


def statistics(segmenter: Segmenter, rate: Rate) -> dict[str, Any]:
    """What --stats writes; `fps` counts the whole loop."""
    return {
        "frames": rate.count,
        "dropped": 0,
        "fps": round(rate.fps, 3),
        "engine": segmenter.engine.name,
        "threads": segmenter.engine.threads,
        "stage_millis": segmenter.stages.summary(),
    }


def table(stats: dict[str, Any]) -> str:
    """The statistics for people."""
    rows = [f"{stats['frames']} frames, {stats['fps']:.1f} per second"]
    rows.append(f"{'stage':<12} {'p50 ms':>8} {'p95 ms':>8}")
    for stage in STAGES:
        if stage in stats["stage_millis"]:
            times = stats["stage_millis"][stage]
            rows.append(f"{stage:<12} {times['p50']:8.1f} {times['p95']:8.1f}")
    return "\n".join(rows)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def main(argv: Optional[Sequence[str]] = None) -> int:
    arguments = parse(argv)
    if arguments.masks:
        make_folder(arguments.masks)
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's & ignores the first
        signal.signal(ending, interrupt)
    with open_source(arguments.source) as source:
        if arguments.record:
            Recorder(arguments.record, source.fps)  # refuses now what it cannot write
        segmenter, rate, status = load(arguments), Rate(), 0
        say(f"source {source.name}")
        if not arguments.headless and not has_display():
            say("no display: running headless (--record or --masks keep what is seen)")
            arguments.headless = True
        try:
            loop(segmenter, source, arguments, rate)
        except KeyboardInterrupt:
            status = 0 if source.live else 130
    stats = statistics(segmenter, rate)
    print(table(stats))
    if arguments.stats:
        write_text(arguments.stats, json.dumps(stats, indent=1) + "\n")
    return status


if __name__ == "__main__":
    run("camera_demo", main)

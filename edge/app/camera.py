"""Segments live video on this device.

    python edge/camera_demo.py saved_models/RUN/int8.tflite --source 0
    python edge/camera_demo.py MODEL --source street.mp4 --headless --record out.mp4
    python edge/camera_demo.py MODEL --source rtsp://door/stream --steady 5
    python edge/camera_demo.py MODEL --background blur --keep person
    python edge/camera_demo.py MODEL --serve 0.0.0.0:8080

Keys in the window: q or Esc ends, space pauses, h shows the others.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from edge.app.loop import CameraLoop
from edge.app.threads import Smoother
from edge.core.arguments import Parser, positive, share, size, writable
from edge.core.errors import InputError
from edge.core.files import make_folder, write_text
from edge.core.images import read_image
from edge.core.log import say
from edge.core.timing import STAGES
from edge.display.draw import blurred, center_crop
from edge.display.sinks import Controls, FrameLines, Masks, Recording
from edge.display.view import Background, View
from edge.display.web.access import Listener, listen
from edge.display.window import Window
from edge.engines.select import ENGINES, describe
from edge.model_file.info import ModelInfo
from edge.predict import SMOOTHERS, open_predictor
from edge.predict.base import Predictor
from edge.video.capture import CameraOptions
from edge.video.frames import Source
from edge.video.recorder import Recorder
from edge.video.sources import open_source


def fourcc(text: str) -> str:
    """Four letters that name a camera's format, for `type=`."""
    if len(text) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no format of four letters")
    return text.upper()


def votes(text: str) -> int:
    """How many frames vote, for `type=`."""
    if positive(text) > 99:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 99")
    return int(text)


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
        help="camera number (default 0), csi[:N] (Jetson's), picamera (the Pi's), "
        "video file, picture, folder of pictures, rtsp/http/tcp/udp URL, GStreamer "
        "pipeline ('... ! appsink'), or shapes (a moving procedural scene)",
    )
    add("--camera-size", type=size, metavar="HxW", help="size to ask a camera for")
    add("--camera-fps", type=positive, metavar="N", help="its frames per second")
    add("--camera-format", type=fourcc, metavar="MJPG", help="its pixel format")
    add("--engine", default="auto", choices=ENGINES, help="what runs the model")
    add("--delegate", metavar="PATH", help="library that takes its operators over")
    add("--require", action="store_true", help="exit 3 where another engine must do")
    add("--threads", type=positive, help="processors to use; default all")
    add("--headless", action="store_true", help="open no window")
    add(
        "--serve",
        metavar="[HOST:]PORT",
        help="show it in browsers instead of a window; without HOST for this machine "
        "alone, 0.0.0.0 is for all, with a token",
    )
    add("--token", help="what browsers must know; default beyond this machine: random")
    add("--opacity", type=share, help="of the classes' colours, 0 to 1; default 0.5")
    add("--outlines", action="store_true", help="draw the borders of the classes")
    add(
        "--background",
        metavar="blur|COLOR|FILE",
        help="put behind the classes of --keep: the picture blurred, a colour such as "
        "00b140, or a picture",
    )
    add("--keep", metavar="NAMES", help="classes before the background, with commas")
    add(
        "--steady",
        type=votes,
        metavar="N",
        help="the last N frames vote on each pixel; changes show N // 2 frames late",
    )
    add("--record", type=writable, metavar="FILE", help="write what is seen to a video")
    add("--masks", type=Path, metavar="DIR", help="write each frame's labels as a PNG")
    add(
        "--frames-json",
        type=writable,
        metavar="FILE",
        help="write a line of JSON for each frame: times and shares of the classes",
    )
    add("--stats", type=writable, metavar="FILE", help="write the times as JSON")
    add("--max-frames", type=positive, metavar="N", help="end after N frames")
    arguments = parser.parse_args(argv)
    if bool(arguments.background) != bool(arguments.keep):
        parser.error("--background and --keep NAMES, who is before it, go together")
    return arguments


def has_windows() -> bool:
    """Whether this OpenCV can draw windows: opencv-python-headless cannot."""
    return not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def why_headless() -> str:
    """Why no window can be opened, or "". Asked first: OpenCV may abort instead."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if not has_windows():
        return "this OpenCV has no windows"
    if sys.platform.startswith("linux") and not any(map(os.environ.get, displays)):
        return "no display"
    return ""


def load(arguments: argparse.Namespace) -> Predictor:
    """The model as a predictor, with a word on what runs."""
    predictor = open_predictor(
        arguments.model,
        *(arguments.engine, arguments.threads, arguments.delegate, arguments.require),
    )
    engine = predictor.engine
    if engine.input.dtype.kind == "f":
        say("its input is floating point: values are scaled to -1..1")
    height, width = engine.size
    say(f"{describe(engine)}, input {height}x{width}")
    return predictor


def smoother_of(arguments: argparse.Namespace, task: str) -> Optional[Smoother]:
    """What --steady asks for. Raises InputError for a task that has nothing such."""
    if not arguments.steady:
        return None
    if task not in SMOOTHERS:
        raise InputError(
            f"--steady: is not for models of the task {task}; leave it out"
        )
    return SMOOTHERS[task](arguments.steady)


def background_of(text: str) -> Background:
    """What --background names. Raises InputError for what is none."""
    if text == "blur":
        return blurred
    digits = text.lstrip("#")
    if len(digits) == 6 and set(digits.lower()) <= set("0123456789abcdef"):
        bgr = bytes.fromhex(digits)[::-1]
        return lambda frame: np.full_like(frame, np.frombuffer(bgr, np.uint8))
    if not Path(text).is_file():
        raise InputError(f"--background {text}: is neither blur, RRGGBB nor a picture")
    picture = cv2.cvtColor(read_image(Path(text)), cv2.COLOR_RGB2BGR)
    return lambda frame: center_crop(picture, frame.shape[:2])


def classes_of(names: str, info: ModelInfo) -> frozenset[int]:
    """'person,car' -> their ids. Raises InputError for a name that the model lacks."""
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in info.class_names]
    if unknown:
        known = ", ".join(info.class_names[:30])
        raise InputError(f"--keep {unknown[0]}: the model's classes are {known}")
    return frozenset(info.class_names.index(name) for name in wanted)


def view_of(arguments: argparse.Namespace, info: ModelInfo) -> View:
    """The options as a View; before a background no colours are laid over."""
    opacity = arguments.opacity
    if opacity is None:
        opacity = 0.0 if arguments.background else 0.5
    return View(
        opacity=opacity,
        outlines=arguments.outlines,
        background=background_of(arguments.background) if arguments.keep else None,
        keep=classes_of(arguments.keep, info) if arguments.keep else frozenset(),
        keys=not arguments.headless,
    )


def door_of(arguments: argparse.Namespace) -> Optional[Listener]:
    """The address of --serve, taken now. Raises InputError where it cannot be."""
    if not arguments.serve:
        if arguments.token is not None:
            raise InputError("--token: is for --serve, which is missing")
        return None
    if not find_spec("tornado"):
        raise InputError("--serve: needs Tornado: pip install 'tornado>=6.2,<7'")
    arguments.headless = True
    return listen(arguments.serve, arguments.token)


def sinks_of(
    arguments: argparse.Namespace,
    source: Source,
    info: ModelInfo,
    controls: Controls,
    door: Optional[Listener],
) -> list[Any]:
    """Everything that takes the frames, each as in edge.display.sinks."""
    sinks: list[Any] = []
    if arguments.record:
        sinks.append(Recording(arguments.record, source.fps))
    if arguments.masks:
        sinks.append(Masks(arguments.masks, info))
    if arguments.frames_json:
        sinks.append(FrameLines(arguments.frames_json, info))
    behind = controls.view.background
    if door:
        from edge.display.web.server import Web

        sinks.append(Web(door, controls, info, behind, source))
        say(f"view {door.url}")
    if not arguments.headless:
        sinks.append(Window(controls, info, behind, source.still))
    return sinks


def statistics(live: CameraLoop) -> dict[str, Any]:
    """What --stats writes; `fps` counts the whole loop. What did not run took 0 ms."""
    engine = live.predictor.engine
    none = {stage: {"p50": 0.0, "p95": 0.0} for stage in STAGES}
    return {
        "frames": live.rate.count,
        "dropped": live.dropped,
        "fps": round(live.rate.fps, 3),
        "engine": engine.name,
        "threads": engine.threads,
        "stage_millis": {**none, **live.predictor.stages.summary()},
    }


def table(stats: dict[str, Any]) -> str:
    """The statistics for people."""
    dropped = f", {stats['dropped']} dropped" if stats["dropped"] else ""
    rows = [f"{stats['frames']} frames{dropped}, {stats['fps']:.1f} per second"]
    rows.append(f"{'stage':<12} {'p50 ms':>8} {'p95 ms':>8}")
    for stage, times in stats["stage_millis"].items():
        rows.append(f"{stage:<12} {times['p50']:8.1f} {times['p95']:8.1f}")
    return "\n".join(rows)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def check_model(path: Path) -> None:
    """Raises InputError where there is no such file."""
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; name a model in it, {path}/int8.tflite say"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such model file")


def main(argv: Optional[Sequence[str]] = None) -> int:
    arguments = parse(argv)
    if arguments.masks:
        make_folder(arguments.masks)
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's & ignores the first
        signal.signal(ending, interrupt)
    door = door_of(arguments)
    check_model(arguments.model)  # before a camera is blamed
    options = CameraOptions(
        arguments.camera_size, arguments.camera_fps, arguments.camera_format
    )
    status = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_source(arguments.source, options))
        if arguments.record:
            Recorder(arguments.record, source.fps)  # refuses now what it cannot write
        if not arguments.headless and why_headless():
            arguments.headless = True
            say(f"{why_headless()}: running headless (--record, --masks keep frames)")
        predictor = load(arguments)
        controls = Controls(view_of(arguments, predictor.info))
        sinks = sinks_of(arguments, source, predictor.info, controls, door)
        for sink in sinks:
            stack.enter_context(closing(sink))
        say(f"source {source.name}")
        smooth = smoother_of(arguments, predictor.info.task)
        live = CameraLoop(source, predictor, sinks, controls, smooth)
        try:
            live.run(arguments.max_frames)
        except KeyboardInterrupt:
            status = 0 if source.endless else 130
    stats = statistics(live)
    print(table(stats))
    if arguments.stats:
        write_text(arguments.stats, json.dumps(stats, indent=1) + "\n")
    return status

"""Segment live video, or find objects in it, on this device.

  kseg live saved_models/RUN/int8.tflite --source 0
  kseg live MODEL --source street.mp4 --headless --record out.mp4
  kseg live MODEL --source rtsp://camera/stream --steady 5
  kseg live --model nuclei --source photos/ --masks found
  kseg live MODEL --serve 0.0.0.0:8080

On a board without kseg it is `python edge/camera_demo.py`, with the same options.
Keys in the window: q or Esc quits, space pauses, h lists all keys.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from edge.app.camera_options import parse
from edge.app.loop import CameraLoop
from edge.app.object_options import (
    check_task_options,
    counter_of,
    decoder_changes,
    smoother_of,
)
from edge.app.shipped import shipped_model
from edge.app.stats import statistics, table
from edge.core.errors import InputError
from edge.core.files import make_folder, write_json
from edge.core.images import read_image
from edge.core.log import say
from edge.core.system import LINUX, handle_signals
from edge.display.draw import blurred, center_crop
from edge.display.sinks import Controls, FrameLines, Masks, Recording
from edge.display.view import Background, View
from edge.display.web.access import Listener, listen
from edge.display.window import Window
from edge.engines.select import describe
from edge.model_file.info import ModelInfo
from edge.predict import open_predictor
from edge.predict.base import Predictor
from edge.video.capture import CameraOptions
from edge.video.frames import Source
from edge.video.recorder import Recorder
from edge.video.sources import open_source


def has_windows() -> bool:
    """Whether this OpenCV has windows; opencv-python-headless has none."""
    return not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def why_headless() -> str:
    """Why no window can be opened, or "". OpenCV itself may abort the process."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if not has_windows():
        return "this OpenCV has no window support"
    if LINUX and not any(map(os.environ.get, displays)):
        return "no display"
    return ""


def load(arguments: argparse.Namespace) -> Predictor:
    """Open the model as a predictor, and log its engine."""
    predictor = open_predictor(
        arguments.model,
        *(arguments.engine, arguments.threads, arguments.delegate, arguments.require),
    )
    check_task_options(arguments, predictor.info.task)
    changes = decoder_changes(arguments)
    if changes:
        predictor = predictor.with_decoder(changes)
    engine = predictor.engine
    if engine.input.dtype.kind == "f":
        say("floating-point input: pixel values are scaled to -1..1")
    height, width = engine.size
    say(f"{describe(engine)}, input {height}x{width}")
    return predictor


def background_of(text: str) -> Background:
    """Parse --background. Raises InputError if it is invalid."""
    if text == "blur":
        return blurred
    digits = text.lstrip("#")
    if len(digits) == 6 and set(digits.lower()) <= set("0123456789abcdef"):
        bgr = bytes.fromhex(digits)[::-1]
        return lambda frame: np.full_like(frame, np.frombuffer(bgr, np.uint8))
    if not Path(text).is_file():
        raise InputError(f"--background {text}: not blur, RRGGBB or an image file")
    image = cv2.cvtColor(read_image(Path(text)), cv2.COLOR_RGB2BGR)
    return lambda frame: center_crop(image, frame.shape[:2])


def classes_of(names: str, info: ModelInfo) -> frozenset[int]:
    """'person,car' -> their class ids. Raises InputError for an unknown class.

    A name that contains a comma is quoted, as in a CSV file: '"car, parked",person'.
    """
    try:
        (row,) = csv.reader([names], skipinitialspace=True)
    except csv.Error:  # a line end
        raise InputError(
            f"--keep {names!r}: not names with commas between them; write person,car"
        ) from None
    wanted = [name.strip() for name in row]
    unknown = [name for name in wanted if name not in info.class_names]
    if unknown:
        known = ", ".join(info.class_names[:30])
        raise InputError(f"--keep {unknown[0]}: unknown class; the model has {known}")
    return frozenset(info.class_names.index(name) for name in wanted)


def view_of(arguments: argparse.Namespace, info: ModelInfo) -> View:
    """The View of the options; with a background the default opacity is 0."""
    opacity = arguments.opacity
    if opacity is None:
        opacity = 0.0 if arguments.background else 0.5
    return View(
        opacity=opacity,
        outlines=arguments.outlines,
        background=background_of(arguments.background) if arguments.keep else None,
        keep=classes_of(arguments.keep, info) if arguments.keep else frozenset(),
        keys=not arguments.headless,
        masks=not arguments.no_masks,
        boxes=not arguments.no_boxes,
        color_by=arguments.color_by or "class",
        line=arguments.count_line,
    )


def listener_of(arguments: argparse.Namespace) -> Optional[Listener]:
    """Open the socket of --serve. Raises InputError if that fails."""
    if not arguments.serve:
        if arguments.token is not None:
            raise InputError("--token needs --serve")
        return None
    if not find_spec("tornado"):
        raise InputError("--serve needs Tornado; pip install 'tornado>=6.2,<7'")
    arguments.headless = True
    return listen(arguments.serve, arguments.token)


def sinks_of(
    arguments: argparse.Namespace,
    source: Source,
    info: ModelInfo,
    controls: Controls,
    listener: Optional[Listener],
) -> list[Any]:
    """The sinks of the options; see edge.display.sinks."""
    sinks: list[Any] = []
    if arguments.record:
        sinks.append(Recording(arguments.record, source.fps))
    if arguments.masks:
        sinks.append(Masks(arguments.masks, info))
    if arguments.frames_json:
        lines = FrameLines(arguments.frames_json, info, arguments.polygons)
        sinks.append(lines)
    background = controls.view.background
    if listener:
        from edge.display.web.server import Web

        sinks.append(Web(listener, controls, info, background, source))
        say(f"view {listener.url}")
    if not arguments.headless:
        sinks.append(Window(controls, info, background, source.still))
    return sinks


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def check_model(path: Path) -> None:
    """Raises InputError if the file does not exist or is of another kind."""
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; give a model file in it, such as {path}/int8.tflite"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    if path.suffix.lower() not in (".tflite", ".onnx"):
        raise InputError(f"{path}: not a .tflite or .onnx file; kseg export writes one")


def main(argv: Optional[Sequence[str]] = None, program: str = "camera_demo.py") -> int:
    """The camera loop; `program` is how it was called, for its help."""
    arguments = parse(argv, program, __doc__)
    if arguments.masks:
        make_folder(arguments.masks)
    handle_signals(interrupt, "SIGINT", "SIGTERM")  # a shell's & ignores SIGINT
    listener = listener_of(arguments)
    if arguments.shipped:
        arguments.model = shipped_model(arguments.shipped)
    check_model(arguments.model)  # before the camera is opened
    options = CameraOptions(
        arguments.camera_size, arguments.camera_fps, arguments.camera_format
    )
    status = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_source(arguments.source, options))
        if arguments.record:
            Recorder(arguments.record, source.fps)  # fails early
        if not arguments.headless and why_headless():
            arguments.headless = True
            say(f"{why_headless()}: running headless (--record, --masks save frames)")
        predictor = load(arguments)
        controls = Controls(view_of(arguments, predictor.info))
        sinks = sinks_of(arguments, source, predictor.info, controls, listener)
        for sink in sinks:
            stack.enter_context(closing(sink))
        say(f"source {source.name}")
        smooth, stage = smoother_of(arguments, predictor.info.task)
        counter = counter_of(arguments)
        live = CameraLoop(source, predictor, sinks, controls, smooth, counter, stage)
        try:
            live.run(arguments.max_frames)
        except KeyboardInterrupt:
            status = 0 if source.endless else 130
    stats = statistics(live)
    print(table(stats))
    if arguments.stats:
        write_json(arguments.stats, stats)
    return status

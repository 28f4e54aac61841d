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
import os
import re
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import cv2
import numpy as np

from edge.app.camera_options import parse
from edge.app.capture import capture_of
from edge.app.capture_options import check_capture
from edge.app.class_names import class_ids
from edge.app.event_options import check_webhook, event_sinks, watch_of
from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.app.mqtt_options import check_mqtt, mqtt_sinks
from edge.app.object_options import (
    check_task_options,
    counter_of,
    decoder_changes,
    smoother_of,
)
from edge.app.shipped import shipped_model
from edge.app.stats import statistics, table
from edge.app.zone_saving import zone_store_of
from edge.core.errors import GateFailed, InputError
from edge.core.files import make_folder, write_json
from edge.core.images import read_image
from edge.core.interrupts import STOPPED, Interrupt
from edge.core.log import say, show
from edge.core.system import LINUX, handle_signals
from edge.display.draw import blurred, center_crop
from edge.display.sinks import Controls, FrameLines, Masks, Recording
from edge.display.view import Background, View
from edge.display.web.access import Listener, listen
from edge.display.window import Window
from edge.engines.select import describe
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo, made_by_others
from edge.model_file.reading import reading_of
from edge.predict import open_predictor
from edge.predict.base import Predictor
from edge.video.capture import CameraOptions
from edge.video.frames import Source
from edge.video.sources import open_source


def has_windows() -> bool:
    """Whether this OpenCV has windows; opencv-python-headless has none."""
    return not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def why_headless() -> str:
    """Why no window can be opened, or "". OpenCV itself may abort the process."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if not has_windows():
        return "this OpenCV has no windows"
    if LINUX and not any(map(os.environ.get, displays)):
        return "no display"
    return ""


def other_views() -> str:
    """What shows or saves the view where there is no window."""
    views = "--serve 8080 shows it in a browser, --record and --masks save frames"
    if not has_windows():
        views += "; for windows: pip uninstall -y opencv-python-headless, then "
        views += "pip install opencv-python"
    return views


def load(arguments: argparse.Namespace) -> Predictor:
    """Open the model as a predictor, and log its engine."""
    predictor = open_predictor(
        arguments.model,
        *(arguments.engine, arguments.threads, arguments.delegate, arguments.require),
        given=reading_of(arguments),
    )
    check_task_options(arguments, predictor.info.task)
    changes = decoder_changes(arguments)
    if changes:
        predictor = predictor.with_decoder(changes)
    engine = predictor.engine
    if engine.input.dtype.kind == "f" and not made_by_others(predictor.info):
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
    """'person,car' -> their class ids. Raises InputError for an unknown class."""
    return class_ids(names, info.class_names, "--keep")


def view_of(arguments: argparse.Namespace, info: ModelInfo) -> View:
    """The View of the options; with a background the default opacity is 0."""
    opacity = arguments.opacity
    if opacity is None:
        opacity = 0.0 if arguments.background else 0.5
    return View(
        opacity=opacity,
        outlines=arguments.outlines,
        legend=not arguments.no_legend,
        background=background_of(arguments.background) if arguments.keep else None,
        keep=classes_of(arguments.keep, info) if arguments.keep else frozenset(),
        keys=not arguments.headless,
        masks=not arguments.no_masks,
        boxes=not arguments.no_boxes,
        color_by=arguments.color_by or "class",
        line=arguments.count_line,
        captures=bool(arguments.capture),
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


def recordings_of(arguments: argparse.Namespace, source: Source) -> list[Any]:
    """The sink of --record, if it is given; opened early, as it may be refused."""
    if not arguments.record:
        return []
    there = arguments.record.exists()
    recording = Recording(arguments.record, source.fps)
    if there:
        say(f"--record {arguments.record}: replaces the recording that is there")
    return [recording]


def sinks_of(
    arguments: argparse.Namespace,
    source: Source,
    info: ModelInfo,
    controls: Controls,
    listener: Optional[Listener],
    watch: Optional[Watch] = None,
) -> Iterator[Any]:
    """The sinks of the options; see edge.display.sinks."""
    if arguments.masks:
        yield Masks(arguments.masks, info)
    if arguments.frames_json:
        yield FrameLines(arguments.frames_json, info, arguments.polygons)
    if arguments.capture:
        yield capture_of(arguments, source, info, controls)
    background = controls.view.background
    if listener:
        from edge.display.web.server import Web

        zones = zone_store_of(arguments, watch, info, controls)
        yield Web(listener, controls, info, background, source, zones)
        say_link(listener, arguments.token)
    if not arguments.headless:
        yield Window(controls, info, background, source.still)


def close_all(sinks: Sequence[Any]) -> None:
    """Close all sinks in their order, also after one has failed; then raise its error.

    Files come first: whoever stops the program, such as systemd, may not wait for a
    network that is gone.
    """
    with ExitStack() as stack:
        for sink in reversed(sinks):  # the stack calls the last one first
            stack.callback(sink.close)


def say_link(listener: Listener, given: Optional[str]) -> None:
    """Print the link of the page, with the token unless the user has chosen it."""
    if given:
        say(f"view {listener.url}")  # a log is no place for it
    else:
        show(f"view {listener.url}")


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
    no_window = arguments.headless or arguments.serve or why_headless()
    check_capture(arguments, bool(no_window))
    for folder in filter(None, (arguments.masks, arguments.capture)):
        make_folder(folder)
    # A shell's & ignores SIGINT.
    handle_signals(Interrupt(), "SIGINT", "SIGTERM")
    check_webhook(arguments)
    check_mqtt(arguments)
    listener = listener_of(arguments)
    if arguments.shipped:
        arguments.model = shipped_model(arguments.shipped)
    check_model(arguments.model)  # before the camera is opened
    live: Optional[CameraLoop] = None
    failure: Optional[Exception] = None
    status = 0
    try:
        with ExitStack() as stack:
            live = open_loop(arguments, listener, stack)
            live.run(arguments.max_frames)
    except KeyboardInterrupt:
        if live is None:
            raise
        status = 0 if live.endless else STOPPED
    except (InputError, GateFailed, OSError) as error:
        if live is None or not live.rate.count:
            raise
        failure = error  # the frames before it are measured all the same
    finish(live, arguments, failure)
    return status


def open_loop(
    arguments: argparse.Namespace, listener: Optional[Listener], stack: ExitStack
) -> CameraLoop:
    """The loop of the options; `stack` closes its source and sinks."""
    options = CameraOptions(
        arguments.camera_size, arguments.camera_fps, arguments.camera_format
    )
    source = stack.enter_context(open_source(arguments.source, options))
    sinks: list[Any] = []
    stack.callback(close_all, sinks)  # also if a further one cannot be opened
    sinks += recordings_of(arguments, source)
    if not arguments.headless and why_headless():
        arguments.headless = True
        say(f"{why_headless()}: running headless ({other_views()})")
    predictor = load(arguments)
    watch = watch_of(arguments, predictor.info, source)
    view = view_of(arguments, predictor.info)
    controls = Controls(replace(view, zones=watch.zones) if watch else view)
    for sink in chain(
        sinks_of(arguments, source, predictor.info, controls, listener, watch),
        event_sinks(arguments, watch, source),
        mqtt_sinks(arguments, watch, source, predictor.info),
    ):
        sinks.append(sink)
    say(f"source {source.name}")
    smooth, stage = smoother_of(arguments, predictor.info.task)
    counter = counter_of(arguments)
    steps = smooth, counter, stage
    return CameraLoop(Feed(source, predictor, sinks, controls, *steps, watch=watch))


def finish(
    live: CameraLoop, arguments: argparse.Namespace, failure: Optional[Exception]
) -> None:
    """Write the statistics, then print them, then raise the failure, if any."""
    stats = statistics(live)
    try:
        if arguments.stats:
            write_json(arguments.stats, stats)
        print(table(stats))
    except OSError:
        if not failure:
            raise
    if failure:
        raise failure

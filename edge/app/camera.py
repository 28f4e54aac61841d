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
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from edge.app.camera_options import parse
from edge.app.capture_options import check_capture
from edge.app.class_names import class_ids
from edge.app.event_options import check_webhook
from edge.app.feeds import (
    OpenSinks,
    Part,
    add_event_sinks,
    add_file_sinks,
    add_watches,
    feeds_of,
    recordings_of,
)
from edge.app.loop import CameraLoop
from edge.app.mqtt_options import check_mqtt
from edge.app.object_options import check_task_options, decoder_changes
from edge.app.opening import open_sources
from edge.app.per_source import options_of
from edge.app.shipped import shipped_model
from edge.app.stats import statistics, table
from edge.app.zone_saving import zone_store_of
from edge.core.constants import MODEL_SUFFIXES
from edge.core.errors import GateFailed, InputError
from edge.core.files import make_folder, write_json
from edge.core.images import read_image
from edge.core.interrupts import STOPPED, Interrupt
from edge.core.log import say, show
from edge.core.system import LINUX, handle_signals
from edge.display.draw import blurred, center_crop
from edge.display.sinks import Controls
from edge.display.view import Background, View
from edge.display.web.access import Listener, listen
from edge.display.window import Window
from edge.engines.select import describe
from edge.model_file.info import ModelInfo, made_by_others
from edge.model_file.reading import reading_of
from edge.predict import open_predictor
from edge.predict.base import Predictor


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


def add_views(
    sinks: OpenSinks,
    arguments: argparse.Namespace,
    info: ModelInfo,
    listener: Optional[Listener],
) -> None:
    """Open what shows the frames: the browser view, or a window."""
    if listener:
        from edge.display.web.server import Web

        sinks.add_own(lambda part: [shown_source(part, info)])
        sinks.closing.append(Web(listener, *(part.sinks[-1] for part in sinks.parts)))
        say_link(listener, arguments.token)
    if not arguments.headless:
        controls = {part.name: part.controls for part in sinks.parts}
        background = sinks.parts[0].controls.view.background
        still = all(part.source.still for part in sinks.parts)
        sinks.add_shared([Window(controls, info, background, still)])


def shown_source(part: Part, info: ModelInfo) -> Any:
    """What the browser view has of a source."""
    from edge.display.web.shown_source import ShownSource

    zones = zone_store_of(part.options, part.watch, info, part.controls)
    background = part.controls.view.background
    return ShownSource(
        *(part.controls, info, background, part.source, zones), name=part.name
    )


def close_all(sinks: Sequence[Any]) -> None:
    """Close all sinks in their order, also after one has failed; then raise its error.

    Files come first: whoever stops the program, such as systemd, may not wait for a
    network that is gone. Sinks with `begin_closing` send together, not one by one.
    """
    for sink in sinks:
        if hasattr(sink, "begin_closing"):
            sink.begin_closing()
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
        files = [*sorted(path.glob("*.tflite")), *sorted(path.glob("*.onnx"))]
        chosen = min(files, key=lambda file: file.stem != "int8", default=None)
        way = f"give its file {chosen}" if chosen else "kseg export writes model files"
        raise InputError(f"{path}: is a folder; {way}")
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    if path.suffix.lower() not in MODEL_SUFFIXES:
        raise InputError(f"{path}: not a .tflite or .onnx file; kseg export writes one")


def main(argv: Optional[Sequence[str]] = None, program: str = "camera_demo.py") -> int:
    """The camera loop; `program` is how it was called, for its help."""
    arguments = parse(argv, program, __doc__)
    no_window = bool(arguments.headless or arguments.serve or why_headless())
    check_capture(arguments, no_window)
    for own in options_of(arguments):
        for folder in filter(None, (own.masks, own.capture)):
            make_folder(folder)
    # A shell's & ignores SIGINT.
    interrupt = Interrupt()
    handle_signals(interrupt, "SIGINT", "SIGTERM")
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
            live.run(arguments.max_frames, lambda: interrupt.seen)
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
    """The loop of the options; `stack` closes its sources and sinks."""
    each = options_of(arguments)
    sources = open_sources(each, stack)
    for own, source in zip(each, sources):
        source.given = own.given.name
    parts = [Part(*pair, Controls(View())) for pair in zip(each, sources)]
    for part in parts if len(parts) > 1 else ():
        part.name = part.source.given
    closing: list[Any] = []
    stack.callback(close_all, closing)  # also if a further one cannot be opened
    sinks = OpenSinks(parts, closing)
    sinks.add_own(lambda part: recordings_of(part.options, part.source))
    if not arguments.headless and why_headless():
        arguments.headless = True
        say(f"{why_headless()}: running headless ({other_views()})")
    predictor = load(arguments)
    add_watches(parts, predictor.info)
    view = view_of(arguments, predictor.info)
    for part in parts:
        zones = part.watch.zones if part.watch else ()
        part.controls.view = replace(view, zones=zones)
    add_file_sinks(sinks, arguments, predictor.info)
    if listener or not arguments.headless:
        add_views(sinks, arguments, predictor.info, listener)
    add_event_sinks(sinks, arguments, predictor.info)
    for source in sources:
        given = f"{source.given}: " if source.given else ""
        say(f"source {given}{source.name}")
    return CameraLoop(*feeds_of(parts, arguments, predictor))


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

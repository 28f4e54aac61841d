"""The options of the camera loop, in groups."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Optional, Sequence, Tuple

from edge.app.capture_options import add_capture
from edge.app.event_options import add_events
from edge.app.given_source import given_sources
from edge.app.mqtt_options import add_mqtt
from edge.app.output_check import check_outputs
from edge.app.per_source import zones_by_source
from edge.app.shipped import SHIPPED
from edge.core.arguments import Parser, positive, share, size, thread_count, writable
from edge.core.constants import ENGINES
from edge.model_file import reading_help


def fourcc(text: str) -> str:
    """Parse the four letters of a pixel format, for `type=`."""
    if len(text) != 4:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a pixel format of four letters, such as MJPG"
        )
    return text.upper()


def vote_count(text: str) -> int:
    """Parse an integer from 1 to 99, for `type=`."""
    if positive(text) > 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to 99")
    return int(text)


def counting_line(text: str) -> Tuple[str, float]:
    """Parse a line such as y=0.5, for `type=`: its axis and its position in (0, 1)."""
    from edge.predict.counting import parse_line

    return parse_line(text)


def parse(
    argv: Optional[Sequence[str]], program: str, doc: Optional[str]
) -> argparse.Namespace:
    """Parse the command line. Raises InputError for invalid options."""
    parser = new_parser(program, doc)
    arguments = parser.parse_args(argv)
    if bool(arguments.model) == bool(arguments.shipped):
        parser.error("give a model file, or --model with the name of a shipped model")
    if bool(arguments.background) != bool(arguments.keep):
        parser.error("--background and --keep need each other; give both")
    for option, given, needed in (
        ("--count-line", arguments.count_line, "track"),
        ("--color-by track", arguments.color_by == "track", "track"),
        ("--polygons", arguments.polygons, "frames_json"),
        ("--every", arguments.every, "capture"),
        ("--capture-limit", arguments.capture_limit, "capture"),
    ):
        if given and not getattr(arguments, needed):
            parser.error(f"{option} needs --{needed.replace('_', '-')}; give both")
    arguments.sources = given_sources(arguments.source, arguments.source_file)
    found = zones_by_source(arguments.zone_files, arguments.sources)
    arguments.zones, arguments.zones_of = found
    check_outputs(arguments)
    return arguments


def new_parser(program: str, doc: Optional[str]) -> Parser:
    """The argument parser; `doc` is None under `python -OO`."""
    parser = Parser(program, doc and doc.strip())
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="a .tflite or .onnx file; without it give --model",
    )
    add_source(parser)
    add_engine(parser)
    add_reading(parser)
    add_view(parser)
    add_objects(parser)
    add_tracking(parser)
    add_events(parser)
    add_mqtt(parser)
    add_output(parser)
    add_capture(parser)
    parser.add_help_options("General")
    return parser


def add_source(parser: Parser) -> None:
    """Add the options of the frame source."""
    add = partial(parser.option, "Source")
    add(
        "--source",
        basic=True,
        action="append",
        metavar="SOURCE",
        help="camera number, csi[:N] (Jetson), picamera (Raspberry Pi), video, image, "
        "folder of images, address of a stream, GStreamer pipeline, or shapes: a "
        "generated scene (default 0); several --source NAME=SOURCE take turns",
    )
    add(
        "--source-file",
        type=Path,
        metavar="FILE",
        help="a file with a source in each line: there no other user sees an address "
        "with a password; the variable KSEG_SOURCE does as well",
    )
    add(
        "--camera-size",
        basic=True,
        type=size,
        metavar="HxW",
        help="requested frame size in pixels; default: the camera's own",
    )
    add(
        "--camera-fps",
        type=positive,
        metavar="N",
        help="requested frames per second; default: the camera's own",
    )
    add(
        "--camera-format",
        type=fourcc,
        metavar="MJPG",
        help="requested pixel format; default: the camera's own",
    )


def add_engine(parser: Parser) -> None:
    """Add the options of a shipped model and of the inference engine."""
    add = partial(parser.option, "Model and engine")
    add(
        "--model",
        basic=True,
        dest="shipped",
        metavar="NAME",
        help=f"a model that comes with kseg: {', '.join(SHIPPED)}",
    )
    add(
        "--engine",
        basic=True,
        default="auto",
        choices=ENGINES,
        metavar="NAME",
        help=f"inference engine: {', '.join(ENGINES)} (default auto)",
    )
    add(
        "--threads",
        basic=True,
        type=thread_count,
        metavar="N",
        help="number of threads; default: one per processor",
    )
    add(
        "--delegate",
        metavar="PATH",
        help="library of a TFLite delegate, or name of an ONNX Runtime provider",
    )
    add(
        "--require",
        action="store_true",
        help="exit with status 3 if the engine or delegate does not run the model",
    )


def add_reading(parser: Parser) -> None:
    """Add the options of model files that kseg did not export."""
    add = partial(parser.option, reading_help.TITLE)
    add("--classes", basic=True, metavar="NAMES", help=reading_help.CLASSES)
    add("--normalize", metavar="HOW", help=reading_help.NORMALIZE)
    add("--order", metavar="RGB|BGR", help=reading_help.ORDER)
    add("--layout", metavar="NHWC|NCHW", help=reading_help.LAYOUT)
    add("--output-name", metavar="NAME", help=reading_help.OUTPUT_NAME)
    add("--input-size", type=size, metavar="HxW", help=reading_help.INPUT_SIZE)
    add(
        "--threshold",
        type=share,
        metavar="SHARE",
        help=reading_help.THRESHOLD,
    )


def add_view(parser: Parser) -> None:
    """Add the options of the view."""
    add = partial(parser.option, "View")
    add("--headless", basic=True, action="store_true", help="do not open a window")
    add(
        "--serve",
        basic=True,
        metavar="[HOST:]PORT",
        help="show the view in browsers instead of a window; without HOST on this "
        "machine only, 0.0.0.0 is for all machines and needs a token",
    )
    add("--token", help="access token of --serve; default: random for other machines")
    add(
        "--opacity",
        type=share,
        metavar="SHARE",
        help="opacity of the class colours, 0 to 1 (default 0.5; 0 with --background)",
    )
    add("--outlines", action="store_true", help="draw the boundaries of the classes")
    add("--no-legend", action="store_true", help="do not draw the list of classes")
    add(
        "--background",
        basic=True,
        metavar="blur|COLOR|FILE",
        help="replace all but the classes of --keep: blur, a colour such as 00b140, an "
        "image",
    )
    add(
        "--keep",
        basic=True,
        metavar="NAMES",
        help="classes that --background keeps, with commas; '\"car, parked\",person' "
        "are two",
    )
    add(
        "--steady",
        basic=True,
        type=vote_count,
        metavar="N",
        help="vote of the last N frames on each pixel, N // 2 late; for boxes with "
        "--track, any N",
    )


def add_objects(parser: Parser) -> None:
    """Add the options of models that find objects."""
    add = partial(parser.option, "Objects")
    default = "default: the model's own"
    add(
        "--score",
        basic=True,
        type=share,
        metavar="SHARE",
        help="least score of an object; default: the model's own, 0.5 with --track",
    )
    add(
        "--nms",
        type=share,
        metavar="SHARE",
        help="of boxes of a class that overlap more, as intersection over union, the "
        f"best remains; {default}",
    )
    add(
        "--max-objects",
        type=positive,
        metavar="N",
        help=f"most objects in a frame; {default}",
    )
    add("--no-boxes", action="store_true", help="do not draw boxes and their labels")
    add("--no-masks", action="store_true", help="do not draw the masks of objects")
    add(
        "--polygons",
        action="store_true",
        help="add the outline of each object to --frames-json",
    )


def add_tracking(parser: Parser) -> None:
    """Add the options of objects that are followed from frame to frame."""
    add = partial(parser.option, "Objects")
    add(
        "--track",
        basic=True,
        action="store_true",
        help="give each object a number that it keeps from frame to frame",
    )
    add(
        "--count-line",
        type=counting_line,
        metavar="y=SHARE",
        help="count tracked objects that cross a line: y=0.5 at half of the height, or "
        "x=0.5",
    )
    add(
        "--color-by",
        choices=("class", "track"),
        metavar="class|track",
        help="what decides the colour of an object (default class)",
    )


def add_output(parser: Parser) -> None:
    """Add the options of output files."""
    add = partial(parser.option, "Output")
    file = {"type": writable, "metavar": "FILE"}
    add("--record", basic=True, help="write the view to a video file", **file)
    add(
        "--masks",
        basic=True,
        type=Path,
        metavar="DIR",
        help="write each frame's result: labels or numbers of objects as PNG, boxes as "
        "JSON",
    )
    add(
        "--frames-json",
        help="write one line of JSON per frame: times in ms, and shares of the classes "
        "or objects",
        **file,
    )
    add(
        "--stats",
        basic=True,
        help="write the times of the stages as JSON, in ms",
        **file,
    )
    add(
        "--max-frames",
        basic=True,
        type=positive,
        metavar="N",
        help="stop after N frames, of all sources; default: no limit",
    )

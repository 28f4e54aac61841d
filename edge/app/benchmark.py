"""Measures a model on this device: the network alone, each stage, the whole loop.

    python edge/benchmark.py MODEL --source street.mp4
    python edge/benchmark.py MODEL --engines cpu,gpu --threads 1,4 --json board.json
    python edge/benchmark.py MODEL --source street.mp4 --live-fps 60

In each round, every engine is measured with every number of threads: the network alone,
then the loop of camera_demo.py. The results are medians over the rounds; ratios are
taken within a round. Processor time is the work of all processors for one frame. Unlike
frames per second, it hardly depends on other load on the machine. "decoding" is the
part of it that reading the source takes.

`--live-fps` plays the frames like a camera that does not wait, with a timestamp in the
first pixels, and reports how old frames are when they are shown.

`python -m benchmarks mediapipe` compares the same measurements with MediaPipe.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, Optional, Sequence

import numpy as np

from edge.app.benchmark_engines import open_all
from edge.app.benchmark_table import table
from edge.app.environment import engine_record, environment
from edge.app.measure import (
    MIN_FRAMES,
    Figures,
    SourceOpener,
    decoding,
    medians,
    network_alone,
    repeated_frames,
    stamped_frames,
    whole_loop,
)
from edge.core.arguments import Parser, positive, writable
from edge.core.constants import ENGINES
from edge.core.errors import InputError
from edge.core.files import write_json
from edge.core.log import say
from edge.core.redaction import redact
from edge.model_file.info import made_by_others
from edge.model_file.metadata import info_of, kept_reading
from edge.predict.assumptions import assumptions
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from edge.video.frames import Source
from edge.video.sources import open_source

MAX_FRAMES = 20  # kept in memory, for sources that are not reopened


def frames(text: str) -> int:
    """Parse the number of frames, for `type=`."""
    if positive(text) < MIN_FRAMES:
        raise argparse.ArgumentTypeError(
            f"{text} is too few; use at least {MIN_FRAMES}"
        )
    return int(text)


def counts(text: str) -> list[int]:
    """Parse '1,2' -> [1, 2], for `type=`."""
    return [positive(part.strip()) for part in text.split(",")]


def engine_names(text: str) -> list[str]:
    """Parse 'cpu,gpu' -> ['cpu', 'gpu'], for `type=`."""
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in ENGINES:
            raise argparse.ArgumentTypeError(
                f"{name!r} is not one of {', '.join(ENGINES)}"
            )
    return names


class MovedOption(argparse.Action):
    """Rejects a former option and names the command that replaces it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, name: Any) -> NoReturn:
        raise InputError(
            f"{name}: removed; compare with MediaPipe by "
            "python -m benchmarks mediapipe MODEL --source VIDEO --python PYTHON"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that benchmarks/mediapipe.py shares."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a .tflite or .onnx file")
    add(
        "--engines",
        type=engine_names,
        metavar="NAMES",
        help=f"engines to measure, comma-separated, of {', '.join(ENGINES)}; "
        "default: all that are installed",
    )
    add(
        "--delegate",
        metavar="PATH",
        help="delegate library or ONNX Runtime provider to measure too",
    )
    add(
        "--threads",
        type=counts,
        metavar="1,2",
        help="numbers of threads, comma-separated; default 1, 2, 4 ... up to the "
        "number of processors",
    )
    add(
        "--frames",
        type=frames,
        default=50,
        metavar="N",
        help="frames per measurement; default 50",
    )
    add(
        "--rounds",
        type=positive,
        default=5,
        metavar="N",
        help="number of rounds; default 5",
    )
    add("--headless", action="store_true", help="do not draw frames")
    add("--json", type=writable, metavar="FILE", help="write the results as JSON")


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser("benchmark.py", __doc__)
    add_options(parser)
    add = parser.add_argument
    add(
        "--source",
        default="shapes",
        help="source of frames, as in camera_demo.py (a camera limits the frames per "
        "second); default shapes, generated in advance",
    )
    add(
        "--live-fps",
        type=positive,
        metavar="N",
        help="play frames like a camera of N frames/s",
    )
    for name in ("--mediapipe", "--mediapipe-model"):
        add(name, action=MovedOption, nargs="?", help=argparse.SUPPRESS)
    parser.add_help_options("General")
    return parser.parse_args(argv)


class Benchmark:
    """The engines to measure, and the frames that they share.

    `arguments` are those of `add_options`, with `source` and `live_fps`. Raises
    InputError or GateFailed if an engine or the source cannot be opened.
    """

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        engines = open_all(arguments)
        info = info_of(arguments.model)
        self.predictors = [predictor_of(engine, info) for engine in engines]
        if made_by_others(info):
            reading = kept_reading(arguments.model)
            say(assumptions(self.predictors[0], reading, arguments.model))
        # Each (H, W, 3) uint8 BGR.
        self.frames = first_frames(arguments.source, MAX_FRAMES)
        self.open_frames = source_opener(arguments, self.frames)
        # Before the first measurement, so that the load is that of other programs.
        self.environment = environment(arguments, engines, self.frames[0])

    def one_round(self) -> list[Figures]:
        """Measure each engine once, in the order of `predictors`."""
        return [self._measure(predictor) for predictor in self.predictors]

    def _measure(self, predictor: Predictor) -> Figures:
        """Measure the network alone, then the loop, and compare them."""
        count = self.arguments.frames
        alone = network_alone(predictor, self.frames[0], count)
        loop = whole_loop(
            *(predictor, self.open_frames, count),
            wants_view=not self.arguments.headless,
            stamped=bool(self.arguments.live_fps),
        )
        overhead = loop["processor_millis"] - alone["processor_millis"]
        in_memory = self.arguments.live_fps or self.arguments.source == "shapes"
        read = (
            {} if in_memory else {"decoding_millis": decoding(self.open_frames, count)}
        )
        return {
            "network": alone,
            "loop": loop,
            "of_network": loop["fps"] / alone["fps"],
            "other_processor_millis": overhead,
            **read,
        }

    def report(self, rounds: Sequence[Sequence[Figures]]) -> dict[str, Any]:
        """The environment, and each engine's medians over the rounds, for the JSON."""
        engines = [
            {**engine_record(predictor.engine), **medians(figures)}
            for predictor, figures in zip(self.predictors, zip(*rounds))
        ]
        return {**self.environment, "engines": engines}


def first_frames(source: str, count: int) -> list[np.ndarray]:
    """The first `count` frames of a source, or all if there are fewer."""
    with open_source(source) as opened:
        return [frame.image for frame in islice(opened.frames, count)]


def source_opener(
    arguments: argparse.Namespace, images: list[np.ndarray]
) -> SourceOpener:
    """A function that opens the source again for each measurement.

    The frames of `shapes` come from memory, so that drawing them is not measured.
    """
    name, fps = arguments.source, arguments.live_fps
    if fps:
        shown = redact(name)
        return lambda: nullcontext(
            Source(stamped_frames(images, fps), shown, fps, True)
        )
    if name == "shapes":
        return lambda: nullcontext(Source(repeated_frames(images), name))
    return lambda: open_source(name)


def bound_on_age(result: Figures, fps: int) -> float:
    """A bound on the age of frames: the interval + 1.5 x (inference + draw), in ms."""
    times = result["loop"]["stage_millis"]
    work = sum(times[stage]["p50"] for stage in ("inference", "draw") if stage in times)
    return round(1e3 / fps + 1.5 * work, 3)


def write_report(path: Optional[Path], report: dict[str, Any]) -> None:
    """Write the report to the file of --json, if given."""
    if path:
        write_json(path, report)


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    benchmark = Benchmark(arguments)
    rounds = [benchmark.one_round() for _ in range(arguments.rounds)]
    report = benchmark.report(rounds)
    if arguments.live_fps:
        for result in report["engines"]:
            result["bound_millis"] = bound_on_age(result, arguments.live_fps)
    write_report(arguments.json, report)
    print(table(report))

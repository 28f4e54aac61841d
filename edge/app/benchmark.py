"""Measures a model on this device: the network alone, each stage, the whole loop.

    python edge/benchmark.py MODEL --source street.mp4
    python edge/benchmark.py MODEL --engines cpu,gpu --threads 1,4 --json board.json
    python edge/benchmark.py MODEL --source street.mp4 --live-fps 60

In each round every engine with every number of threads has its turn, the network alone
and then the loop of camera_demo.py. What is shown are medians over the rounds, ratios
too, each of one round. Processor time is the work of all processors for a frame: it
carries over from a busy machine, where frames per second do not.

`--live-fps` plays the frames as a camera that does not wait, each with the time in its
first pixels, and says how old they are when they are shown.

`python -m benchmarks mediapipe` measures the same in turns with MediaPipe.
"""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Callable, ContextManager, NoReturn, Optional, Sequence

import numpy as np

from edge.app.benchmark_engines import open_all
from edge.app.benchmark_table import table
from edge.app.circumstances import circumstances, described
from edge.app.measure import (
    FEWEST,
    Figures,
    medians,
    network_alone,
    repeated_frames,
    stamped_frames,
    whole_loop,
)
from edge.core.arguments import Parser, positive, writable
from edge.core.constants import ENGINES
from edge.core.errors import InputError
from edge.core.files import write_text
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from edge.video.frames import Source
from edge.video.sources import open_source

HELD = 20  # frames that are kept in memory, of what is not read as it goes

Opening = Callable[[], ContextManager[Source]]


def frames(text: str) -> int:
    """How many frames a turn has, for `type=`."""
    if positive(text) < FEWEST:
        raise argparse.ArgumentTypeError(f"{text} is too few; {FEWEST} or more")
    return int(text)


def counts(text: str) -> list[int]:
    """'1,2' -> [1, 2], for `type=`."""
    return [positive(part.strip()) for part in text.split(",")]


def engine_names(text: str) -> list[str]:
    """'cpu,gpu' -> their names, for `type=`."""
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in ENGINES:
            raise argparse.ArgumentTypeError(
                f"{name!r} is none of {', '.join(ENGINES)}"
            )
    return names


class Moved(argparse.Action):
    """Refuses an option of the comparison with MediaPipe, and says where that is."""

    def __call__(self, parser: Any, namespace: Any, values: Any, name: Any) -> NoReturn:
        raise InputError(
            f"{name}: MediaPipe is measured by a command of its own: "
            "python -m benchmarks mediapipe MODEL --source VIDEO --python PYTHON"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """The model, its engines and their turns; benchmarks/mediapipe.py has them too."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a .tflite or .onnx file")
    add(
        "--engines",
        type=engine_names,
        metavar="NAMES",
        help=f"of {', '.join(ENGINES)}, with commas; default all that are here",
    )
    add("--delegate", metavar="PATH", help="a delegate's library, measured as well")
    add(
        "--threads",
        type=counts,
        metavar="1,2",
        help="numbers of threads; default 1, 2, 4 ... up to all processors",
    )
    add("--frames", type=frames, default=50, metavar="N", help="of a turn; default 50")
    add("--rounds", type=positive, default=5, metavar="N", help="default 5")
    add("--headless", action="store_true", help="draw nothing, as without viewers")
    add("--json", type=writable, metavar="FILE", help="write everything as JSON")


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser("benchmark.py", __doc__)
    add_options(parser)
    add = parser.add_argument
    add(
        "--source",
        default="shapes",
        help="as camera_demo.py's; default shapes, made beforehand. A camera bounds "
        "the frames per second",
    )
    add("--live-fps", type=positive, metavar="N", help="play as a camera of that rate")
    for name in ("--mediapipe", "--mediapipe-model"):
        add(name, action=Moved, nargs="?", help=argparse.SUPPRESS)
    parser.add_help_options("General")
    return parser.parse_args(argv)


class Benchmark:
    """The engines that a command line names, and the frames that all of them see.

    `arguments` are those of `add_options`, with `source` and `live_fps`. Raises
    InputError or GateFailed where an engine or the source does not open.
    """

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        engines = open_all(arguments)
        info = info_of(arguments.model)
        self.predictors = [predictor_of(engine, info) for engine in engines]
        self.kept = first_frames(arguments.source, HELD)  # (H, W, 3) uint8 BGR each
        self.open_frames = opening(arguments, self.kept)
        # Before the first turn: the load is that of others.
        self.circumstances = circumstances(arguments, engines, self.kept[0])

    def one_round(self) -> list[Figures]:
        """The figures of each engine's turn, in the order of `predictors`."""
        return [self._turn(predictor) for predictor in self.predictors]

    def _turn(self, predictor: Predictor) -> Figures:
        """A network alone, then its loop, and what the one is of the other."""
        count = self.arguments.frames
        alone = network_alone(predictor, self.kept[0], count)
        loop = whole_loop(
            *(predictor, self.open_frames, count),
            wants_view=not self.arguments.headless,
            stamped=bool(self.arguments.live_fps),
        )
        other = loop["processor_millis"] - alone["processor_millis"]
        return {
            "network": alone,
            "loop": loop,
            "of_network": loop["fps"] / alone["fps"],
            "other_processor_millis": other,
        }

    def report(self, rounds: Sequence[Sequence[Figures]]) -> dict[str, Any]:
        """Circumstances and, for each engine, medians over the rounds; for the JSON."""
        engines = [
            {**described(predictor.engine), **medians(turns)}
            for predictor, turns in zip(self.predictors, zip(*rounds))
        ]
        return {**self.circumstances, "engines": engines}


def first_frames(source: str, count: int) -> list[np.ndarray]:
    """The first so many frames of a source, or all of one that has fewer."""
    with open_source(source) as opened:
        return [shot.frame for shot in islice(opened.shots, count)]


def opening(arguments: argparse.Namespace, kept: list[np.ndarray]) -> Opening:
    """What opens the source anew for each turn, so that all see the same frames.

    Making the frames of `shapes` is no work of the loop's: those come from memory.
    """
    name, fps = arguments.source, arguments.live_fps
    if fps:
        return lambda: nullcontext(Source(stamped_frames(kept, fps), name, fps, True))
    if name == "shapes":
        return lambda: nullcontext(Source(repeated_frames(kept), name))
    return lambda: open_source(name)


def bound_on_age(result: Figures, fps: int) -> float:
    """One interval of the camera's and one and a half times inference and drawing."""
    times = result["loop"]["stage_millis"]
    work = sum(times[stage]["p50"] for stage in ("inference", "draw") if stage in times)
    return round(1e3 / fps + 1.5 * work, 3)


def write_report(path: Optional[Path], report: dict[str, Any]) -> None:
    """The --json option: a file, or nothing."""
    if path:
        write_text(path, json.dumps(report, indent=1) + "\n")


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    benchmark = Benchmark(arguments)
    rounds = [benchmark.one_round() for _ in range(arguments.rounds)]
    report = benchmark.report(rounds)
    if arguments.live_fps:
        for result in report["engines"]:
            result["bound_millis"] = bound_on_age(result, arguments.live_fps)
    print(table(report))
    write_report(arguments.json, report)

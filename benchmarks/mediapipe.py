"""Compares the camera loop with MediaPipe's ImageSegmenter.

    python -m benchmarks mediapipe MODEL --source street.mp4 --python venv/bin/python

`--python` is the Python of an environment with mediapipe. In each round, every engine
runs with every number of threads, first the network alone and then the loop of
camera_demo.py; MediaPipe then runs on the same video. It runs MODEL, or the file of
`--mediapipe-model`: it needs a model exported with --head probabilities. It draws
nothing, so use --headless.

On a device without kseg, copy the folder benchmarks/ next to edge/ and run
`python benchmarks/mediapipe.py MODEL ...`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

if __name__ == "__main__":  # as a script, sys.path has only its own folder
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mediapipe_runner import MediaPipeRunner
from edge.app.benchmark import Benchmark, add_options, write_report
from edge.app.benchmark_table import engine_label, table
from edge.app.measure import Figures, figures, medians
from edge.core.arguments import Parser, run
from edge.core.errors import InputError
from edge.model_file.metadata import read_info
from edge.predict.base import Predictor
from edge.predict.resizing import resize

COMPARED = 8  # images whose labels are compared


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser("python -m benchmarks mediapipe", __doc__)
    add_options(parser)
    add = parser.add_argument
    add("--source", required=True, metavar="VIDEO", help="video file")
    add(
        "--python",
        required=True,
        metavar="PYTHON",
        help="Python of an environment with mediapipe",
    )
    add(
        "--mediapipe-model",
        type=Path,
        metavar="FILE",
        help="file that MediaPipe runs, the same network with --head probabilities; "
        "default MODEL",
    )
    parser.set_defaults(live_fps=None)
    parser.add_help_options("General")
    arguments = parser.parse_args(argv)
    if not Path(arguments.source).is_file():
        parser.error(f"--source {arguments.source}: no such video file")
    other = arguments.mediapipe_model
    if other and not other.is_file():
        parser.error(f"--mediapipe-model {other}: no such file")
    return arguments


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    model = mediapipe_model(arguments)
    benchmark = Benchmark(arguments)
    with MediaPipeRunner(arguments.python, model, arguments.source) as runner:
        rounds = [one_round(benchmark, runner) for _ in range(arguments.rounds)]
        engines, mediapipe = zip(*rounds)
        report = benchmark.report(engines)
        report["mediapipe"] = {"version": runner.version, **medians(mediapipe)}
        for predictor, result in zip(benchmark.predictors, report["engines"]):
            result["agreement"] = agreement(predictor, runner, benchmark.frames)
    print(table(report), comparison(report), sep="\n\n")
    write_report(arguments.json, report)


def mediapipe_model(arguments: argparse.Namespace) -> Path:
    """The file that MediaPipe runs.

    Raises InputError for a file with the head labels, on which MediaPipe hangs.
    """
    path = arguments.mediapipe_model or arguments.model
    info = read_info(path)
    if info and info.head == "labels":
        raise InputError(
            f"{path}: has the head labels, but MediaPipe needs scores; give the same "
            "network exported with --head probabilities as --mediapipe-model"
        )
    return path


def one_round(
    benchmark: Benchmark, runner: MediaPipeRunner
) -> tuple[list[Figures], Figures]:
    """The results of each engine and of MediaPipe, and their ratio in this round."""
    engines = benchmark.one_round()
    mediapipe = figures(runner.run_frames(benchmark.arguments.frames))
    for each in engines:
        each["of_mediapipe"] = each["loop"]["fps"] / mediapipe["fps"]
    return engines, mediapipe


def agreement(
    predictor: Predictor, runner: MediaPipeRunner, frames: Sequence[np.ndarray]
) -> float:
    """The fraction of pixels on which the labels of MediaPipe and edge are equal.

    `frames` are (H, W, 3) BGR; the first COMPARED are used, at the network's size.
    """
    size = predictor.engine.size or frames[0].shape[:2]
    images = np.stack([resize(frame[..., ::-1], size) for frame in frames[:COMPARED]])
    labels = np.stack([predictor.predict(image).labels for image in images])
    return round(float((labels == runner.labels(images)).mean()), 5)


def comparison(report: dict[str, Any]) -> str:
    """One line per engine: its speed relative to MediaPipe, and equal labels."""
    mediapipe = report["mediapipe"]
    return "\n".join(
        f"{engine_label(result)}: {result['of_mediapipe']:.2f} times MediaPipe "
        f"{mediapipe['version']}'s {mediapipe['fps']:.1f} frames per second "
        f"({mediapipe['processor_millis']:.1f} ms processor time); labels equal on "
        f"{result['agreement']:.2%} of pixels"
        for result in report["engines"]
    )


if __name__ == "__main__":
    run("mediapipe", main)

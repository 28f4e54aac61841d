"""Measures the camera loop in turns with MediaPipe's ImageSegmenter.

    python -m benchmarks mediapipe MODEL --source street.mp4 --python venv/bin/python

`--python` is the Python of an environment that has mediapipe. In each round every
engine with every number of threads has its turn, the network alone and then the loop of
camera_demo.py, and then MediaPipe has one on the same video. It runs MODEL too, or the
file of `--mediapipe-model`: it takes models exported with --head probabilities. It
draws nothing, so give --headless too.

On a board, where kseg is not: copy the folder benchmarks/ beside edge/ and run
`python benchmarks/mediapipe.py MODEL ...` there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

if __name__ == "__main__":  # as a script: its own folder alone is on Python's path
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

COMPARED = 8  # images on which labels are compared


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser("python -m benchmarks mediapipe", __doc__)
    add_options(parser)
    add = parser.add_argument
    add("--source", required=True, metavar="VIDEO", help="a video file")
    add("--python", required=True, metavar="PYTHON", help="one that has mediapipe")
    add(
        "--mediapipe-model",
        type=Path,
        metavar="FILE",
        help="what it runs, where MODEL is the same network with labels",
    )
    parser.set_defaults(live_fps=None)
    parser.add_help_options("General")
    arguments = parser.parse_args(argv)
    if not Path(arguments.source).is_file():
        parser.error(f"--source {arguments.source}: is no video file")
    other = arguments.mediapipe_model
    if other and not other.is_file():
        parser.error(f"--mediapipe-model {other}: is no file")
    return arguments


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    model = mediapipe_model(arguments)
    benchmark = Benchmark(arguments)
    with MediaPipeRunner(arguments.python, model, arguments.source) as runner:
        rounds = [one_round(benchmark, runner) for _ in range(arguments.rounds)]
        ours, theirs = zip(*rounds)
        report = benchmark.report(ours)
        report["mediapipe"] = {"version": runner.version, **medians(theirs)}
        for predictor, result in zip(benchmark.predictors, report["engines"]):
            result["agreement"] = agreement(predictor, runner, benchmark.frames)
    print(table(report), comparison(report), sep="\n\n")
    write_report(arguments.json, report)


def mediapipe_model(arguments: argparse.Namespace) -> Path:
    """The file that MediaPipe is to run.

    Raises InputError for labels: it would never answer.
    """
    path = arguments.mediapipe_model or arguments.model
    info = read_info(path)
    if info and info.head == "labels":
        raise InputError(
            f"{path}: gives labels, and MediaPipe takes scores; name the same network, "
            "exported with --head probabilities, as --mediapipe-model"
        )
    return path


def one_round(
    benchmark: Benchmark, runner: MediaPipeRunner
) -> tuple[list[Figures], Figures]:
    """The figures of each engine's turn and of MediaPipe's; ratios are of the round."""
    ours = benchmark.one_round()
    theirs = figures(runner.run_frames(benchmark.arguments.frames))
    for turn in ours:
        turn["of_mediapipe"] = turn["loop"]["fps"] / theirs["fps"]
    return ours, theirs


def agreement(
    predictor: Predictor, runner: MediaPipeRunner, frames: Sequence[np.ndarray]
) -> float:
    """The share of pixels that MediaPipe labels as we do.

    `frames` are (H, W, 3) BGR; the first few are compared, at the network's size.
    """
    size = predictor.engine.size or frames[0].shape[:2]
    images = np.stack([resize(frame[..., ::-1], size) for frame in frames[:COMPARED]])
    ours = np.stack([predictor.predict(image).labels for image in images])
    return round(float((ours == runner.labels(images)).mean()), 5)


def comparison(report: dict[str, Any]) -> str:
    """A line for each engine: how fast beside MediaPipe, and how many labels agree."""
    theirs = report["mediapipe"]
    return "\n".join(
        f"{engine_label(result)}: {result['of_mediapipe']:.2f} times MediaPipe "
        f"{theirs['version']}'s {theirs['fps']:.1f} "
        f"per second ({theirs['processor_millis']:.1f} processor "
        f"ms); labels agree on {result['agreement']:.2%} of pixels"
        for result in report["engines"]
    )


if __name__ == "__main__":
    run("mediapipe", main)

"""Compares the camera loop with MediaPipe's ImageSegmenter or ObjectDetector.

    python -m benchmarks mediapipe MODEL --source street.mp4 --python venv/bin/python

`--python` is the Python of an environment with mediapipe. In each round, every engine
runs with every number of threads, first the network alone and then the loop of
camera_demo.py; MediaPipe then runs on the same video. It runs MODEL, or the file of
`--mediapipe-model`: it needs a model exported with --head probabilities or, for
objects, --head boxes. It draws nothing, so use --headless. The results of the first
frames, or of the images in the folder of `--compare`, are compared.

On a device without kseg, copy the folder benchmarks/ next to edge/ and run
`python benchmarks/mediapipe.py MODEL ...`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import numpy as np

if __name__ == "__main__":  # as a script, sys.path has only its own folder
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mediapipe_runner import MediaPipeRunner
from edge.app.benchmark import Benchmark, add_options, write_report
from edge.app.benchmark_table import engine_label, table
from edge.app.measure import Figures, figures, medians
from edge.core.arguments import Parser, run
from edge.core.errors import InputError
from edge.core.images import list_images, read_image
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import read_info
from edge.predict.base import Predictor
from edge.predict.decoder import decoder_of
from edge.predict.resizing import resize

COMPARED = 8  # frames whose results are compared
SAME_EDGE = 2.0  # pixels; MediaPipe rounds boxes to whole ones
SAME_SCORE = 0.006
# Head that MediaPipe does not read -> why, and the head that it reads.
UNREADABLE = {
    "labels": ("but MediaPipe needs scores", "probabilities"),
    "raw": ("which MediaPipe does not read", "boxes"),
}


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
        help="file that MediaPipe runs, the same network with --head probabilities "
        "or boxes; default MODEL",
    )
    add(
        "--compare",
        type=Path,
        metavar="DIR",
        help="compare the results of these images; default: of the first frames",
    )
    parser.set_defaults(live_fps=None)
    parser.add_help_options("General")
    arguments = parser.parse_args(argv)
    if not Path(arguments.source).is_file():
        parser.error(f"--source {arguments.source}: no such video file")
    other = arguments.mediapipe_model
    if other and not other.is_file():
        parser.error(f"--mediapipe-model {other}: no such file")
    folder = arguments.compare
    if folder and not (folder.is_dir() and list_images(folder)):
        parser.error(f"--compare {folder}: no folder of images")
    return arguments


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    model = mediapipe_model(arguments)
    benchmark = Benchmark(arguments)
    images = compared_images(arguments.compare, benchmark)
    info = benchmark.predictors[0].info
    task = mediapipe_task(arguments.mediapipe_model, info)
    child = (arguments.python, model, arguments.source, task, OPTIONS[task](info))
    with MediaPipeRunner(*child) as runner:
        rounds = [one_round(benchmark, runner) for _ in range(arguments.rounds)]
        engines, mediapipe = zip(*rounds)
        report = benchmark.report(engines)
        report["mediapipe"] = {"version": runner.version, **medians(mediapipe)}
        for predictor, result in zip(benchmark.predictors, report["engines"]):
            result["agreement"] = agreement(task, predictor, runner, images)
    write_report(arguments.json, report)
    print(table(report), comparison(report, task), sep="\n\n")


def mediapipe_model(arguments: argparse.Namespace) -> Path:
    """The file that MediaPipe runs.

    Raises InputError for a file that MediaPipe does not read. It hangs on labels.
    """
    path = arguments.mediapipe_model or arguments.model
    info = read_info(path)
    if info and info.head in UNREADABLE:
        why, head = UNREADABLE[info.head]
        raise InputError(
            f"{path}: has the head {info.head}, {why}; give the same network exported "
            f"with --head {head} as --mediapipe-model"
        )
    return path


def mediapipe_task(other: Optional[Path], measured: ModelInfo) -> str:
    """The task of the file that MediaPipe runs: `other`, else the `measured` model."""
    return ((read_info(other) if other else None) or measured).task


def detector_options(info: ModelInfo) -> dict[str, Any]:
    """ObjectDetector's options, so that it finds objects with the same scores.

    `names` is for the child process, which gives class ids.
    """
    decoder = decoder_of(info)
    return {
        "names": info.class_names,
        "score_threshold": decoder.score,
        "max_results": decoder.max_detections,
    }


# Task -> function of the model that edge runs: options of MediaPipe's task.
OPTIONS: dict[str, Callable[[ModelInfo], dict[str, Any]]] = {
    "semantic": lambda info: {},
    "detection": detector_options,
}


def compared_images(folder: Optional[Path], benchmark: Benchmark) -> list[np.ndarray]:
    """The images (H, W, 3) RGB whose results are compared."""
    if folder:
        return [read_image(path, 3) for path in list_images(folder)]
    return [frame[..., ::-1] for frame in benchmark.frames[:COMPARED]]


def one_round(
    benchmark: Benchmark, runner: MediaPipeRunner
) -> tuple[list[Figures], Figures]:
    """The results of each engine and of MediaPipe, and their ratio in this round."""
    engines = benchmark.one_round()
    mediapipe = figures(runner.run_frames(benchmark.arguments.frames))
    for each in engines:
        each["of_mediapipe"] = each["loop"]["fps"] / mediapipe["fps"]
    return engines, mediapipe


def same_labels(
    predictor: Predictor, images: np.ndarray, found: np.ndarray
) -> tuple[int, int]:
    """Counts the pixels on which edge's labels are MediaPipe's, and all."""
    labels = np.stack([predictor.predict(image).labels for image in images])
    return int((labels == found).sum()), labels.size


def same_boxes(
    predictor: Predictor, images: np.ndarray, found: np.ndarray
) -> tuple[int, int]:
    """Counts MediaPipe's boxes that edge finds too, and all of MediaPipe's.

    `found` (M, 7) has rows of image, class id, score, x0, y0, x1, y1. Class and box
    must be the same, to within SAME_SCORE and SAME_EDGE.
    """
    equal = 0
    for index, image in enumerate(images):
        result = predictor.predict(image)
        ours = np.column_stack([result.class_ids, result.scores, result.boxes])
        for row in found[found[:, 0] == index, 1:]:
            limits = [0, SAME_SCORE, *[SAME_EDGE] * 4]
            same = np.flatnonzero((np.abs(ours - row) <= limits).all(1))
            ours = np.delete(ours, same[:1], 0)  # each counts once
            equal += bool(len(same))
    return equal, len(found)


# Task of MediaPipe's file -> how the results of images are compared.
SAME = {"semantic": same_labels, "detection": same_boxes}
COUNTED = {
    "semantic": "labels equal on {} of pixels",
    "detection": "{} of its boxes are found",
}


def agreement(
    task: str, predictor: Predictor, runner: MediaPipeRunner, images: list[np.ndarray]
) -> float:
    """The fraction of MediaPipe's results that are also edge's, in [0, 1].

    `images` are (H, W, 3) RGB of any size; both get them at the network's size.
    """
    size = predictor.engine.size or images[0].shape[:2]
    sized = np.stack([resize(image, size) for image in images])
    equal, total = SAME[task](predictor, sized, runner.predict(sized))
    return round(equal / total, 5) if total else 1.0


def comparison(report: dict[str, Any], task: str = "semantic") -> str:
    """One line per engine: its speed relative to MediaPipe, and equal results."""
    mediapipe = report["mediapipe"]
    return "\n".join(
        f"{engine_label(result)}: {result['of_mediapipe']:.2f} times MediaPipe "
        f"{mediapipe['version']}'s {mediapipe['fps']:.1f} frames per second "
        f"({mediapipe['processor_millis']:.1f} ms processor time); "
        + COUNTED[task].format(f"{result['agreement']:.2%}")
        for result in report["engines"]
    )


if __name__ == "__main__":
    run("mediapipe", main)

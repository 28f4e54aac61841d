"""Measures a model on this device: the network alone, each stage, the whole loop.

    python edge/benchmark.py MODEL --source street.mp4
    python edge/benchmark.py MODEL --engines cpu,gpu --threads 1,4 --json board.json
    python edge/benchmark.py MODEL --source street.mp4 --live-fps 60
    python edge/benchmark.py MODEL --source street.mp4 --mediapipe venv/bin/python

In each round every engine with every number of threads has its turn, the network alone
and then the loop of camera_demo.py. What is shown are medians over the rounds, ratios
too, each of one round. Processor time is the work of all processors for a frame: it
carries over from a busy machine, where frames per second do not.

`--live-fps` plays the frames as a camera that does not wait, each with the time in its
first pixels, and says how old they are when they are shown. `--mediapipe` gives turns
to MediaPipe's ImageSegmenter, in its own environment, on the same video and file, or
on that of `--mediapipe-model`: it takes models exported with --head probabilities. It
draws nothing, so give --headless too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from contextlib import ExitStack, nullcontext
from importlib import metadata
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Callable, ContextManager, Optional, Sequence

import cv2
import numpy as np

from edge.app.benchmark_table import table
from edge.app.measure import (
    FEWEST,
    Figures,
    Mark,
    figures,
    medians,
    network_alone,
    repeated_frames,
    stamped_frames,
    whole_loop,
)
from edge.core.arguments import Parser, positive, writable
from edge.core.errors import GateFailed, InputError
from edge.core.files import write_text
from edge.core.log import say
from edge.engines.base import Engine
from edge.engines.gpu import drivers
from edge.engines.load import cores
from edge.engines.onnx import gpus, runtime
from edge.engines.select import ENGINES, describe, open_engine
from edge.engines.tflite import INTERPRETERS, PACKAGES
from edge.model_file.metadata import info_of, read_info
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from edge.predict.resizing import resize
from edge.predict.tta import shown
from edge.rival import Rival
from edge.video.frames import Source
from edge.video.sources import open_source

HELD = 20  # frames that are kept in memory, of what is not read as it goes
COMPARED = 8  # pictures on which labels are compared with MediaPipe's

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


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a .tflite or .onnx file")
    add(
        "--source",
        default="shapes",
        help="as camera_demo.py's; default shapes, made beforehand. A camera bounds "
        "the frames per second",
    )
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
    add("--live-fps", type=positive, metavar="N", help="play as a camera of that rate")
    add("--mediapipe", metavar="PYTHON", help="one that has mediapipe, to compare with")
    add(
        "--mediapipe-model",
        type=Path,
        metavar="FILE",
        help="what it runs, where MODEL is the same network with labels",
    )
    add("--json", type=writable, metavar="FILE", help="write everything as JSON")
    arguments = parser.parse_args(argv)
    if arguments.mediapipe and not Path(arguments.source).is_file():
        parser.error("--mediapipe needs a video file as --source")
    if arguments.mediapipe and arguments.live_fps:
        parser.error("--mediapipe and --live-fps do not go together")
    other = arguments.mediapipe_model
    if other and not (arguments.mediapipe and other.is_file()):
        parser.error(f"--mediapipe-model {other}: is no file, or lacks --mediapipe")
    return arguments


def up_to(processors: int) -> list[int]:
    """1, 2, 4 ... and all.

    >>> up_to(1), up_to(4), up_to(6)
    ([1], [1, 2, 4], [1, 2, 4, 6])
    """
    doubled = [2**i for i in range(processors.bit_length())]
    return sorted({*doubled, processors})


def here(path: Path) -> list[tuple[str, Optional[str]]]:
    """(name, delegate or provider) of every engine that could run a file here."""
    if path.suffix == ".onnx":
        return [("cpu", None), *(("auto", provider) for provider in gpus())]
    names = [n for n, module in INTERPRETERS.items() if find_spec(module.split(".")[0])]
    if "litert" in names and drivers():
        names.append("gpu")
    return [(name, None) for name in names or ["cpu"]]


def open_all(arguments: argparse.Namespace) -> list[Engine]:
    """The engines to measure, each with each number of threads.

    One that was not asked for by name and does not run is said and left out. Raises
    InputError or GateFailed for one that was, and where none runs.
    """
    named = [(name, None) for name in arguments.engines or ()]
    if arguments.delegate:
        named.append(("auto", arguments.delegate))
    opened, refusals = [], []
    for name, delegate in named or here(arguments.model):
        threads = arguments.threads or up_to(cores())
        for count in threads[-1:] if name == "gpu" else threads:
            try:
                engine = open_engine(arguments.model, name, count, delegate, True)
            except (InputError, GateFailed) as refusal:
                if named:
                    raise
                refusals.append(refusal)
                break
            say(describe(engine))
            opened.append(engine)
    if not opened:
        raise refusals[-1]
    for refusal in refusals:
        say(f"{refusal}; left out")
    return opened


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


def measured(
    arguments: argparse.Namespace,
    predictors: list[Predictor],
    frame: np.ndarray,
    open_frames: Opening,
    rival: Optional[Rival],
) -> tuple[list[Figures], Figures]:
    """The figures of each model and of MediaPipe, as medians over the rounds."""
    rounds: list[list[Figures]] = [[] for _ in predictors]
    rivals: list[Figures] = []
    for _ in range(arguments.rounds):
        for turns, predictor in zip(rounds, predictors):
            turns.append(one_turn(arguments, predictor, frame, open_frames))
        if rival:
            marks = rival.turn(arguments.frames)
            rivals.append(figures([Mark(*mark) for mark in marks]))
            for turns in rounds:
                turns[-1]["of_mediapipe"] = turns[-1]["loop"]["fps"] / rivals[-1]["fps"]
    return [medians(turns) for turns in rounds], medians(rivals) if rivals else {}


def one_turn(
    arguments: argparse.Namespace,
    predictor: Predictor,
    frame: np.ndarray,
    open_frames: Opening,
) -> Figures:
    """A network alone, then its loop, and what the one is of the other."""
    alone = network_alone(predictor, frame, arguments.frames)
    loop = whole_loop(
        *(predictor, open_frames, arguments.frames),
        wants_view=not arguments.headless,
        stamped=bool(arguments.live_fps),
    )
    return {
        "network": alone,
        "loop": loop,
        "of_network": loop["fps"] / alone["fps"],
        "other_processor_millis": loop["processor_millis"] - alone["processor_millis"],
    }


def board() -> str:
    """What this device calls itself: a board its model, a PC its processor."""
    try:
        return Path("/proc/device-tree/model").read_text().strip("\0\n ")
    except OSError:
        pass
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return (names or [platform.processor() or platform.machine()])[0]


def versions(engines: list[Engine]) -> dict[str, str]:
    """Of Python, OpenCV, NumPy and what runs the model."""
    found = {
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    for name in {engine.name for engine in engines}:
        if name == "onnx":
            found["onnxruntime"] = runtime().__version__
        else:
            package = PACKAGES.get(name, PACKAGES["litert"])
            found[package] = metadata.version(package)
    return found


def circumstances(
    arguments: argparse.Namespace, engines: list[Engine], frame: np.ndarray
) -> dict[str, Any]:
    """Everything that the figures hang on."""
    data = arguments.model.read_bytes()
    return {
        "board": board(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": cores(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": versions(engines),
        "model": {
            "file": arguments.model.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "input": shown(engines[0].size or ("any", "any")),
        },
        "source": arguments.source,
        "frame_size": shown(frame.shape[:2]),
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "headless": arguments.headless,
        "live_fps": arguments.live_fps,
    }


def agreement(predictor: Predictor, rival: Rival, kept: list[np.ndarray]) -> float:
    """The share of pixels that MediaPipe labels as we do, on pictures of equal size."""
    size = predictor.engine.size or kept[0].shape[:2]
    pictures = np.stack([resize(frame[..., ::-1], size) for frame in kept[:COMPARED]])
    ours = np.stack([predictor.predict(picture).labels for picture in pictures])
    return round(float((ours == rival.labels(pictures)).mean()), 5)


def rivals_model(arguments: argparse.Namespace) -> Path:
    """What MediaPipe is to run.

    Raises InputError for labels: it would hang over them.
    """
    path = arguments.mediapipe_model or arguments.model
    info = read_info(path)
    if info and info.head == "labels":
        raise InputError(
            f"{path}: gives labels, and MediaPipe takes scores; name the same network, "
            "exported with --head probabilities, as --mediapipe-model"
        )
    return path


def described(engine: Engine) -> dict[str, Any]:
    """What runs, for the JSON."""
    return {
        "engine": engine.name,
        "accelerator": engine.accelerator,
        "share": engine.share,
        "threads": engine.threads,
        "first_millis": round(engine.first_millis, 3),
    }


def bound_on_age(result: Figures, fps: int) -> float:
    """One interval of the camera's and one and a half times inference and drawing."""
    times = result["loop"]["stage_millis"]
    work = sum(times[stage]["p50"] for stage in ("inference", "draw") if stage in times)
    return round(1e3 / fps + 1.5 * work, 3)


def main(argv: Optional[Sequence[str]] = None) -> None:
    arguments = parse(argv)
    engines = open_all(arguments)
    info = info_of(arguments.model)
    predictors = [predictor_of(engine, info) for engine in engines]
    kept = first_frames(arguments.source, HELD)
    report = circumstances(arguments, engines, kept[0])
    with ExitStack() as stack:
        rival = None
        if arguments.mediapipe:
            path = rivals_model(arguments)
            rival = stack.enter_context(
                Rival(arguments.mediapipe, path, arguments.source)
            )
        results, others = measured(
            arguments, predictors, kept[0], opening(arguments, kept), rival
        )
        report["engines"] = [
            {**described(engine), **result} for engine, result in zip(engines, results)
        ]
        if rival:
            report["mediapipe"] = {"version": rival.version, **others}
            for predictor, result in zip(predictors, report["engines"]):
                result["agreement"] = agreement(predictor, rival, kept)
    if arguments.live_fps:
        for result in report["engines"]:
            result["bound_millis"] = bound_on_age(result, arguments.live_fps)
    print(table(report))
    if arguments.json:
        write_text(arguments.json, json.dumps(report, indent=1) + "\n")

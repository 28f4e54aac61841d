"""What each exported file costs: mean IoU, agreement, size, time, beside the network.

All files label the same pictures through the same `Segmenter` as the Keras model, so a
difference is the file's alone.
"""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path
from statistics import median
from typing import Any, Callable, Optional

import numpy as np

from edge.core.errors import GateFailed
from edge.core.log import say
from edge.core.timing import time_in_turns
from edge.engines.load import cores
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.semantic import Segmenter
from kseg.data.sample import Dataset
from kseg.evaluation.loop import MIXED, REFERENCE, tally

ROUNDS = 15  # of timing: each engine runs twice, the second counts
TIMING_SECONDS = 30.0  # after these no further round begins

Parity = dict[str, dict[str, Any]]


def compare(
    reference: Segmenter, files: dict[str, Path], data: Dataset, threads: Optional[int]
) -> Parity:
    """The content of parity.json: each file against the Keras model, on val.

    Per file: "mean_iou" in [0, 1] and its "drop"; "agreement", the share of all pixels
    with the reference's label; "bytes", "compressed_bytes" (deflate); median
    milliseconds of a bare run on `threads` ("latency_millis") and on one
    ("single_thread_millis"). The last four are the interpreter's; None for Keras.
    """
    segmenters = {REFERENCE: reference}
    for scheme, path in files.items():
        engine = open_engine(path, threads=threads, prove=False)
        segmenters[scheme] = Segmenter(engine, info_of(path))
    tallies, pixels = tally(segmenters, data)
    times = latencies(reference, segmenters, files, data)
    means = {name: mean_iou(each.matrix) for name, each in tallies.items()}
    return {
        name: {
            "mean_iou": means[name],
            "drop": means[REFERENCE] - means[name],
            "agreement": each.agreeing / pixels,
            **sizes(files.get(name)),
            **times[name],
        }
        for name, each in tallies.items()
    }


def mean_iou(matrix: np.ndarray) -> float:
    from kseg.evaluation.metrics.confusion import iou_per_class

    return float(np.nanmean(iou_per_class(matrix)))


def mean_iou_of(segmenter: Segmenter, data: Dataset) -> float:
    """What it reaches on the val split."""
    tallies, _ = tally({REFERENCE: segmenter}, data, "measuring")
    return mean_iou(tallies[REFERENCE].matrix)


def mean_iou_of_file(content: bytes, info: ModelInfo, data: Dataset) -> float:
    """The same of a .tflite file that was made here and is not to stay."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        path.write_bytes(content)
        return mean_iou_of(Segmenter(open_engine(path, prove=False), info), data)


def sizes(path: Optional[Path]) -> dict[str, Optional[int]]:
    """Bytes of a file, as it is and deflated, as a download or an app's archive is."""
    if path is None:
        return {"bytes": None, "compressed_bytes": None}
    content = path.read_bytes()
    return {"bytes": len(content), "compressed_bytes": len(zlib.compress(content, 9))}


def latencies(
    reference: Segmenter,
    segmenters: dict[str, Segmenter],
    files: dict[str, Path],
    data: Dataset,
) -> dict[str, dict[str, Any]]:
    """Milliseconds of each engine's bare run on the first picture of val."""
    image, _ = data.split("val").read(0)
    tile = reference.prepare(image)[0][0][0]
    runs: dict[tuple[str, int], Callable[[], Any]] = {}
    for name, each in segmenters.items():
        threads = each.engine.threads or cores()
        runs[name, threads] = lambda engine=each.engine: engine(tile)
        if name in files and threads > 1:
            alone = open_engine(files[name], threads=1, prove=False)
            runs[name, 1] = lambda engine=alone: engine(tile)
    say("timing the files")
    times = time_in_turns(runs, ROUNDS, TIMING_SECONDS)
    millis = {key: round(median(each), 3) for key, each in times.items()}
    found = {}
    for name, each in segmenters.items():
        threads = each.engine.threads or cores()
        found[name] = {
            "latency_millis": millis[name, threads],
            "single_thread_millis": millis.get((name, 1)),
            "threads": threads,
        }
    return found


def check_gate(parity: Parity, max_drop: float) -> None:
    """Raises GateFailed for the worst file where it lost more than `max_drop`.

    A mended file stands for the int8 that it was made from.
    """
    judged = {k: v for k, v in parity.items() if k != "int8" or MIXED not in parity}
    name, worst = max(judged.items(), key=lambda item: item[1]["drop"])
    if worst["drop"] > max_drop:
        raise GateFailed(
            f"{name} lost {worst['drop']:.4f} of mean IoU, more than "
            f"--max-drop {max_drop}"
        )

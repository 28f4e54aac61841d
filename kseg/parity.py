"""What each exported file costs: mean IoU, agreement, size, time, beside the network.

All files label the same pictures through the same `Segmenter` as the Keras model, so a
difference is the file's alone.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Callable, Optional

import numpy as np

from edge.core.errors import GateFailed
from edge.engines.load import cores
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.semantic import Segmenter
from kseg.data import Data
from kseg.progress import bar

REFERENCE, MENDED = "keras", "mended"
ROUNDS = 15  # of timing: each engine runs twice, the second counts
TIMING_SECONDS = 30.0  # after these no further round begins

Parity = dict[str, dict[str, Any]]


@dataclass
class Tally:
    """What one engine did over a split."""

    segmenter: Segmenter
    matrix: np.ndarray
    agreeing: int = 0


def compare(
    reference: Segmenter, files: dict[str, Path], data: Data, threads: Optional[int]
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
    from kseg.metrics import iou_per_class

    return float(np.nanmean(iou_per_class(matrix)))


def mean_iou_of(segmenter: Segmenter, data: Data) -> float:
    """What it reaches on the val split."""
    tallies, _ = tally({REFERENCE: segmenter}, data, "measuring")
    return mean_iou(tallies[REFERENCE].matrix)


def mean_iou_of_file(content: bytes, info: ModelInfo, data: Data) -> float:
    """The same of a .tflite file that was made here and is not to stay."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        path.write_bytes(content)
        return mean_iou_of(Segmenter(open_engine(path, prove=False), info), data)


def tally(
    segmenters: dict[str, Segmenter], data: Data, text: str = "comparing"
) -> tuple[dict[str, Tally], int]:
    """Every engine over the val split, picture by picture; how many pixels it has."""
    from kseg.metrics import confusion_matrix

    classes, split, pixels = data.num_classes, data.split("val"), 0
    empty = np.zeros((classes, classes), np.int64)
    tallies = {name: Tally(s, empty.copy()) for name, s in segmenters.items()}
    for index in bar(range(len(split.sizes)), text):
        image, mask = split.read(index)
        pixels += mask.size
        expected = segmenters[REFERENCE].predict(image)
        for name, each in tallies.items():
            same = name == REFERENCE
            labels = expected if same else each.segmenter.predict(image)
            each.matrix += confusion_matrix(mask, labels, classes)
            each.agreeing += int((labels == expected).sum())
    return tallies, pixels


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
    data: Data,
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
    millis = timed(runs)
    found = {}
    for name, each in segmenters.items():
        threads = each.engine.threads or cores()
        found[name] = {
            "latency_millis": millis[name, threads],
            "single_thread_millis": millis.get((name, 1)),
            "threads": threads,
        }
    return found


def timed(runs: dict[Any, Callable[[], Any]]) -> dict[Any, float]:
    """Median milliseconds of each; they take turns of two runs, the second counts.

    In turns whatever else the machine does is shared among them. The first run finds
    the caches, and threads that still wait for work, as the one before it left them.
    """
    millis: dict[Any, list[float]] = {key: [] for key in runs}
    end = time.perf_counter() + TIMING_SECONDS
    for _ in bar(range(ROUNDS), "timing"):
        for key, run in runs.items():
            run()
            start = time.perf_counter()
            run()
            millis[key].append(1e3 * (time.perf_counter() - start))
        if time.perf_counter() > end:
            break
    return {key: round(median(each), 3) for key, each in millis.items()}


def table(parity: Parity, size: tuple[int, int], own_sizes: Optional[float]) -> str:
    """parity.json for people; `own_sizes` is the mean IoU that training reported."""
    from tabulate import tabulate

    def shown(value: Optional[float], form: str, unit: float = 1) -> str:
        return "" if value is None else format(value / unit, form)

    rows: list[tuple[str, ...]] = []
    if own_sizes is not None:
        rows.append(("keras, own sizes", f"{own_sizes:.4f}", *[""] * 6))
    for name, row in parity.items():
        is_file = name != REFERENCE
        rows.append(
            (
                name if is_file else f"keras, {size[0]}x{size[1]}",
                f"{row['mean_iou']:.4f}",
                f"{row['drop']:+.4f}" if is_file else "",
                f"{row['agreement']:.4%}" if is_file else "",
                shown(row["bytes"], ",.0f", 1024),
                shown(row["compressed_bytes"], ",.0f", 1024),
                shown(row["latency_millis"], ".1f"),
                shown(row["single_thread_millis"], ".1f"),
            )
        )
    threads = parity[REFERENCE]["threads"]
    header = (
        "model",
        "mean IoU",
        "drop",
        "same labels",
        "KiB",
        "deflated",
        f"ms, {threads} threads",
        "1 thread",
    )
    align = ("left", *["right"] * 7)
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def check_gate(parity: Parity, max_drop: float) -> None:
    """Raises GateFailed for the worst file where it lost more than `max_drop`.

    A mended file stands for the int8 that it was made from.
    """
    judged = {k: v for k, v in parity.items() if k != "int8" or MENDED not in parity}
    name, worst = max(judged.items(), key=lambda item: item[1]["drop"])
    if worst["drop"] > max_drop:
        raise GateFailed(
            f"{name} lost {worst['drop']:.4f} of mean IoU, more than "
            f"--max-drop {max_drop}"
        )

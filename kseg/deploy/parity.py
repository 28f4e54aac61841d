"""Compares exported files with the Keras model: accuracy, agreement, size, latency.

All files predict the same images with the same `Predictor` as the Keras model, so any
difference is due to the file.
"""

from __future__ import annotations

import logging
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

from edge.core.errors import GateFailed, InputError
from edge.core.system import usable_cores
from edge.core.timing import time_in_turns
from edge.engines.base import Engine
from edge.engines.parts import files_of
from edge.engines.select import open_engine
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from edge.predict.tiling import Tiles
from kseg.data.checks.quick import require_labels
from kseg.data.sample import Dataset, Split
from kseg.deploy.roles import roles_of
from kseg.evaluation.loop import (
    MIXED,
    OLD_MIXED,
    REFERENCE,
    Comparison,
    Evaluator,
    Observer,
    compare,
)
from kseg.evaluation.shifts import MOST_IMAGES, values_under_shifts

log = logging.getLogger(__name__)

ROUNDS = 15  # of timing: each engine runs twice, the second counts
TIMING_SECONDS = 30.0  # no new round starts after this

Parity = dict[str, Any]  # parity.json: "headline", and a dict for each file
NewEvaluator = Callable[[], Evaluator]


def measure(
    reference: Predictor,
    files: Mapping[str, Path],
    split: Split,
    new: NewEvaluator,
    threads: Optional[int],
    observers: Sequence[Observer] = (),
    shifts: bool = False,
) -> Parity:
    """The content of parity.json: each file compared with the Keras model on a split.

    "headline" is the key of the metric that the gate checks, in [0, 1]. Per file: that
    metric, those that the evaluator shows beside it, and its "drop"; "agreement", the
    fraction of results equal to those of the Keras model, and means of the evaluator's
    `differences`; "bytes" and "compressed_bytes" (deflate); the median latency in
    milliseconds of the engine alone on `threads` ("latency_millis") and on one thread
    ("single_thread_millis"). Sizes and the latter are None for the Keras model.
    `observers` receive its results. With `shifts`, each entry has "shifts": the metric
    and drop with each of kseg.evaluation.shifts, on "shift_images" images. Raises
    GateFailed if the split has no labels.
    """
    others = {scheme: opened(path, threads) for scheme, path in files.items()}
    found = compare(reference, others, split, new, observers=observers)
    warn_without_objects(found)
    try:
        values = {name: each.evaluator.value() for name, each in found.items()}
    except InputError as error:  # no label: nothing was measured
        raise GateFailed(str(error)) from None
    headline = found[REFERENCE].evaluator.headline
    times = latencies({REFERENCE: reference, **others}, files, split)
    parity: Parity = {"headline": headline}
    for name, each in found.items():
        parity[name] = {
            headline: values[name],
            **each.evaluator.headlines(),
            "drop": values[REFERENCE] - values[name],
            "agreement": each.agreement,
            **each.differences(),
            **sizes(files.get(name)),
            **times[name],
        }
    if shifts:
        models = {REFERENCE: reference, **others}
        values = values_under_shifts(models, split, new)
        add_shifts(parity, values, min(MOST_IMAGES, len(split.sizes)))
    return parity


def warn_without_objects(found: Mapping[str, Comparison]) -> None:
    """Says so if neither the network nor a file has found an object.

    Their agreement of 1 then means nothing.
    """
    if not any(each.total for each in found.values()):
        log.warning(
            "neither the network nor its files find an object in these images, so "
            "there is nothing to compare; train longer, or on more images"
        )


def opened(path: Path, threads: Optional[int]) -> Predictor:
    """The predictor of a file that was just written."""
    engine = open_engine(path, threads=threads, trial=False)
    return predictor_of(engine, info_of(path), str(path))


def rows(parity: Parity) -> dict[str, dict[str, Any]]:
    """The entries of parity.json that are models, the reference first."""
    return {name: row for name, row in parity.items() if isinstance(row, dict)}


def value_of(predictor: Predictor, split: Split, new: NewEvaluator) -> float:
    """The headline metric of a predictor on a split, in [0, 1]."""
    found = compare(predictor, {}, split, new, "measuring")
    return found[REFERENCE].evaluator.value()


def value_of_file(
    content: bytes, reference: Predictor, split: Split, new: NewEvaluator
) -> float:
    """The headline metric of a .tflite file given by its content.

    `reference` is the network in Keras with the same head; its outputs name the file's.
    """
    with candidate(content, reference) as predictor:
        return value_of(predictor, split, new)


@contextmanager
def candidate(content: bytes, reference: Predictor) -> Iterator[Predictor]:
    """The predictor of a .tflite file given by its content, with `reference`'s head."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        path.write_bytes(content)
        info = replace(reference.info, outputs=roles_of(path, reference))
        yield predictor_of(open_engine(path, trial=False), info)


def sizes(path: Optional[Path]) -> dict[str, Optional[int]]:
    """Bytes of a file and its parts, plain and deflated (as in app packages)."""
    if path is None:
        return {"bytes": None, "compressed_bytes": None}
    content = b"".join(each.read_bytes() for each in files_of(path))
    return {"bytes": len(content), "compressed_bytes": len(zlib.compress(content, 9))}


def latencies(
    predictors: Mapping[str, Predictor], files: Mapping[str, Path], split: Split
) -> dict[str, dict[str, Any]]:
    """Milliseconds of each engine alone on the first image of a split.

    For an image that is split into tiles, the time of all its tiles.
    """
    tiles, _ = predictors[REFERENCE].prepare(split.read(0).image)
    runs: dict[tuple[str, int], Callable[[], Any]] = {}
    for name, each in predictors.items():
        threads = each.engine.threads or usable_cores()
        runs[name, threads] = partial(run_all, each.engine, tiles)
        if name in files and threads > 1:
            alone = opened(files[name], threads=1)
            runs[name, 1] = partial(run_all, alone.engine, tiles)
    log.info("timing the files")
    times = time_in_turns(runs, ROUNDS, TIMING_SECONDS)
    millis = {key: round(median(each), 3) for key, each in times.items()}
    found = {}
    for name, each in predictors.items():
        threads = each.engine.threads or usable_cores()
        found[name] = {
            "latency_millis": millis[name, threads],
            "single_thread_millis": millis.get((name, 1)),
            "threads": threads,
        }
    return found


def run_all(engine: Engine, tiles: Tiles) -> None:
    """Runs an engine on every tile of an image."""
    for row in tiles:
        for tile in row:
            engine(tile)


def require_measurable(data: Dataset) -> None:
    """Raises GateFailed if the validation images have no label: no gate could pass."""
    try:
        require_labels(data, "val")
    except InputError as error:
        raise GateFailed(f"{error}; nothing was exported") from None


# What often helps where a scheme loses too much.
REMEDIES = {"int8": "try --mixed-precision, or --quantize qat; see docs/export.md"}


def check_gate(parity: Parity, max_drop: float) -> None:
    """Raises GateFailed if the largest drop of a file exceeds `max_drop`.

    Drops in other light count as well. A drop that is not a finite number fails too: no
    comparison with it is true. A mixed-precision file replaces the int8 file that it
    was made from.
    """
    found = rows(parity)
    for name, row in found.items():
        drops = [row["drop"], *(drop for drop, _ in shifted_drops(row))]
        if any(drop is None or not isfinite(drop) for drop in drops):
            raise GateFailed(
                f"{name}: {metric_name(parity['headline'])} is not a finite number, so "
                "nothing was measured; check the data with kseg doctor"
            )
    mixed = {MIXED, OLD_MIXED} & set(found)
    checked = {k: v for k, v in found.items() if k != "int8" or not mixed}
    name, worst = max(checked.items(), key=lambda item: largest_drop(item[1])[0])
    drop, shift = largest_drop(worst)
    if not drop <= max_drop:  # a limit of nan passes nothing
        raise GateFailed(
            f"{name}: {metric_name(parity['headline'])} dropped by {drop:.4g}"
            f"{shift and f' on images of val with {shift}'}; the limit is --max-drop "
            f"{max_drop}; the files are written; "
            f"{REMEDIES.get(name, 'docs/export.md has remedies')}"
        )


def largest_drop(row: Mapping[str, Any]) -> tuple[float, str]:
    """The largest drop of an entry, and the shift it was measured with.

    The shift is "" for the validation images as they are.

    >>> largest_drop({"drop": 0.01, "shifts": {"gamma 2": {"drop": 0.02}}})
    (0.02, 'gamma 2')
    """
    return max([(row["drop"], ""), *shifted_drops(row)], key=lambda found: found[0])


def shifted_drops(row: Mapping[str, Any]) -> list[tuple[float, str]]:
    """The drop of an entry with each shift, and the shift; none in older files."""
    return [(each["drop"], shift) for shift, each in row.get("shifts", {}).items()]


def add_shifts(
    parity: Parity, values: Mapping[str, Mapping[str, float]], images: int
) -> None:
    """Adds to each entry its metric and drop with each shift, on so many `images`.

    `values` are those of `kseg.evaluation.shifts.values_under_shifts`.
    """
    headline, expected = parity["headline"], values.get(REFERENCE, {})
    for name, found in values.items():
        parity[name]["shifts"] = {
            shift: {headline: value, "drop": expected[shift] - value}
            for shift, value in found.items()
        }
        parity[name]["shift_images"] = images


def metric_name(key: str) -> str:
    """A key of metrics.json as it is shown to people.

    >>> metric_name("mean_iou"), metric_name("mask_ap50")
    ('mean IoU', 'mask AP50')
    """
    return key.replace("_", " ").replace("iou", "IoU").replace("ap", "AP")

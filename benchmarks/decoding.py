"""Measures how long it takes to decode objects: from a network's outputs to masks.

    kseg benchmark decoding

The outputs are made up: those of an int8 network of 352x480, for frames of 540x960 with
20 and 100 objects, each a fifth of the frame's sides, and four more cells around each
that find it too. "boxes" is scores to boxes, "crops" adds the masks at the network's
resolution, "masks" is all of it with the masks in the frame's pixels. OpenCV uses one
thread, as in the camera loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.results import JSON_HELP, option, show
from edge.core.constants import palette
from edge.core.timing import time_in_turns
from edge.engines.base import Output as Values
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement
from edge.predict.boxes import anchor_grid, encode_boxes
from edge.predict.detection import DetectionPredictor
from edge.predict.instances import InstancePredictor
from kseg.cli.parser import parse
from kseg.core.options import Output

FRAME, INPUT, CONTENT = (540, 960), (352, 480), (270, 480)
STRIDES, CLASSES, PROTOTYPES, MASK_STRIDE = (8, 16, 32), 6, 32, 4
COUNTS = (20, 100)
CELLS = 5  # that find an object
# Scale and zero point of each output but the boxes, which have one that fits them.
SCALES = {
    "scores": (1 / 256, 0),
    "coefficients": (1 / 128, 128),
    "prototypes": (0.02, 0),
}


@dataclass(frozen=True)
class DecodingConfig:
    """Options of `kseg benchmark decoding`."""

    rounds: int = option(100, "rounds of measurement; the medians are shown")
    json: Output = option("", JSON_HELP)


def main(argv: Sequence[str] | None = None) -> None:
    config = parse(DecodingConfig, "kseg benchmark decoding", __doc__, argv)
    show(decoding_speed(config), decoding_table, config.json)


class NoEngine:
    """Has the outputs' specifications; it is never run."""

    size, channels = INPUT, 3

    def __init__(self, outputs: tuple[Values, ...]):
        self.outputs = tuple(each.spec for each in outputs)


def decoding_speed(config: DecodingConfig) -> dict[str, Any]:
    """Median milliseconds of each step by the number of objects, and objects found."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        counts = {str(count): times_of(count, config.rounds) for count in COUNTS}
    finally:
        cv2.setNumThreads(threads)
    return {"frame": FRAME, "input": INPUT, "objects": counts}


def times_of(count: int, rounds: int) -> dict[str, Any]:
    """The times with `count` objects."""
    outputs = made_up(count)
    info = ModelInfo(
        class_names=tuple(map(str, range(CLASSES))),
        colors=palette(CLASSES),
        task="instance",
        head="raw",
        decoder={"strides": list(STRIDES)},
    )
    engine, placement = NoEngine(outputs), Placement(FRAME, INPUT, CONTENT)
    boxes, crops = (
        partial(kind(engine, info).decode, outputs, placement, False)
        for kind in (DetectionPredictor, InstancePredictor)
    )
    calls = {"boxes": boxes, "crops": crops, "masks": lambda: list(crops().masks())}
    times = time_in_turns(calls, rounds)
    millis = {key: round(median(each), 2) for key, each in times.items()}
    return {"found": len(crops()), "millis": millis}


def made_up(count: int) -> tuple[Values, ...]:
    """Outputs with `count` objects apart from each other by class or place."""
    random = np.random.default_rng(0)
    centers, sides = anchor_grid(INPUT, STRIDES)
    cells = np.flatnonzero((sides == 32) & (centers[:, 0] < CONTENT[0] - 8))
    scores = np.full((len(sides), CLASSES), 0.01)
    boxes = np.zeros((len(sides), 4))
    chosen = random.permutation(cells)[: count * CELLS].reshape(count, CELLS)
    half = np.float32(CONTENT) / 10  # of the sides of an object
    for index, group in enumerate(chosen):
        middle = random.uniform(half, np.float32(CONTENT) - half)[::-1]  # x, y
        box = np.float32([[*(middle - half[::-1]), *(middle + half[::-1])]])
        scores[group, index % CLASSES] = random.uniform(0.4, 1, CELLS)
        boxes[group] = encode_boxes(box, centers[group], sides[group])
    grid = tuple(side // MASK_STRIDE for side in INPUT)
    arrays = {
        "scores": scores,
        "boxes": boxes,
        "coefficients": random.uniform(-1, 1, (len(sides), PROTOTYPES)),
        "prototypes": random.uniform(0, 5, (*grid, PROTOTYPES)),
    }
    return tuple(stored(name, values) for name, values in arrays.items())


def stored(name: str, values: np.ndarray) -> Values:
    """An output as uint8 with its scale and zero point."""
    largest = float(np.abs(values).max())
    scale, zero_point = SCALES.get(name, (largest / 127, 128))
    raw = np.clip(np.rint(values / scale) + zero_point, 0, 255).astype(np.uint8)
    spec = TensorSpec(name, (1, *raw.shape), raw.dtype, scale, zero_point)
    return Values(raw, spec)


def decoding_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    height, width = figures["frame"]
    lines = [f"milliseconds for a frame of {height}x{width}", "objects  found"]
    steps = next(iter(figures["objects"].values()))["millis"]
    lines[1] += "".join(f"{step:>9}" for step in steps)
    for count, each in figures["objects"].items():
        times = "".join(f"{millis:9.2f}" for millis in each["millis"].values())
        lines.append(f"{count:>7}{each['found']:7}{times}")
    return "\n".join(lines)

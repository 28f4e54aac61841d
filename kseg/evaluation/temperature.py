"""Calibrates the confidence of a trained network: fits and stores its temperature."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.resizing import resized_planes
from edge.predict.semantic import SemanticPredictor
from edge.predict.temperature import KEY, as_logits
from kseg.core.progress import evenly_spaced, shown
from kseg.data.sample import Dataset, Split
from kseg.evaluation.loop import errors_name_image
from kseg.evaluation.metrics.temperature import (
    LARGEST,
    SMALLEST,
    calibration_error,
    fit_temperature,
)

log = logging.getLogger(__name__)

IMAGES = 100  # at most
PIXELS = 100_000  # of all images together, about
LOGITS = 4_000_000  # limits the pixels of networks with many classes

TEMPERATURE = KEY
BEFORE, AFTER = "calibration_error_before", "calibration_error_after"


class PixelScores(NamedTuple):
    """Pixels of several images: `logits` (N, C) float32, `labels` (N,), `images` (N,).

    `images` numbers the images from 0, in the order of the split.
    """

    logits: np.ndarray
    labels: np.ndarray
    images: np.ndarray

    def of(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels of the pixels where a bool mask (N,) is true."""
        return self.logits[chosen], self.labels[chosen]


def calibrate_semantic(
    path: Path, predictor: SemanticPredictor, data: Dataset
) -> SemanticPredictor:
    """Fits T on the val images and stores it in a `.keras` file.

    Returns the predictor with it. Without a labelled pixel neither is changed.
    """
    from kseg.models.saving import replace_info

    scores = sample_scores(predictor, data.split("val"))
    if not len(scores.labels):
        return predictor
    record = calibration_record(scores)
    calibrated = predictor.with_decoder({KEY: record[TEMPERATURE]})
    calibrated.info = replace(calibrated.info, metrics=record)
    replace_info(path, calibrated.info)
    log.info(describe_record(record))
    return calibrated


# Task -> (model file, predictor, data) -> the predictor with calibrated confidences.
# Scores of objects have none: thresholds and the best score of each class are chosen
# in their own scale, and average precision needs only their order.
CALIBRATORS: dict[str, Callable[[Path, Any, Dataset], Predictor]] = {
    "semantic": calibrate_semantic
}


def calibrated(path: Path, predictor: Predictor, data: Dataset) -> Predictor:
    """The predictor with calibrated confidences, where its task has any."""
    calibrate = CALIBRATORS.get(data.task)
    return calibrate(path, predictor, data) if calibrate else predictor


def sample_scores(predictor: SemanticPredictor, split: Split) -> PixelScores:
    """Logits and true classes of about PIXELS pixels of at most IMAGES images.

    The images are spread evenly over the split, the pixels are the same in each call.
    """
    chosen = evenly_spaced(len(split.sizes), min(IMAGES, len(split.sizes)))
    total = sum(
        height * width for height, width in map(split.sizes.__getitem__, chosen)
    )
    wanted = min(PIXELS, LOGITS // len(predictor.info.class_names))
    share = min(1.0, wanted / max(1, total))
    parts = []
    for number, index in enumerate(shown(chosen, "calibrating", len(chosen))):
        sample = split.read(index)
        pixels = choose_pixels(sample.target, share, number)
        with errors_name_image(split, index):
            logits = logits_at(predictor, sample.image, pixels)
        labels = sample.target.ravel()[pixels].astype(np.int64)
        parts.append((logits, labels, np.full(len(pixels), number)))
    return PixelScores(*map(np.concatenate, zip(*parts, strict=True)))


def choose_pixels(mask: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Flat indices of a share of the labelled pixels of a mask (H, W), ascending."""
    labelled = np.flatnonzero(mask != IGNORE_INDEX)
    count = int(np.ceil(share * len(labelled)))
    random = np.random.default_rng(seed)
    return np.sort(random.choice(labelled, count, replace=False))


def logits_at(
    predictor: SemanticPredictor, image: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """The logits (N, C) float32 of an image at flat indices of its pixels.

    The scores of the classes are enlarged to the image as for its labels.
    """
    outputs, placement = predictor.run(image)
    size = placement.image_size
    scores, full_size = predictor.crop_map(outputs, placement, size)
    planes = resized_planes(scores, full_size)
    rows, columns = np.unravel_index(pixels, size)
    values = np.stack([plane[rows, columns] for plane in planes], axis=1)
    return as_logits(values, predictor.head).astype(np.float32)


def calibration_record(scores: PixelScores) -> dict[str, Optional[float]]:
    """T of all pixels, and the calibration error without it and with one of its kind.

    A T that was fitted to the pixels it is measured on looks too good. The errors are
    therefore those of the second half of the images, with the T of the first: halves
    that follow each other, as neighbours in a video are almost equal. They are None
    if only one half has labelled pixels.
    """
    first = scores.images < (scores.images.max() + 1) / 2
    before = after = None
    if first.any() and not first.all():
        temperature = fit_temperature(*scores.of(first))
        before = calibration_error(*scores.of(~first), 1.0)
        after = calibration_error(*scores.of(~first), temperature)
    best = fit_temperature(scores.logits, scores.labels)
    return {TEMPERATURE: round(best, 4), BEFORE: before, AFTER: after}


def describe_record(record: dict[str, Optional[float]]) -> str:
    """A calibration in one line.

    >>> describe_record({TEMPERATURE: 1.31, BEFORE: 0.0412, AFTER: 0.0069})
    'confidence: temperature 1.310; calibration error 0.0412 without it, 0.0069 with it'
    """
    fitted = record[TEMPERATURE]
    text = f"confidence: temperature {fitted:.3f}"
    if fitted in (SMALLEST, LARGEST):
        text += ", the limit, so the confidence stays wrong; train longer"
    if record[BEFORE] is None:
        return text
    errors = f"{record[BEFORE]:.4f} without it, {record[AFTER]:.4f} with it"
    return f"{text}; calibration error {errors}"


def record_in(info: ModelInfo) -> dict[str, Optional[float]]:
    """The calibration that a model file has, as in metrics.json; {} without one."""
    if KEY not in info.decoder:
        return {}
    errors = {name: info.metrics.get(name) for name in (BEFORE, AFTER)}
    return {TEMPERATURE: info.decoder[KEY], **errors}

"""Pictures of objects: masks, boxes and labels over an enlarged image."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import cv2
import numpy as np

from edge.core.images import with_channels
from edge.display.draw_boxes import class_color, pixel_boxes, put_masks
from edge.display.labels import Color, put_labels
from edge.display.names import written_name
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.resizing import fit_within
from edge.predict.results import Detections, Instances
from kseg.data.objects import mask_window
from kseg.data.sample import Objects

OPACITY = 0.45  # of a mask
LOGIT = 20.0  # of a pixel inside a labelled mask


def picture(
    image: np.ndarray,
    result: Detections,
    info: ModelInfo,
    box: tuple[int, int],
    scores: bool = True,
) -> np.ndarray:
    """Draws a result on an image (H, W[, C]) uint8 that is resized to fit into `box`.

    `box` is (height, width). Returns (h, w, 3) uint8 RGB. Labels have the class, and
    with `scores` the score.
    """
    size = fit_within(image.shape[:2], box)
    rgb = with_channels(image, 3)
    shrinks = size < rgb.shape[:2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    canvas = cv2.resize(rgb, size[::-1], interpolation=how)
    return draw_objects(canvas, resized_result(result, size), info, scores)


def result_of_objects(objects: Objects, size: tuple[int, int]) -> Detections:
    """The labelled objects as a result with scores of 1, so that both look alike."""
    ones = np.ones(len(objects.boxes), np.float32)
    plain = objects.boxes, objects.class_ids, ones, size
    if objects.masks is None:
        return Detections(*plain)
    windows = [mask_window(box) for box in objects.boxes]
    spans = [(left, top, right, bottom) for top, bottom, left, right in windows]
    logits = tuple(
        np.where(mask, LOGIT, -LOGIT).astype(np.float32) for mask in objects.masks
    )
    return Instances(*plain, None, logits, np.float32(spans).reshape(-1, 4))


def resized_result(result: Detections, size: tuple[int, int]) -> Detections:
    """The result of the same image at another size (height, width)."""
    factor = np.float32(size) / np.float32(result.size)
    factors = np.tile(factor[::-1], 2)
    moved = replace(result, boxes=result.boxes * factors, size=size)
    if isinstance(moved, Instances):
        return replace(moved, mask_spans=moved.mask_spans * factors)
    return moved


def draw_objects(
    rgb: np.ndarray, result: Detections, info: ModelInfo, scores: bool = True
) -> np.ndarray:
    """Draws masks, boxes and labels on (H, W, 3) uint8 RGB; returns a new image.

    Better results are above others. The camera's drawing has thicker boxes, and labels
    that always have a name and a score.
    """
    image = np.ascontiguousarray(rgb[..., ::-1])
    colors = [class_color(info, class_id) for class_id in result.class_ids.tolist()]
    put_objects(image, result, colors)
    boxes = pixel_boxes(result)
    texts = [label_of(result, index, info, scores) for index in range(len(result))]
    if any(texts):
        put_labels(image, boxes, texts, colors)
    return np.ascontiguousarray(image[..., ::-1])


def put_objects(image: np.ndarray, result: Detections, colors: Sequence[Color]) -> None:
    """Draws masks, and boxes of one pixel, into (H, W, 3) uint8, the first on top.

    `colors` have the order of the image's channels.
    """
    put_masks(image, result, colors, View(opacity=OPACITY))
    boxes = pixel_boxes(result)
    for color, (x0, y0, x1, y1) in reversed(list(zip(colors, boxes, strict=True))):
        cv2.rectangle(image, (x0, y0), (max(x0, x1 - 1), max(y0, y1 - 1)), color, 1)


def label_of(result: Detections, index: int, info: ModelInfo, scores: bool) -> str:
    """The text of a label; the name is left out if there is one class only."""
    class_id = int(result.class_ids[index])
    name = written_name(info, class_id) if len(info.class_names) > 1 else ""
    score = f"{result.scores[index]:.2f}" if scores else ""
    return f"{name} {score}".strip()


def truth_and_prediction(
    image: np.ndarray,
    objects: Objects,
    result: Detections,
    info: ModelInfo,
    box: tuple[int, int],
) -> dict[str, np.ndarray]:
    """Pictures of the labelled objects and of a result, by their captions."""
    truth = result_of_objects(objects, image.shape[:2])
    return {
        "ground truth": picture(image, truth, info, box, scores=False),
        "prediction": picture(image, result, info, box),
    }

"""Scores of a network -> labels of an image."""

from __future__ import annotations

from functools import reduce
from typing import Any, Optional, Tuple

import cv2
import numpy as np

from edge.core.constants import PADDING
from edge.core.errors import InputError
from edge.core.images import with_channels
from edge.core.timing import StageTimer
from edge.model_file.info import ModelInfo
from edge.predict.resizing import (
    crop_padding,
    enlarged_planes,
    fit_within,
    limit_side,
    resize,
    resize_labels,
    scaled,
)
from edge.predict.tiling import TILE, Tiles, covered_size, merge_tiles, split_tiles

Labelled = Tuple[np.ndarray, Optional[np.ndarray]]  # class ids, confidence


def scores_to_labels(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> (H, W) uint8: bilinear to `size`, then the largest.

    The first of equals wins, as in argmax.
    """
    labels = np.zeros(size, np.uint8)
    best: Optional[np.ndarray] = None
    for index, plane in enumerate(enlarged_planes(scores, size)):
        if best is None:
            best = plane
            continue
        better = plane > best
        labels[better] = index
        np.maximum(best, plane, out=best)
    return labels


def scores_to_confidence(
    scores: np.ndarray, size: tuple[int, int], head: str = "logits"
) -> np.ndarray:
    """(h, w, C) scores -> (H, W) float32 in (0, 1]: the largest class's probability.

    Bilinear to `size` as for the labels, then the largest of softmax; `head`
    "probabilities" says that scores are softmax already.

    >>> scores_to_confidence(np.log(np.float32([[[1, 3]]])), (1, 1)).round(4).tolist()
    [[0.75]]
    """
    planes = enlarged_planes(scores, size)
    if head == "probabilities":
        return reduce(np.maximum, planes)
    best = next(planes)
    total = np.ones_like(best)  # of exp(score - best)
    for plane in planes:
        larger = np.maximum(best, plane)
        total = total * np.exp(best - larger) + np.exp(plane - larger)
        best = larger
    return 1 / total


def probabilities(scores: np.ndarray, head: str) -> np.ndarray:
    """(h, w, C) what a head gives -> probabilities float32, softmax of logits."""
    scores = scores.astype(np.float32, copy=False)
    if head == "probabilities":
        return scores
    odds = np.exp(scores - scores.max(axis=2, keepdims=True))
    odds /= odds.sum(axis=2, keepdims=True)
    return odds


class Segmenter:
    """A network with everything around it: `predict(image) -> labels`.

    `engine` is any of edge.engines or kseg.keras_engine; `info` says how to feed it.
    """

    def __init__(
        self, engine: Any, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        self.engine = engine
        self.info = info
        self.stages = stages or StageTimer()

    def predict(self, image: np.ndarray, order: str = "RGB") -> np.ndarray:
        """(H, W), (H, W, 1) or (H, W, 3) uint8 -> class ids (H, W) uint8.

        `order` is "RGB" for pictures, "BGR" for frames of OpenCV. Raises InputError for
        a picture smaller than the network's minimum.
        """
        return self._label(image, order, sure=False)[0]

    def predict_with_confidence(
        self, image: np.ndarray, order: str = "RGB"
    ) -> Labelled:
        """As `predict`, and the probability of each pixel's class, (H, W) float32.

        None in its place where the network gives labels alone.
        """
        return self._label(image, order, sure=True)

    def _label(self, image: np.ndarray, order: str, sure: bool) -> Labelled:
        """Class ids and, where `sure` asks for it and it can be said, confidence."""
        size = image.shape[:2]
        output, given, used = self._run(image, order)
        with self.stages.stage("postprocess"):
            output, whole = crop_padding(output, given, used, size)
            if output.ndim == 2:
                return resize_labels(output, whole)[: size[0], : size[1]], None
            labels = scores_to_labels(output, whole)[: size[0], : size[1]]
        if not sure:
            return labels, None
        with self.stages.stage("confidence"):
            confidence = scores_to_confidence(output, whole, self.info.head)
        return labels, confidence[: size[0], : size[1]]

    def _run(
        self, image: np.ndarray, order: str, scale: float = 1.0
    ) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
        """What the network gives, the size of its input, and the part that was picture.

        Raises InputError for a picture smaller than the network's minimum.
        """
        size = image.shape[:2]
        if min(size) < self.info.minimum:
            least = self.info.minimum
            raise InputError(
                f"a picture of {size[0]}x{size[1]} is smaller than the network's "
                f"minimum of {least}x{least}; enlarge it first"
            )
        with self.stages.stage("preprocess"):
            tiles, used = self.prepare(image, order, scale)
        with self.stages.stage("inference"):
            outputs = [[self.engine(tile) for tile in row] for row in tiles]
        given = covered_size(tiles, self.info.border, self.info.step)
        return merge_tiles(outputs, self.info.step), given, used

    def size_within(self, size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """The size that a picture of `size` is resized to, before any padding."""
        box = self.engine.size
        if box is None or self.info.border:
            return scaled(limit_side(size, self.info.max_side), scale)
        if self.info.resize == "stretch":
            return box
        return fit_within(size, box)

    def prepare(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> tuple[Tiles, tuple[int, int]]:
        """An image -> what the network takes, and how much of it is picture.

        (H, W[, C]) uint8 -> rows of tiles (h, w, channels) uint8, one tile unless the
        network needs a border, and the picture's (height, width) before padding.
        `scale` is for networks of free size: how much larger they see the picture.
        """
        box = self.engine.size
        used = self.size_within(image.shape[:2], scale)
        image = resize(image, used)
        if order == "BGR" and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image = with_channels(image, self.engine.channels)
        if self.info.border:
            box = box or self.info.covering(np.minimum(used, TILE).tolist())
            return split_tiles(image, box, self.info.border, self.info.step), used
        if box is not None and used != box:
            canvas = np.full((*box, self.engine.channels), PADDING, np.uint8)
            canvas[: used[0], : used[1]] = image
            image = canvas
        return [[image]], used

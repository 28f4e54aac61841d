"""Predictors: preprocessing, inference and decoding of one image."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, Mapping, Optional, Tuple, TypeVar

import cv2
import numpy as np

from edge.core.constants import PADDING
from edge.core.errors import InputError
from edge.core.images import with_channels
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output
from edge.model_file.info import ModelInfo
from edge.predict.resizing import fit_within, limit_side, resize, scale_size
from edge.predict.tiling import (
    TILE,
    Tiles,
    covered_size,
    merge_tiles,
    split_tiles,
)

ORDERS = ("RGB", "BGR")  # of the channels of an image

R = TypeVar("R")
P = TypeVar("P", bound="Predictor")


@dataclass(frozen=True)
class Placement:
    """The position of an image in the network's input; sizes are (height, width).

    The image of `image_size` was resized to `content_size` and is in the upper left
    corner of the input of `input_size`; the rest is padding.
    """

    image_size: Tuple[int, int]
    input_size: Tuple[int, int]
    content_size: Tuple[int, int]


class Predictor(Generic[R]):
    """Base class of predictors: `predict(image)` returns the result of a task.

    `engine` is one of edge.engines, kseg.models.keras_engine or a grouping; `info` is
    the model's metadata. A task implements `decode`, and its constructor raises
    InputError if the engine's outputs do not suit it.
    """

    has_threshold = False  # whether the task has --threshold

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        self.engine = engine
        self.info = info
        self.stages = stages or StageTimer()

    def with_decoder(self: P, changes: Mapping[str, Any]) -> P:
        """A copy of this predictor with other parameters of decoding.

        `changes` replaces entries of `info.decoder`, such as {"score": 0.05}. The copy
        shares the engine and the times. Raises InputError for a value that the task
        does not accept.
        """
        result = copy.copy(self)
        result.info = replace(self.info, decoder={**self.info.decoder, **dict(changes)})
        return result

    def predict(
        self, image: np.ndarray, order: str = "RGB", confidence: bool = False
    ) -> R:
        """(H, W), (H, W, 1) or (H, W, 3) uint8 -> the result, at the image's size.

        `order` is "RGB" for image files, "BGR" for OpenCV frames. `confidence` adds
        the confidence to the result, if the network gives it. Raises InputError for an
        image smaller than the network's minimum.
        """
        check_image(image)
        if order not in ORDERS:
            raise InputError(f"order {order!r}: must be {' or '.join(ORDERS)}")
        outputs, placement = self.run(image, order)
        return self.decode(outputs, placement, confidence)

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> R:
        """The network's outputs -> the result, at the image's size."""
        raise NotImplementedError

    def run(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> Tuple[Tuple[Output, ...], Placement]:
        """Run the network: its outputs for an image, and the image's placement.

        Raises InputError for an image smaller than the network's minimum.
        """
        size, minimum = image.shape[:2], self.info.geometry.minimum
        if min(size) < minimum:
            raise InputError(
                f"an image of {size[0]}x{size[1]} is smaller than the network's "
                f"minimum of {minimum}x{minimum}; enlarge it first"
            )
        with self.stages.stage("preprocess"):
            tiles, placement = self.prepare(image, order, scale)
        with self.stages.stage("inference"):
            outputs = [[self.engine(tile) for tile in row] for row in tiles]
        return self.merge(outputs), placement

    def merge(self, outputs: list[list[Tuple[Output, ...]]]) -> Tuple[Output, ...]:
        """Merge the outputs of rows of tiles into those of one image."""
        if len(outputs) == len(outputs[0]) == 1:
            return outputs[0][0]
        step = self.info.geometry.input_step
        return tuple(
            Output(
                merge_tiles([[t[i].raw for t in row] for row in outputs], step), spec
            )
            for i, (_, spec) in enumerate(outputs[0][0])
        )

    def content_size_of(
        self, size: Tuple[int, int], scale: float = 1.0
    ) -> Tuple[int, int]:
        """The size that an image of `size` is resized to, before any padding."""
        box = self.engine.size
        if box is None or self.info.geometry.valid_border:
            return scale_size(limit_side(size, self.info.max_side), scale)
        if self.info.resize == "stretch":
            return box
        return fit_within(size, box)

    def prepare(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> Tuple[Tiles, Placement]:
        """Convert an image to the network's input, and return its placement in it.

        (H, W[, C]) uint8 -> rows of tiles (h, w, channels) uint8; one tile unless the
        network has valid convolutions. `scale` resizes the input of networks that
        accept any size.
        """
        box, sides = self.engine.size, self.info.geometry
        image_size = image.shape[:2]
        content_size = self.content_size_of(image_size, scale)
        image = resize(image, content_size)
        if order == "BGR" and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image = with_channels(image, self.engine.channels)
        if sides.valid_border:
            box = box or sides.smallest_input(np.minimum(content_size, TILE).tolist())
            tiles = split_tiles(image, box, sides.valid_border, sides.input_step)
            covered = covered_size(tiles, sides.valid_border, sides.input_step)
            return tiles, Placement(image_size, covered, content_size)
        if box is not None and content_size != box:
            canvas = np.full((*box, self.engine.channels), PADDING, np.uint8)
            canvas[: content_size[0], : content_size[1]] = image
            image = canvas
        return [[image]], Placement(image_size, image.shape[:2], content_size)


def check_image(image: np.ndarray) -> None:
    """Raises InputError for an array that is not an image, with what it is."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"an image is an array, and this is of the type {type(image).__name__}; "
            "read a file with read_image"
        )
    grey = image.ndim == 2
    if not image.size:
        raise InputError(f"the image is empty: {image.shape}")
    if image.dtype != np.uint8 or not (
        grey or (image.ndim == 3 and image.shape[2] in (1, 3))
    ):
        raise InputError(
            f"an image is (H, W, 3) or (H, W) uint8, and this is {image.shape} "
            f"{image.dtype}; convert it first"
        )

"""A network with everything around it: from an image to a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Optional, Tuple, TypeVar

import cv2
import numpy as np

from edge.core.constants import PADDING
from edge.core.errors import InputError
from edge.core.images import with_channels
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output
from edge.model_file.info import ModelInfo
from edge.predict.resizing import fit_within, limit_side, resize, scaled
from edge.predict.tiling import (
    TILE,
    Tiles,
    covered_size,
    merge_tiles,
    split_tiles,
)

R = TypeVar("R")


@dataclass(frozen=True)
class Placement:
    """Where an image lies in what the network takes; sizes are (height, width).

    The image of `image_size` was resized to `content_size` and lies in the upper left
    corner of the input of `input_size`; padding fills the rest.
    """

    image_size: Tuple[int, int]
    input_size: Tuple[int, int]
    content_size: Tuple[int, int]


class Predictor(Generic[R]):
    """`predict(image)` -> the result of the task that `decode` knows.

    `engine` is any of edge.engines, kseg.models.keras_engine or a grouping; `info` says
    how to feed it. A task writes `decode`, and raises InputError in its constructor
    where the engine's outputs do not fit it.
    """

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        self.engine = engine
        self.info = info
        self.stages = stages or StageTimer()

    def predict(
        self, image: np.ndarray, order: str = "RGB", confidence: bool = False
    ) -> R:
        """(H, W), (H, W, 1) or (H, W, 3) uint8 -> the result, at the image's size.

        `order` is "RGB" for images of files, "BGR" for frames of OpenCV. `confidence`
        asks for what the result can say of its own certainty. Raises InputError for an
        image smaller than the network's minimum.
        """
        outputs, placement = self.run(image, order)
        return self.decode(outputs, placement, confidence)

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> R:
        """What the network gave -> the result, at the image's own size."""
        raise NotImplementedError

    def run(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> Tuple[Tuple[Output, ...], Placement]:
        """What the network gives for an image, and where the image lay in it.

        Raises InputError for an image smaller than the network's minimum.
        """
        size, least = image.shape[:2], self.info.geometry.minimum
        if min(size) < least:
            raise InputError(
                f"an image of {size[0]}x{size[1]} is smaller than the network's "
                f"minimum of {least}x{least}; enlarge it first"
            )
        with self.stages.stage("preprocess"):
            tiles, placement = self.prepare(image, order, scale)
        with self.stages.stage("inference"):
            outputs = [[self.engine(tile) for tile in row] for row in tiles]
        return self.merge(outputs), placement

    def merge(self, outputs: list[list[Tuple[Output, ...]]]) -> Tuple[Output, ...]:
        """The outputs of rows of tiles as those of one image."""
        if len(outputs) == len(outputs[0]) == 1:
            return outputs[0][0]
        step = self.info.geometry.input_step
        return tuple(
            Output(
                merge_tiles([[t[i].raw for t in row] for row in outputs], step), spec
            )
            for i, (_, spec) in enumerate(outputs[0][0])
        )

    def size_within(self, size: Tuple[int, int], scale: float = 1.0) -> Tuple[int, int]:
        """The size that an image of `size` is resized to, before any padding."""
        box = self.engine.size
        if box is None or self.info.geometry.valid_border:
            return scaled(limit_side(size, self.info.max_side), scale)
        if self.info.resize == "stretch":
            return box
        return fit_within(size, box)

    def prepare(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> Tuple[Tiles, Placement]:
        """An image -> what the network takes, and where the image lies in it.

        (H, W[, C]) uint8 -> rows of tiles (h, w, channels) uint8, one tile unless the
        network needs a border. `scale` is for networks of free size: how much larger
        they see the image.
        """
        box, sides = self.engine.size, self.info.geometry
        whole, used = image.shape[:2], self.size_within(image.shape[:2], scale)
        image = resize(image, used)
        if order == "BGR" and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image = with_channels(image, self.engine.channels)
        if sides.valid_border:
            box = box or sides.smallest_input(np.minimum(used, TILE).tolist())
            tiles = split_tiles(image, box, sides.valid_border, sides.input_step)
            seen = covered_size(tiles, sides.valid_border, sides.input_step)
            return tiles, Placement(whole, seen, used)
        if box is not None and used != box:
            canvas = np.full((*box, self.engine.channels), PADDING, np.uint8)
            canvas[: used[0], : used[1]] = image
            image = canvas
        return [[image]], Placement(whole, image.shape[:2], used)

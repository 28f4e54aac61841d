"""Segmenter: the one place that resizes, runs a network, turns scores into labels."""

from __future__ import annotations

from functools import reduce
from typing import Any, Iterator, List, Optional, Tuple

import cv2
import numpy as np

from edge.command import BadInput
from edge.images import with_channels
from edge.metadata import ModelInfo
from edge.timing import Stages

PADDING = 128  # mid-grey: what networks see as zero
TILE = (512, 512)  # of a network that works in tiles of any size, at most

Tiles = List[List[np.ndarray]]
Labelled = Tuple[np.ndarray, Optional[np.ndarray]]  # class ids, confidence


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W[, C]) uint8 -> the same at `size`; areas are averaged when it shrinks."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (size[1], size[0]), interpolation=how)
    return resized if resized.ndim == image.ndim else resized[..., None]


def fitting(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same aspect as `size` that goes into `box`.

    >>> fitting((540, 960), (360, 480))
    (270, 480)
    """
    return scaled(size, min(box[0] / size[0], box[1] / size[1]))


def bounded(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size`, shrunk where its longer side is over `max_side`.

    >>> bounded((3000, 4000), 1024), bounded((360, 480), 1024)
    ((768, 1024), (360, 480))
    """
    if max(size) <= max_side:
        return tuple(size)
    return fitting(size, (max_side, max_side))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """`size` times `scale`, in whole pixels.

    >>> scaled((360, 481), 0.75)
    (270, 361)
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def cells(count: int, given: int, used: int, size: int) -> tuple[int, int]:
    """How many of `count` cells see picture, and how many pixels of it they span.

    The last may see padding too: it is enlarged as a whole and cut afterwards. Here two
    cells see 8 rows of which 6 are picture, enlarged twice.

    >>> cells(2, given=8, used=6, size=12)
    (2, 16)
    """
    kept = -(-count * used // given)
    return kept, max(size, round(kept * given * size / (count * used)))


def plane_of(scores: np.ndarray, index: int, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> those of one class, (H, W), bilinear to `size`."""
    plane = np.ascontiguousarray(scores[..., index])
    if plane.shape == tuple(size):
        return plane
    return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)


def enlarged(scores: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(h, w, C) scores -> each class at `size`, bilinear: C times (H, W).

    One class at a time, so that memory stays that of a few pictures.
    """
    for index in range(scores.shape[2]):
        yield plane_of(scores, index, size)


def scores_to_labels(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> (H, W) uint8: bilinear to `size`, then the largest.

    The first of equals wins, as in argmax.
    """
    labels = np.zeros(size, np.uint8)
    best: Optional[np.ndarray] = None
    for index, plane in enumerate(enlarged(scores, size)):
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
    planes = enlarged(scores, size)
    if head == "probabilities":
        return reduce(np.maximum, planes)
    best = next(planes)
    total = np.ones_like(best)  # of exp(score - best)
    for plane in planes:
        larger = np.maximum(best, plane)
        total = total * np.exp(best - larger) + np.exp(plane - larger)
        best = larger
    return 1 / total


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) ids of any integer type -> (H, W) uint8, each from the nearest cell."""
    labels = labels.astype(np.uint8, copy=False)
    if labels.shape == tuple(size):
        return labels
    # INTER_NEAREST_EXACT takes the pixel at the centre; INTER_NEAREST its corner.
    labels = np.ascontiguousarray(labels)
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def probabilities(scores: np.ndarray, head: str) -> np.ndarray:
    """(h, w, C) what a head gives -> probabilities float32, softmax of logits."""
    scores = scores.astype(np.float32, copy=False)
    if head == "probabilities":
        return scores
    odds = np.exp(scores - scores.max(axis=2, keepdims=True))
    odds /= odds.sum(axis=2, keepdims=True)
    return odds


def pace(inside: int, step: int) -> int:
    """How far apart tiles begin, by how much of each counts.

    Whole steps, where there is one: poolings then meet the same pixels in every tile.

    >>> pace(388, 16), pace(4, 16)
    (384, 4)
    """
    return inside - inside % step or inside


def tiled(image: np.ndarray, box: tuple[int, int], border: int, step: int) -> Tiles:
    """(H, W, C) -> rows of tiles of `box`, `pace` apart, whose insides are the picture.

    The inside is all but `border` pixels on each side; beyond the picture it goes on
    mirrored. (The overlap-tile strategy of Ronneberger, Fischer and Brox, 2015.)
    """
    inside = [side - 2 * border for side in box]
    apart = [pace(side, step) for side in inside]
    last = [
        max(0, -(-(have - side) // to_next)) * to_next
        for have, side, to_next in zip(image.shape, inside, apart)
    ]
    below, right = (border + last[i] + inside[i] - image.shape[i] for i in (0, 1))
    mirrored = cv2.copyMakeBorder(
        image, border, below, border, right, cv2.BORDER_REFLECT_101
    ).reshape(last[0] + box[0], last[1] + box[1], image.shape[2])
    return [
        [
            mirrored[y : y + box[0], x : x + box[1]]
            for x in range(0, last[1] + 1, apart[1])
        ]
        for y in range(0, last[0] + 1, apart[0])
    ]


def joined(tiles: Tiles, step: int) -> np.ndarray:
    """Rows of what a network gave for tiles -> one array; the next one goes on top."""
    if len(tiles) == len(tiles[0]) == 1:
        return tiles[0][0]
    height, width = (pace(side, step) for side in tiles[0][0].shape[:2])
    rows = [
        np.concatenate([tile[:, :width] for tile in row[:-1]] + row[-1:], axis=1)
        for row in tiles
    ]
    return np.concatenate([row[:height] for row in rows[:-1]] + rows[-1:])


def spanned(tiles: Tiles, border: int, step: int) -> tuple[int, int]:
    """How many pixels the insides of the tiles span."""
    height, width = (side - 2 * border for side in tiles[0][0].shape[:2])
    down, across = len(tiles) - 1, len(tiles[0]) - 1
    return down * pace(height, step) + height, across * pace(width, step) + width


class Segmenter:
    """A network with everything around it: `predict(image) -> labels`.

    `engine` is any of edge.engines or kseg.keras_engine; `info` says how to feed it.
    """

    def __init__(self, engine: Any, info: ModelInfo, stages: Optional[Stages] = None):
        self.engine = engine
        self.info = info
        self.stages = stages or Stages()

    def predict(self, image: np.ndarray, order: str = "RGB") -> np.ndarray:
        """(H, W), (H, W, 1) or (H, W, 3) uint8 -> class ids (H, W) uint8.

        `order` is "RGB" for pictures, "BGR" for frames of OpenCV. Raises BadInput for a
        picture smaller than the network's minimum.
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
            output, whole = only_picture(output, given, used, size)
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

        Raises BadInput for a picture smaller than the network's minimum.
        """
        size = image.shape[:2]
        if min(size) < self.info.minimum:
            least = self.info.minimum
            raise BadInput(
                f"a picture of {size[0]}x{size[1]} is smaller than the network's "
                f"minimum of {least}x{least}; enlarge it first"
            )
        with self.stages.stage("preprocess"):
            tiles, used = self.prepare(image, order, scale)
        with self.stages.stage("inference"):
            outputs = [[self.engine(tile) for tile in row] for row in tiles]
        given = spanned(tiles, self.info.border, self.info.step)
        return joined(outputs, self.info.step), given, used

    def size_within(self, size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """The size that a picture of `size` is resized to, before any padding."""
        box = self.engine.size
        if box is None or self.info.border:
            return scaled(bounded(size, self.info.max_side), scale)
        if self.info.resize == "stretch":
            return box
        return fitting(size, box)

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
            return tiled(image, box, self.info.border, self.info.step), used
        if box is not None and used != box:
            canvas = np.full((*box, self.engine.channels), PADDING, np.uint8)
            canvas[: used[0], : used[1]] = image
            image = canvas
        return [[image]], used


def only_picture(
    output: np.ndarray,
    given: tuple[int, int],
    used: tuple[int, int],
    size: tuple[int, int],
) -> tuple[np.ndarray, tuple[int, int]]:
    """The cells of an output that see picture, and the size to enlarge them to.

    `given` is the size of the network's input, `used` the part that was picture, `size`
    what the picture is to have; it is cut out of the enlarged cells, top left.
    """
    rows, height = cells(output.shape[0], given[0], used[0], size[0])
    columns, width = cells(output.shape[1], given[1], used[1], size[1])
    return output[:rows, :columns], (height, width)

"""Boxes as moves of a proposal, and the part of an image that a proposal shows.

A move is (dx, dy, dw, dh): the offset of the centre in widths and heights of the
proposal, and the logarithms of the quotients of the sizes, each times a weight
(Girshick et al., R-CNN, CVPR 2014, appendix C).
"""

from __future__ import annotations

from math import log
from typing import List, Sequence, Tuple

import cv2
import numpy as np

from edge.core.constants import PADDING

WEIGHTS = (10.0, 10.0, 5.0, 5.0)
LARGEST = log(1000 / 16)  # of dw and dh before their weight


def encode_moves(
    boxes: np.ndarray, proposals: np.ndarray, weights: Sequence[float] = WEIGHTS
) -> np.ndarray:
    """The moves (N, 4) float32 from proposals (N, 4) to boxes (N, 4), both not empty.

    >>> encode_moves(np.float32([[2, 0, 6, 4]]), np.float32([[0, 0, 4, 4]])).tolist()
    [[5.0, 0.0, 0.0, 0.0]]
    """
    sides, centers = sides_and_centers(proposals)
    lengths, middles = sides_and_centers(boxes)
    moves = [(middles - centers) / sides, np.log(lengths / sides)]
    return np.float32(np.concatenate(moves, axis=1) * np.float32(weights))


def decode_moves(
    moves: np.ndarray, proposals: np.ndarray, weights: Sequence[float] = WEIGHTS
) -> np.ndarray:
    """The boxes (N, K, 4) of K moves of each proposal: (N, K, 4), (N, 4).

    >>> decode_moves(np.float32([[[5, 0, 0, 0]]]), np.float32([[0, 0, 4, 4]])).tolist()
    [[[2.0, 0.0, 6.0, 4.0]]]
    """
    moves = moves / np.float32(weights)
    sides, centers = (x[:, None] for x in sides_and_centers(proposals))
    middles = centers + moves[..., :2] * sides
    half = np.exp(np.minimum(moves[..., 2:], LARGEST)) * (sides / 2)
    return np.concatenate([middles - half, middles + half], axis=-1)


def sides_and_centers(boxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """(N, 4) x0, y0, x1, y1 -> width and height (N, 2), and centre x, y (N, 2)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides, boxes[:, :2] + sides / 2


class Warper:
    """Cuts boxes out of an image (H, W, C) and resizes each to a square, as R-CNN does.

    The box fills the square of `side` pixels but for `context` pixels on each side,
    which show what is around it; outside the image it is grey. Large boxes are taken
    from a smaller image, so that no pixels are skipped.
    """

    def __init__(self, image: np.ndarray, side: int, context: int):
        self.side, self.context = side, context
        self.levels: List[np.ndarray] = [image]  # each has half the size of the last

    def crops(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) x0, y0, x1, y1 -> (N, side, side, C) of the image's type."""
        image = self.levels[0]
        result = np.empty(
            (len(boxes), self.side, self.side, image.shape[2]), image.dtype
        )
        for crop, box in zip(result, boxes.astype(np.float64)):
            crop[:] = self.crop(box)
        return result

    def crop(self, box: np.ndarray) -> np.ndarray:
        """One box: (4,) -> (side, side, C)."""
        inner = self.side - 2 * self.context
        sides = np.maximum(box[2:] - box[:2], 1e-3)
        level = max(0, int(np.floor(np.log2(max(1.0, sides.min() / inner)))))
        image = self.level(level)
        shrunk = np.float64(image.shape[1::-1]) / self.levels[0].shape[1::-1]
        scale = inner / (sides * shrunk)
        # Pixels of cv2 have their centre at whole numbers.
        start = self.context - scale * box[:2] * shrunk + 0.5 * scale - 0.5
        matrix = np.column_stack([np.diag(scale), start])
        channels = image.shape[2]
        crop = cv2.warpAffine(
            image,
            matrix,
            (self.side, self.side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(PADDING,) * channels,
        )
        return crop.reshape(self.side, self.side, channels)

    def level(self, number: int) -> np.ndarray:
        """The image after halving it `number` times, as long as it has 2 pixels."""
        while len(self.levels) <= number and min(self.levels[-1].shape[:2]) > 1:
            last = self.levels[-1]
            half = cv2.pyrDown(last)
            self.levels.append(half.reshape(*half.shape[:2], last.shape[2]))
        return self.levels[min(number, len(self.levels) - 1)]

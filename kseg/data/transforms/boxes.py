"""Geometric augmentation of images and their objects, in NumPy.

Masks have a size of their own, which a graph of TensorFlow cannot hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Optional

import cv2
import numpy as np

from edge.core.constants import PADDING
from kseg.data.objects import BoxAndMask, mask_window, trimmed
from kseg.data.sample import Objects

LEAST_SHARE = 0.25  # of an object's area that a crop must keep
LEAST_AREA = 16  # pixels of an object that a crop must keep


@dataclass(frozen=True)
class Move:
    """Where a crop's pixels come from: `matrix` (2, 3) maps image x, y to crop x, y."""

    matrix: np.ndarray
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the crop for each pixel of the image, a side."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))


def random_move(
    random: np.random.Generator,
    image_size: tuple[int, int],
    size: tuple[int, int],
    largest: float = 1.0,
    flip: bool = False,
    flip_vertical: bool = False,
    degrees: float = 0.0,
) -> Move:
    """A random scale, position, mirroring and rotation of a crop of `size`.

    The scale is log-uniform from 1 / `largest` to `largest`, relative to the image's
    own size. The crop is inside the image as far as both sizes allow; a smaller image
    is somewhere inside the crop.
    """
    factor = float(largest ** random.uniform(-1, 1))
    angle = radians(random.uniform(-degrees, degrees))
    mirror = [1.0, 1.0]
    for axis, asked in enumerate((flip, flip_vertical)):
        if random.random() < 0.5 and asked:
            mirror[axis] = -1.0
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    linear = factor * np.diag(mirror) @ turn
    height, width = image_size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    moved = corners @ linear.T
    low, high = moved.min(0), moved.max(0)
    slack = np.array([size[1], size[0]]) - (high - low)  # negative: the crop is smaller
    start = -low + random.uniform(0, 1, 2) * slack
    return Move(np.column_stack([linear, start]), size)


def move_image(image: np.ndarray, move: Move) -> np.ndarray:
    """(H, W, C) uint8 -> (h, w, C) uint8, bilinear; grey outside the image."""
    if move.scale < 0.75:  # without it, bilinear samples would skip pixels
        sigma = 0.5 * (1 / move.scale - 0.5)
        image = cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    moved = cv2.warpAffine(
        image,
        center_to_corner(move.matrix),
        move.size[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PADDING,) * image.shape[2],
    )
    return moved.reshape(*move.size, image.shape[2])


def center_to_corner(matrix: np.ndarray, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """A matrix for cv2, whose pixels have their centre at whole numbers.

    The result is relative to the point `x`, `y` of the crop.
    """
    linear, start = matrix[:, :2], matrix[:, 2]
    return np.column_stack([linear, start + linear @ [0.5, 0.5] - 0.5 - [x, y]])


def move_objects(objects: Objects, move: Move) -> Objects:
    """The objects in the crop; those of which too little is left become crowds.

    An object stays if LEAST_SHARE of its area and LEAST_AREA pixels are left. Boxes are
    those of the moved masks; without masks, of the moved corners.
    """
    limits = np.float32([move.size[1], move.size[0]] * 2)
    boxes, kept, crowd, masks = [], [], [], []
    for index, box in enumerate(objects.boxes):
        corners = box[[0, 1, 2, 1, 0, 3, 2, 3]].reshape(4, 2)
        moved = corners @ move.matrix[:, :2].T + move.matrix[:, 2]
        whole = np.concatenate([moved.min(0), moved.max(0)])
        cut = np.clip(whole, 0, limits)
        if (cut[2:] <= cut[:2]).any():
            continue
        if objects.masks is None:
            area = np.prod(cut[2:] - cut[:2])
            full = np.prod(whole[2:] - whole[:2])
        else:
            found = move_mask(objects.masks[index], box, move, cut)
            if found is None:
                continue
            cut, mask = np.float32(found[0]), found[1]
            masks.append(mask)
            area = np.count_nonzero(mask)
            full = np.count_nonzero(objects.masks[index]) * move.scale**2
        enough = area >= LEAST_SHARE * full and area >= LEAST_AREA
        boxes.append(cut)
        kept.append(index)
        crowd.append(bool(objects.crowd[index]) or not enough)
    return Objects(
        np.float32(boxes).reshape(-1, 4),
        objects.class_ids[kept],
        np.array(crowd, bool),
        None if objects.masks is None else tuple(masks),
        None if objects.proposals is None else move_boxes(objects.proposals, move),
    )


def move_boxes(boxes: np.ndarray, move: Move) -> np.ndarray:
    """Boxes (N, 4) around the moved corners of `boxes`, clipped to the crop.

    Those whose sides have less than 1 pixel there are left out.

    >>> shift = Move(np.float64([[1, 0, -2], [0, 1, 0]]), (8, 8))
    >>> move_boxes(np.float32([[0, 0, 2, 2], [1, 0, 5, 4]]), shift).tolist()
    [[0.0, 0.0, 3.0, 4.0]]
    """
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    moved = corners @ move.matrix[:, :2].T + move.matrix[:, 2]
    whole = np.concatenate([moved.min(1), moved.max(1)], axis=1)
    height, width = move.size
    cut = np.clip(whole, 0, [width, height, width, height]).astype(np.float32)
    return cut[(cut[:, 2:] - cut[:, :2] >= 1).all(axis=1)]


def move_mask(
    mask: np.ndarray, box: np.ndarray, move: Move, cut: np.ndarray
) -> Optional[BoxAndMask]:
    """A mask in the crop, by nearest neighbour: its tight box, and the cut mask.

    None if no pixel is left.
    """
    top, _, left, _ = mask_window(box)
    x0, y0 = np.floor(cut[:2])
    x1, y1 = np.ceil(cut[2:])
    matrix = move.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    moved = cv2.warpAffine(
        mask.view(np.uint8),
        center_to_corner(matrix, x0, y0),
        (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_NEAREST,
    )
    return trimmed(moved > 0, int(x0), int(y0))

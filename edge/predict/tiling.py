"""Splitting images into overlapping tiles, and merging the outputs of tiles."""

from __future__ import annotations

from typing import List

import cv2
import numpy as np

TILE = (512, 512)  # the largest tile of networks that accept any size

Tiles = List[List[np.ndarray]]


def tile_stride(inside: int, step: int) -> int:
    """The stride of tiles of which `inside` pixels count.

    A multiple of `step` if possible, so that pooling windows align between tiles.

    >>> tile_stride(388, 16), tile_stride(4, 16)
    (384, 4)
    """
    return inside - inside % step or inside


def split_tiles(
    image: np.ndarray, box: tuple[int, int], border: int, step: int
) -> Tiles:
    """(H, W, C) -> rows of tiles of size `box` whose inner parts cover the image.

    Tiles are `tile_stride` apart. The inner part is the tile without `border` pixels on
    each side; outside the image, pixels are mirrored. (The overlap-tile strategy of
    Ronneberger, Fischer and Brox, 2015.)
    """
    inside = [side - 2 * border for side in box]
    strides = [tile_stride(side, step) for side in inside]
    last = [
        max(0, -(-(length - side) // stride)) * stride
        for length, side, stride in zip(image.shape, inside, strides)
    ]
    below, right = (border + last[i] + inside[i] - image.shape[i] for i in (0, 1))
    mirrored = cv2.copyMakeBorder(
        image, border, below, border, right, cv2.BORDER_REFLECT_101
    ).reshape(last[0] + box[0], last[1] + box[1], image.shape[2])
    return [
        [
            mirrored[y : y + box[0], x : x + box[1]]
            for x in range(0, last[1] + 1, strides[1])
        ]
        for y in range(0, last[0] + 1, strides[0])
    ]


def merge_tiles(tiles: Tiles, step: int) -> np.ndarray:
    """Merge rows of output tiles into one array; later tiles overwrite overlaps."""
    if len(tiles) == len(tiles[0]) == 1:
        return tiles[0][0]
    height, width = (tile_stride(side, step) for side in tiles[0][0].shape[:2])
    rows = [
        np.concatenate([tile[:, :width] for tile in row[:-1]] + row[-1:], axis=1)
        for row in tiles
    ]
    return np.concatenate([row[:height] for row in rows[:-1]] + rows[-1:])


def covered_size(tiles: Tiles, border: int, step: int) -> tuple[int, int]:
    """The size in pixels that the inner parts of the tiles cover."""
    height, width = (side - 2 * border for side in tiles[0][0].shape[:2])
    down, across = len(tiles) - 1, len(tiles[0]) - 1
    return down * tile_stride(height, step) + height, across * tile_stride(
        width, step
    ) + width

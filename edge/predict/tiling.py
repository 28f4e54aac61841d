"""Images larger than a network's input, in tiles whose insides are the image."""

from __future__ import annotations

from typing import List

import cv2
import numpy as np

TILE = (512, 512)  # of a network that works in tiles of any size, at most

Tiles = List[List[np.ndarray]]


def tile_stride(inside: int, step: int) -> int:
    """How far apart tiles begin, by how much of each counts.

    Whole steps, where there is one: poolings then meet the same pixels in every tile.

    >>> tile_stride(388, 16), tile_stride(4, 16)
    (384, 4)
    """
    return inside - inside % step or inside


def split_tiles(
    image: np.ndarray, box: tuple[int, int], border: int, step: int
) -> Tiles:
    """(H, W, C) -> rows of tiles of `box` whose insides are the image.

    They begin `tile_stride` apart. The inside is all but `border` pixels on each side;
    beyond the image it goes on mirrored. (The overlap-tile strategy of Ronneberger,
    Fischer and Brox, 2015.)
    """
    inside = [side - 2 * border for side in box]
    apart = [tile_stride(side, step) for side in inside]
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


def merge_tiles(tiles: Tiles, step: int) -> np.ndarray:
    """Rows of what a network gave for tiles -> one array; the next one goes on top."""
    if len(tiles) == len(tiles[0]) == 1:
        return tiles[0][0]
    height, width = (tile_stride(side, step) for side in tiles[0][0].shape[:2])
    rows = [
        np.concatenate([tile[:, :width] for tile in row[:-1]] + row[-1:], axis=1)
        for row in tiles
    ]
    return np.concatenate([row[:height] for row in rows[:-1]] + rows[-1:])


def covered_size(tiles: Tiles, border: int, step: int) -> tuple[int, int]:
    """How many pixels the insides of the tiles span."""
    height, width = (side - 2 * border for side in tiles[0][0].shape[:2])
    down, across = len(tiles) - 1, len(tiles[0]) - 1
    return down * tile_stride(height, step) + height, across * tile_stride(
        width, step
    ) + width

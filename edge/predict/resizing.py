"""Resizing images to a network's input, and scores and labels to the image's size."""

from __future__ import annotations

from typing import Iterator

import cv2
import numpy as np

LARGE_FACTOR = 2.0  # from here on a smaller image is the average of areas


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W[, C]) uint8 -> (*size[, C]): halved while that is possible, then bilinear.

    Bilinear weights skip pixels only where a side becomes half or less. Up to there
    they are as good as the average of areas. Averages of 2x2 pixels are fast, those of
    other areas take up to twenty times as long.
    """
    channels = image.shape[2:]
    while image.shape[0] >= 2 * size[0] and image.shape[1] >= 2 * size[1]:
        image = halved(image)
    if image.shape[:2] != tuple(size):
        factors = image.shape[0] / size[0], image.shape[1] / size[1]
        uneven = min(factors) >= 1 and max(factors) >= LARGE_FACTOR
        how = cv2.INTER_AREA if uneven else cv2.INTER_LINEAR
        image = cv2.resize(image, (size[1], size[0]), interpolation=how)
    return image.reshape(*image.shape[:2], *channels)


def halved(image: np.ndarray) -> np.ndarray:
    """(H, W[, C]) uint8 -> (H // 2, W // 2[, C]): each pixel the average of four.

    An odd last row or column is left out.

    >>> halved(np.uint8([[1, 3, 0], [5, 7, 0]])).tolist()
    [[4]]
    """
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    part = image[: 2 * rows, : 2 * columns]
    return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)


def fit_within(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the aspect ratio of `size` that fits into `box`.

    >>> fit_within((540, 960), (360, 480))
    (270, 480)
    """
    return scale_size(size, min(box[0] / size[0], box[1] / size[1]))


def limit_side(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size`, scaled down if its longer side exceeds `max_side`.

    >>> limit_side((3000, 4000), 1024), limit_side((360, 480), 1024)
    ((768, 1024), (360, 480))
    """
    if max(size) <= max_side:
        return tuple(size)
    return fit_within(size, (max_side, max_side))


def scale_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """`size` times `scale`, rounded to pixels.

    >>> scale_size((360, 481), 0.75)
    (270, 361)
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def valid_cells(
    count: int, input_size: int, content_size: int, size: int
) -> tuple[int, int]:
    """How many of `count` output cells cover the image, and the pixels that they span.

    The last cell may cover padding too: it is enlarged as a whole and cropped
    afterwards. Here two cells cover 8 rows, of which 6 are image, enlarged twice:

    >>> valid_cells(2, input_size=8, content_size=6, size=12)
    (2, 16)
    """
    kept = -(-count * content_size // input_size)
    span = round(kept * input_size * size / (count * content_size))
    return kept, max(size, span)


def resize_plane(scores: np.ndarray, index: int, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> the scores of one class, (H, W), bilinear to `size`."""
    plane = np.ascontiguousarray(scores[..., index])
    if plane.shape == tuple(size):
        return plane
    return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)


def resized_planes(scores: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(h, w, C) scores -> C planes (H, W), each bilinear to `size`.

    One class at a time, to bound the memory.
    """
    for index in range(scores.shape[2]):
        yield resize_plane(scores, index, size)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) class ids of any integer type -> (H, W) uint8, nearest neighbour."""
    labels = labels.astype(np.uint8, copy=False)
    if labels.shape == tuple(size):
        return labels
    # INTER_NEAREST_EXACT samples at pixel centres, INTER_NEAREST at corners.
    labels = np.ascontiguousarray(labels)
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def crop_padding(
    output: np.ndarray,
    input_size: tuple[int, int],
    content_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[np.ndarray, tuple[int, int]]:
    """The cells of an output that cover the image, and the size to enlarge them to.

    `content_size` is the part of the network's input of `input_size` that holds the
    image, `size` the image size wanted: the upper left part of the enlarged cells.
    """
    rows, height = valid_cells(output.shape[0], input_size[0], content_size[0], size[0])
    columns, width = valid_cells(
        output.shape[1], input_size[1], content_size[1], size[1]
    )
    return output[:rows, :columns], (height, width)

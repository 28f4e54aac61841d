"""Labels of objects: text on a filled strip, placed so that others stay legible."""

from __future__ import annotations

from functools import lru_cache
from typing import Sequence, Tuple

import numpy as np

from edge.display.draw import Box
from edge.display.panels import text_scale
from edge.display.text import text_size, write

Color = Tuple[int, int, int]
MARGIN = 3  # pixels between the text and the edges of its strip
LARGEST_SHARE = 0.25  # of an image that labels may cover
LIGHT = 0.179  # luminance above which black text has more contrast than white


def put_labels(
    image: np.ndarray,
    boxes: Sequence[Box],
    texts: Sequence[str],
    colors: Sequence[Color],
    taken: Sequence[Box] = (),
) -> None:
    """Draw a label at each box into `image` (H, W, 3), in BGR colours.

    The first labels choose their places first, so give the most certain objects first.
    `taken` are boxes that labels should not cover. If the labels would cover more than
    LARGEST_SHARE of the image, none are drawn: they would hide the objects.
    """
    scale = text_scale(image)
    sizes = []
    for text in texts:
        (width, height), below = text_size(text, scale)
        sizes.append((width + 2 * MARGIN, height + below + 2 * MARGIN, below))
    covered = sum(width * height for width, height, _ in sizes)
    if covered > LARGEST_SHARE * image.shape[0] * image.shape[1]:
        return
    places = place_strips(boxes, [size[:2] for size in sizes], image.shape[:2], taken)
    for (x0, y0, x1, y1), text, size, color in zip(places, texts, sizes, colors):
        image[y0:y1, x0:x1] = color
        origin = (x0 + MARGIN, y0 + size[1] - MARGIN - size[2])
        write(image, text, origin, scale, text_color(color))


def place_strips(
    boxes: Sequence[Box],
    sizes: Sequence[Tuple[int, int]],
    frame: Tuple[int, int],
    taken: Sequence[Box] = (),
) -> np.ndarray:
    """Place strips of `sizes` (width, height) at boxes of a frame (height, width).

    Returns (N, 4) int x0, y0, x1, y1. All are inside the frame, unless they are larger.
    Each strip takes the first place where it covers no earlier strip and none of
    `taken`: above the box, inside at its top, below it, inside at its bottom, each at
    the left and then at the right edge, and beside it. If there is none, it takes the
    place where it covers least.

    >>> place_strips([(10, 30, 50, 60)] * 2, [(20, 12)] * 2, (100, 100)).tolist()
    [[10, 18, 30, 30], [10, 30, 30, 42]]
    """
    placed = np.zeros((len(taken) + len(boxes), 4), np.int64)
    placed[: len(taken)] = np.reshape(taken, (-1, 4))
    for index, ((x0, y0, x1, y1), (width, height)) in enumerate(
        zip(boxes, sizes), len(taken)
    ):
        tops = np.array([*(y0 - height, y0, y1, y1 - height) * 2, y0, y0])
        lefts = np.array([*(x0,) * 4, *(x1 - width,) * 4, x1, x0 - width])
        lefts = np.clip(lefts, 0, max(0, frame[1] - width))
        tops = np.clip(tops, 0, max(0, frame[0] - height))
        places = np.stack([lefts, tops, lefts + width, tops + height], axis=1)
        covered = overlaps(places, placed[:index])
        placed[index] = places[int(np.argmin(covered))]
    return placed[len(taken) :]


def overlaps(places: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(P,) the pixels that each of (P, 4) places shares with (N, 4) placed strips."""
    sides = np.minimum(places[:, None, 2:], placed[:, 2:])
    sides = sides - np.maximum(places[:, None, :2], placed[:, :2])
    return np.maximum(sides, 0).prod(axis=2).sum(axis=1)


@lru_cache(maxsize=1024)
def text_color(color: Color) -> Color:
    """Black or white (BGR), whichever has more contrast on a BGR colour (WCAG 2.2).

    >>> text_color((0, 255, 255)), text_color((128, 0, 0))
    ((0, 0, 0), (255, 255, 255))
    """
    shares = [value / 255 for value in color]
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares
    ]
    blue, green, red = linear
    light = 0.0722 * blue + 0.7152 * green + 0.2126 * red > LIGHT
    return (0, 0, 0) if light else (255, 255, 255)

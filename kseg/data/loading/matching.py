"""Which cells of a network are responsible for which objects.

Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via
Adaptive Training Sample Selection" (ATSS, CVPR 2020).
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from edge.predict.boxes import ANCHOR_SCALE, anchor_grid, grid_sizes
from kseg.data.objects import mask_window
from kseg.data.sample import Objects

NEAREST = 9  # candidate cells of each level
WINDOW = 5  # cells a side, among which the nearest are searched
CENTRAL = 3  # candidates nearest to an object's centroid count as inside it
NONE, IGNORED = -1, -2


class Matcher:
    """Assigns objects to the cells of an input size (height, width)."""

    def __init__(self, size: tuple[int, int], strides: Sequence[int]):
        self.levels, start = [], 0
        for stride, grid in zip(strides, grid_sizes(size, strides), strict=True):
            self.levels.append((stride, grid, start))
            start += grid[0] * grid[1]
        self.cells = start
        self.centers, _ = anchor_grid(size, strides)  # (A, 2) y, x

    def match(self, objects: Objects) -> np.ndarray:
        """The object of each cell (A,) int32: an index, NONE, or IGNORED in a crowd.

        The candidates of an object are the cells of each level nearest to the centre
        of its box. Positive are those whose anchor overlaps the box by at least the
        mean plus the standard deviation of the candidates' IoU, and whose centre is in
        the object: in its mask, or one of the CENTRAL ones nearest to its centroid;
        without masks, in its box. An object with no such cell gets its best candidate.
        A cell of two objects belongs to the one with the larger IoU, and every object
        keeps at least one cell unless another object needs it.
        """
        result = np.full(self.cells, NONE, np.int32)
        if not len(objects.boxes):
            return result
        kept = np.flatnonzero(~objects.crowd)
        self.ignore(objects, result)
        if not len(kept):
            return result
        boxes = objects.boxes[kept].astype(np.float64)
        cells, y, x, sides = self.candidates(boxes)
        iou = anchor_iou(boxes, y, x, sides)
        threshold = iou.mean(1) + iou.std(1)
        positive = (iou >= threshold[:, None]) & inside(objects, kept, boxes, y, x)
        best = np.argmax(iou, axis=1)
        missing = ~positive.any(axis=1)
        positive[missing, best[missing]] = True
        owner, column = np.nonzero(positive)
        # Later assignments win: the largest IoU of a cell last.
        order = np.argsort(iou[owner, column], kind="stable")
        result[cells[owner, column][order]] = kept[owner[order]]
        lost = np.setdiff1d(
            np.arange(len(kept)), np.searchsorted(kept, result[result >= 0])
        )
        for index in lost:  # another object took all of its cells
            free = np.flatnonzero(result[cells[index]] < 0)
            if len(free):
                result[cells[index, free[np.argmax(iou[index, free])]]] = kept[index]
        return result

    def candidates(
        self, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(N, 4) boxes -> cells, centres y and x, and anchor sides, each (N, M)."""
        center_y, center_x = boxes[:, 1::2].mean(1), boxes[:, 0::2].mean(1)
        parts = []
        for stride, (rows, columns), start in self.levels:
            row = window_of(center_y / stride, rows)[:, :, None]
            column = window_of(center_x / stride, columns)[:, None, :]
            row, column = np.broadcast_arrays(row, column)
            row, column = (a.reshape(len(boxes), -1) for a in (row, column))
            y, x = (row + 0.5) * stride, (column + 0.5) * stride
            distance = (y - center_y[:, None]) ** 2 + (x - center_x[:, None]) ** 2
            near = np.argsort(distance, axis=1, kind="stable")[:, :NEAREST]
            cell = np.take_along_axis(start + row * columns + column, near, 1)
            y, x = (np.take_along_axis(a, near, 1) for a in (y, x))
            parts.append((cell, y, x, np.full(cell.shape, ANCHOR_SCALE * stride)))
        cells, y, x, sides = (
            np.concatenate(each, 1) for each in zip(*parts, strict=True)
        )
        return cells, y, x, sides

    def ignore(self, objects: Objects, result: np.ndarray) -> None:
        """Marks the cells whose centre is in a crowd as IGNORED."""
        crowds = np.flatnonzero(objects.crowd)
        y, x = (np.tile(side, (len(crowds), 1)) for side in self.centers.T)
        result[covers(objects, crowds, y, x).any(axis=0)] = IGNORED


def window_of(center: np.ndarray, count: int) -> np.ndarray:
    """The WINDOW cells (N, WINDOW) of a side of `count` cells around each centre."""
    width = min(WINDOW, count)
    first = np.clip(np.floor(center).astype(int) - width // 2, 0, count - width)
    return first[:, None] + np.arange(width)


def anchor_iou(
    boxes: np.ndarray, y: np.ndarray, x: np.ndarray, sides: np.ndarray
) -> np.ndarray:
    """IoU of boxes (N, 4) with square anchors (N, M) around y, x: (N, M)."""
    half = sides / 2
    x0, y0, x1, y1 = (boxes[:, i : i + 1] for i in range(4))
    width = np.minimum(x1, x + half) - np.maximum(x0, x - half)
    height = np.minimum(y1, y + half) - np.maximum(y0, y - half)
    both = np.maximum(width, 0) * np.maximum(height, 0)
    return both / ((x1 - x0) * (y1 - y0) + sides**2 - both)


def inside(
    objects: Objects, kept: np.ndarray, boxes: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Whether the points (N, M) are inside their objects, see `Matcher.match`."""
    result = covers(objects, kept, y, x)
    if objects.masks is None:
        return result
    for row, index in enumerate(kept):
        top, _, left, _ = mask_window(objects.boxes[index])
        rows, columns = np.nonzero(objects.masks[index])
        if len(rows):
            center = rows.mean() + top + 0.5, columns.mean() + left + 0.5
            distance = (y[row] - center[0]) ** 2 + (x[row] - center[1]) ** 2
            result[row, np.argsort(distance, kind="stable")[:CENTRAL]] = True
    return result


def covers(
    objects: Objects, kept: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Whether the points (N, M) are in the masks, or without masks in the boxes."""
    result = np.zeros(y.shape, bool)
    for row, index in enumerate(kept):
        x0, y0, x1, y1 = objects.boxes[index]
        hit = (x[row] >= x0) & (x[row] < x1) & (y[row] >= y0) & (y[row] < y1)
        if objects.masks is not None:
            top, _, left, _ = mask_window(objects.boxes[index])
            mask = objects.masks[index]
            places = np.flatnonzero(hit)
            at = np.int64(y[row, places]) - top, np.int64(x[row, places]) - left
            hit[places] = mask[at]
        result[row] = hit
    return result

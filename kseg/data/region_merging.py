"""Merges the most similar neighbours among regions until one is left.

The similarity is that of Uijlings et al., "Selective Search for Object Recognition"
(IJCV 2013): what two histograms have in common, how small the two regions are, and how
well they fill the box around both.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from kseg.data.region_description import Regions


class Weights(NamedTuple):
    """The weight of each part of the similarity of two regions."""

    color: float
    texture: float
    size: float
    fill: float


def hierarchy(start: Regions, weights: Weights) -> np.ndarray:
    """Merges regions until one is left: the boxes (2 N - 1, 4) int of all of them.

    The first regions come first, then each new one in the order of the merges.
    """
    merging = Merging(start, weights)
    while len(merging.sizes) < merging.most:
        merging.merge()
    return np.array(merging.boxes)


class Merging:
    """The regions of a hierarchy so far, and the similarity of all neighbours.

    A region has few neighbours. Sizes and boxes are therefore Python's numbers, which
    are faster than small arrays. Only the histograms are an array: `rows` (regions, V)
    has those of a region side by side, and `parts` are their weights and places.
    """

    def __init__(self, start: Regions, weights: Weights):
        self.area, self.weights = start.area, weights
        self.sizes: list[int] = start.sizes.tolist()
        self.boxes: list[list[int]] = start.boxes.tolist()
        self.most = 2 * len(self.sizes) - 1  # regions, as every image is connected
        self.parts: list[tuple[float, slice]] = []
        self.rows = self.side_by_side(start)
        self.alive = [True] * len(self.sizes)
        self.touching: list[set[int]] = [set() for _ in self.sizes]
        first, second = start.pairs[:, 0].tolist(), start.pairs[:, 1].tolist()
        for a, b in zip(first, second, strict=True):
            self.touching[a].add(b)
            self.touching[b].add(a)
        values = self.similarity(first, second)
        self.queue = [
            (-value, a, b) for value, a, b in zip(values, first, second, strict=True)
        ]
        heapify(self.queue)

    def side_by_side(self, start: Regions) -> np.ndarray:
        """The rows of the first regions, with space for all that follow.

        A histogram without weight is left out: it would take time.
        """
        histograms = (
            (self.weights.color, start.colors),
            (self.weights.texture, start.textures),
        )
        used = [(weight, each) for weight, each in histograms if weight]
        values = sum(each.shape[1] for _, each in used)
        rows = np.empty((self.most, values), np.float32)
        end = 0
        for weight, each in used:
            part = slice(end, end + each.shape[1])
            rows[: len(each), part] = each
            self.parts.append((weight, part))
            end = part.stop
        return rows

    def similarity(self, first: list[int], second: list[int]) -> list[float]:
        """The similarity of pairs of regions, at most the sum of the weights."""
        if not first:  # an empty list is no index for NumPy
            return []
        result = self.shape_similarity(first, second)
        common = self.rows.take(first, axis=0)
        np.minimum(common, self.rows.take(second, axis=0), out=common)
        for weight, part in self.parts:
            sums = np.add.reduce(common[:, part], axis=1).tolist()
            result = [
                value + weight * each for value, each in zip(result, sums, strict=True)
            ]
        return result

    def shape_similarity(self, first: list[int], second: list[int]) -> list[float]:
        """The parts of the similarity that depend on sizes and boxes."""
        area, (_, _, of_size, of_fill) = self.area, self.weights
        sizes, boxes = self.sizes, self.boxes
        result = []
        for a, b in zip(first, second, strict=True):
            both = sizes[a] + sizes[b]
            left, top, right, bottom = boxes[a]
            x0, y0, x1, y1 = boxes[b]
            width = (right if right > x1 else x1) - (left if left < x0 else x0)
            height = (bottom if bottom > y1 else y1) - (top if top < y0 else y0)
            empty = width * height - both
            result.append(of_size * (1 - both / area) + of_fill * (1 - empty / area))
        return result

    def merge(self) -> None:
        """Merges the two most similar neighbours."""
        while True:
            _, a, b = heappop(self.queue)
            if self.alive[a] and self.alive[b]:
                break
        self.alive[a] = self.alive[b] = False
        self.alive.append(True)
        new = len(self.sizes)
        sizes = self.sizes[a], self.sizes[b]
        both = sizes[0] + sizes[1]
        self.sizes.append(both)
        (left, top, right, bottom), (x0, y0, x1, y1) = self.boxes[a], self.boxes[b]
        self.boxes.append(
            [min(left, x0), min(top, y0), max(right, x1), max(bottom, y1)]
        )
        share = np.array([sizes[0] / both, sizes[1] / both], np.float32)
        self.rows[new] = np.dot(share, self.rows.take([a, b], axis=0))
        self.connect(new, a, b)

    def connect(self, new: int, a: int, b: int) -> None:
        """Gives a new region the neighbours of a and b, of which it consists."""
        others = self.touching[a] | self.touching[b]
        others -= {a, b}
        self.touching.append(others)
        for other in others:
            touching = self.touching[other]
            touching.discard(a)
            touching.discard(b)
            touching.add(new)
        listed = list(others)
        values = self.similarity(listed, [new] * len(listed))
        for value, other in zip(values, listed, strict=True):
            heappush(self.queue, (-value, other, new))

"""Merges of regions: similarity by hand, and all merges against a slow search."""

import numpy as np
import pytest

from kseg.data.region_description import Regions, bins_of, described
from kseg.data.region_merging import Merging, Weights, hierarchy


def three_regions(colors):
    """Three regions in a row of 4 pixels: of 1, 1 and 2 pixels."""
    return Regions(
        4,
        np.int64([1, 1, 2]),
        np.int64([[0, 0, 1, 1], [1, 0, 2, 1], [2, 0, 4, 1]]),
        np.float32(colors),
        np.float32([[1], [1], [1]]),
        np.int64([[0, 1], [1, 2]]),
    )


def test_similarity_is_the_sum_of_its_parts():
    """Colour 0.25 in common, texture 1, size 1 - 2/4, fill 1 - (2 - 2)/4."""
    start = three_regions([[1, 0], [0.25, 0.75], [0, 1]])
    merging = Merging(start, Weights(1, 1, 1, 1))
    first, second = merging.similarity([0, 1], [1, 2])
    assert first == pytest.approx(0.25 + 1 + 0.5 + 1)
    assert second == pytest.approx(0.75 + 1 + 0.25 + 1)
    without = Merging(start, Weights(0, 1, 1, 1))
    assert without.similarity([0], [1]) == pytest.approx([2.5])


def test_the_most_similar_neighbours_are_merged_first():
    """By colour 0 and 1 are merged first; without it, 0 and 1 as the smallest."""
    same = hierarchy(three_regions([[1, 0], [1, 0], [0, 1]]), Weights(1, 1, 1, 1))
    assert same[3:].tolist() == [[0, 0, 2, 1], [0, 0, 4, 1]]
    other = [[1, 0], [0, 1], [0, 1]]
    late = hierarchy(three_regions(other), Weights(1, 1, 1, 1))
    assert late[3:].tolist() == [[1, 0, 4, 1], [0, 0, 4, 1]]


def test_histograms_of_merged_regions_are_weighted_by_size():
    start = three_regions([[0, 1], [1, 0], [1, 0]])
    merging = Merging(start, Weights(1, 0, 0, 0))
    merging.merge()  # 1 and 2 are equal
    merging.merge()
    assert merging.rows[4].tolist() == pytest.approx([3 / 4, 1 / 4])


def test_every_merge_is_that_of_the_most_similar_neighbours():
    random = np.random.default_rng(0)
    labels = np.kron(np.arange(20).reshape(4, 5), np.ones((3, 4), np.int64))
    start = described(labels, bins_of(random.random((12, 20, 3), np.float32)))
    boxes = hierarchy(start, Weights(1, 1, 1, 1))
    assert boxes.tolist() == merged_slowly(start)


def merged_slowly(start):
    """The boxes of all regions, with every similarity computed at every merge."""
    groups = {number: [number] for number in range(len(start.sizes))}
    boxes = start.boxes.tolist()
    while len(groups) > 1:
        pairs = [
            (a, b)
            for a in groups
            for b in groups
            if a < b and touch(start.pairs, groups[a], groups[b])
        ]
        a, b = max(pairs, key=lambda pair: similar(start, *map(groups.get, pair)))
        new = groups.pop(a) + groups.pop(b)
        groups[len(boxes)] = new
        boxes.append(box_around(start, new))
    return boxes


def touch(pairs, first, second):
    return any(
        (a in first) != (b in first) for a, b in pairs if {a, b} <= {*first, *second}
    )


def box_around(start, group):
    low, high = start.boxes[group, :2].min(0), start.boxes[group, 2:].max(0)
    return [*low.tolist(), *high.tolist()]


def similar(start, first, second):
    """The paper's similarity with all weights 1."""
    x0, y0, x1, y1 = box_around(start, first + second)
    both = start.sizes[first + second].sum()
    result = 2 - both / start.area - ((x1 - x0) * (y1 - y0) - both) / start.area
    for rows in (start.colors, start.textures):
        means = [
            np.average(rows[group], axis=0, weights=start.sizes[group])
            for group in (first, second)
        ]
        result += np.minimum(*means).sum()
    return result

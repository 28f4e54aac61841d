"""Selective search: similarity and merges by hand, recall on generated scenes."""

import numpy as np
import pytest

from edge.predict.boxes import iou_matrix
from kseg.data import selective_search as search
from kseg.data.open import open_data
from kseg.data.selective_search import Merging, Regions, Weights, selective_search


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
    first, second = merging.similarity(np.int64([0, 1]), np.int64([1, 2]))
    assert first == pytest.approx(0.25 + 1 + 0.5 + 1)
    assert second == pytest.approx(0.75 + 1 + 0.25 + 1)
    without = Merging(start, Weights(0, 1, 1, 1))
    assert without.similarity(np.int64([0]), np.int64([1])) == pytest.approx(2.5)


def test_the_most_similar_neighbours_are_merged_first():
    """By colour 0 and 1 are merged first; without it, 0 and 1 as the smallest."""
    same = search.hierarchy(
        three_regions([[1, 0], [1, 0], [0, 1]]), Weights(1, 1, 1, 1)
    )
    assert same[3:].tolist() == [[0, 0, 2, 1], [0, 0, 4, 1]]
    other = [[1, 0], [0, 1], [0, 1]]
    late = search.hierarchy(three_regions(other), Weights(1, 1, 1, 1))
    assert late[3:].tolist() == [[1, 0, 4, 1], [0, 0, 4, 1]]


def test_histograms_of_merged_regions_are_weighted_by_size():
    start = three_regions([[0, 1], [1, 0], [1, 0]])
    merging = Merging(start, Weights(1, 0, 0, 0))
    merging.merge()  # 1 and 2 are equal
    merging.merge()
    (_, histogram), *_ = merging.parts
    assert histogram[4].tolist() == pytest.approx([3 / 4, 1 / 4])


def test_neighbours_touch_at_a_side():
    labels = np.int64([[0, 0, 1], [2, 0, 1]])
    assert search.neighbours(labels, 3).tolist() == [[0, 1], [0, 2]]


def test_a_rectangle_is_proposed_exactly():
    image = np.full((40, 60, 3), 90, np.uint8)
    image[10:25, 20:45] = (200, 40, 40)
    boxes = selective_search(image)
    assert boxes.dtype == np.float32
    assert iou_matrix(np.float32([[20, 10, 45, 25]]), boxes).max() > 0.8
    assert [0, 0, 60, 40] in boxes.tolist()


@pytest.mark.parametrize("shape", ((32, 32, 3), (32, 32, 1), (1, 5, 3), (7, 64, 3)))
def test_boxes_are_different_inside_the_image_and_the_same_each_time(shape):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    boxes = selective_search(image, 20)
    assert boxes.shape[1] == 4 and len(boxes) <= 20
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    assert (boxes >= 0).all()
    assert (boxes <= [shape[1], shape[0], shape[1], shape[0]]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= search.LEAST_SIDE).all()
    assert np.array_equal(boxes, selective_search(image, 20))


def test_another_seed_gives_another_order():
    image = open_data("shapes", task="detection").split("val").read(0).image
    first, second = (selective_search(image, 2000, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert {*map(tuple, first.tolist())} == {*map(tuple, second.tolist())}


def test_scenes_have_a_proposal_for_nine_of_ten_objects():
    split = open_data("shapes", task="detection").split("val")
    best = []
    for index in range(5):
        image, objects = split.read(index)
        boxes = selective_search(image, 500)
        best += iou_matrix(objects.boxes, boxes).max(axis=1).tolist()
    assert np.mean(np.float32(best) >= 0.5) >= 0.9

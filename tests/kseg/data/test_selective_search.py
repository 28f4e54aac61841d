"""Selective search: exact boxes, order, recall on generated scenes."""

import numpy as np
import pytest
from skimage.segmentation import felzenszwalb

from edge.predict.boxes import iou_matrix
from kseg.data import selective_search as search
from kseg.data.open import open_data
from kseg.data.selective_search import selective_search


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


def test_the_first_regions_are_those_of_felzenszwalb_with_its_own_smoothing():
    image = open_data("shapes", task="detection").split("val").read(0).image
    found = search.first_regions(image)
    for space in search.SPACES:
        for scale in search.SCALES:
            labels = felzenszwalb(
                space(image), scale, search.SIGMA, search.LEAST_REGION
            )
            assert np.array_equal(next(found).sizes, np.bincount(labels.ravel()))

"""Run-length encoding of cut masks, and IoU: by hand and against pycocotools."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from kseg.evaluation.metrics.regions import (
    encode,
    iou_matrix,
    regions_of_objects,
    regions_of_result,
)
from tests.support.objects import detections_of, instances_of, objects_of


def whole(mask, top, left, size):
    """The mask in an image of `size`; what is outside is cut off."""
    far = np.zeros((size[0] + 60, size[1] + 60), np.uint8)
    height, width = mask.shape
    far[20 + top : 20 + top + height, 20 + left : 20 + left + width] = mask
    return np.asfortranarray(far[20 : 20 + size[0], 20 : 20 + size[1]])


@pytest.mark.parametrize("seed", range(40))
def test_a_cut_mask_is_encoded_as_the_whole_image(seed):
    random = np.random.RandomState(seed)
    size = tuple(random.randint(1, 20, 2))
    mask = random.uniform(size=random.randint(1, 20, 2)) < random.uniform()
    top, left = random.randint(-15, 15, 2)
    expected = coco_mask.encode(whole(mask, top, left, size))
    assert encode(mask, top, left, size) == expected


@pytest.mark.parametrize(("top", "height"), [(0, 5), (1, 4), (0, 4)])
@pytest.mark.parametrize(("left", "width"), [(0, 6), (2, 4), (2, 1)])
def test_full_columns_join(top, height, left, width):
    mask = np.ones((height, width), bool)
    expected = coco_mask.encode(whole(mask, top, left, (5, 6)))
    assert encode(mask, top, left, (5, 6)) == expected


def test_an_empty_mask_has_area_zero():
    coded = encode(np.zeros((0, 3), bool), 0, 0, (4, 5))
    assert coco_mask.decode(coded).shape == (4, 5) and coco_mask.area(coded) == 0


def test_iou_by_hand():
    """10x10 against 10x10 moved by 5: 50 of 150; a crowd: 50 of the result's 100."""
    truth = objects_of([(0, 0, 10, 10), (0, 0, 10, 10)], [0, 0], [False, True])
    result = instances_of([(5, 0, 15, 10)], [0], [0.9], (20, 20))
    found = regions_of_result(result, list(result.masks()))
    for masks in (False, True):
        regions = regions_of_objects(truth, (20, 20), masks)
        matrix = iou_matrix(found, regions, masks)
        assert matrix.tolist() == [[pytest.approx(50 / 150), 0.5]]


def test_areas_are_those_of_the_masks():
    truth = objects_of([(0, 0, 10, 10)], [0])
    truth.masks[0][:, :4] = False
    regions = regions_of_objects(truth, (20, 20), True)
    assert regions.areas.tolist() == [60] and regions.box_areas.tolist() == [100]
    boxes = regions_of_objects(truth, (20, 20), False)
    assert boxes.rles is None and boxes.areas.tolist() == [100]


def test_an_image_may_have_more_than_255_objects():
    boxes = [(2 * k, 0, 2 * k + 2, 3) for k in range(300)]
    truth = regions_of_objects(objects_of(boxes, [0] * 300), (3, 600), True)
    assert truth.areas.tolist() == [6] * 300
    assert (iou_matrix(truth, truth, True) == np.eye(300)).all()


def test_boxes_alone_have_no_rle():
    with pytest.raises(ValueError, match="without masks"):
        regions_of_objects(objects_of([(0, 0, 2, 2)], [0], masks=False), (9, 9), True)


def test_no_regions_give_an_empty_matrix():
    none = regions_of_result(detections_of([], [], []))
    some = regions_of_result(detections_of([(0, 0, 2, 2)], [0], [1]))
    assert iou_matrix(none, some, False).shape == (0, 1)
    assert iou_matrix(some, none, True).shape == (1, 0)

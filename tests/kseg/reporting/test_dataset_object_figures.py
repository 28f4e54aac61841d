import numpy as np

from kseg.data.sample import Objects
from kseg.reporting.dataset_object_figures import with_objects

COLORS = ((200, 0, 0), (0, 0, 200))


def test_boxes_are_lines_and_masks_a_tint():
    """An image of 10 x 10 pixels, enlarged twice; the mask is the middle of its box."""
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    boxes = np.float32([[2, 4, 6, 8]])
    objects = Objects(boxes, np.int32([1]), np.zeros(1, bool), (mask,))
    image = np.full((20, 20, 3), 100, np.uint8)
    view = with_objects(image, (10, 10), objects, COLORS)
    assert (image == 100).all()
    lines = (view == COLORS[1]).all(axis=2)
    expected = np.zeros((20, 20), bool)
    expected[8:16, 4:12] = True
    expected[9:15, 5:11] = False
    np.testing.assert_array_equal(lines, expected)
    tinted = (view == (55, 55, 145)).all(axis=2)
    assert tinted[10:14, 6:10].all() and tinted.sum() == 16


def test_crowds_are_white_and_boxes_need_no_masks():
    boxes = np.float32([[0, 0, 10, 10], [2, 2, 5, 5]])
    objects = Objects(boxes, np.int32([0, 1]), np.array([True, False]))
    view = with_objects(np.zeros((10, 10, 3), np.uint8), (10, 10), objects, COLORS)
    assert view[0, 0].tolist() == [255, 255, 255]
    assert view[2, 2].tolist() == [0, 0, 200]

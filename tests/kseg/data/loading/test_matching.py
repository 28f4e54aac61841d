"""Which cells are responsible for which objects."""

import numpy as np

from edge.video import scenes
from kseg.data.loading.matching import IGNORED, NONE, Matcher, anchor_iou
from kseg.data.objects import no_objects, objects_of_map
from kseg.data.sample import Objects


def boxes_only(*boxes, crowd=()):
    count = len(boxes)
    flags = np.zeros(count, bool)
    flags[list(crowd)] = True
    return Objects(np.float32(boxes), np.zeros(count, np.int32), flags)


def test_the_iou_of_an_anchor_by_hand():
    # An anchor of side 8 around (4, 4) and the left half of it.
    box = np.array([[0.0, 0, 4, 8]])
    four, eight = np.array([[4.0]]), np.array([[8.0]])
    assert anchor_iou(box, four, four, eight)[0, 0] == 0.5


def test_an_object_of_one_cell_of_one_level():
    # 32x32 pixels, stride 8: 4x4 cells with anchors of 32 pixels. The box is the anchor
    # of no cell; its nine nearest cells are around its centre (12, 12).
    owner = Matcher((32, 32), (8,)).match(boxes_only([4, 4, 20, 20]))
    positive = np.flatnonzero(owner == 0)
    # All nine anchors contain the box, with 256 / 1024: equal IoU, all are positive
    # whose centre is in the box: (4, 12, 20) without 20, which is outside.
    assert positive.tolist() == [0, 1, 4, 5]


def test_no_objects_no_cells():
    matcher = Matcher((32, 32), (8, 16))
    assert (matcher.match(no_objects()) == NONE).all()
    assert matcher.cells == 16 + 4


def test_every_object_has_a_cell_and_cells_are_inside_their_object():
    matcher = Matcher(scenes.SIZE, (4, 8, 16))
    for index in range(40):
        _, instances, class_ids = scenes.scene_objects(5, index)
        found = objects_of_map(instances, class_ids, 16)
        owner = matcher.match(found)
        assert set(owner[owner >= 0]) == set(range(len(found.boxes)))


def test_centres_of_positive_cells_are_in_the_box():
    matcher = Matcher((64, 64), (8, 16))
    found = boxes_only([3, 5, 30, 20], [33, 33, 60, 61])
    owner = matcher.match(found)
    for cell in np.flatnonzero(owner[:64] >= 0):
        y, x = (cell // 8 + 0.5) * 8, (cell % 8 + 0.5) * 8
        x0, y0, x1, y1 = found.boxes[owner[cell]]
        assert x0 <= x < x1 and y0 <= y < y1


def test_a_cell_of_two_objects_belongs_to_the_larger_overlap():
    matcher = Matcher((32, 32), (8,))
    # Cell 5 is in the middle of both, and the second fills its anchor more. The first
    # gets another cell, so that it is not lost.
    owner = matcher.match(boxes_only([8, 8, 16, 16], [0, 0, 24, 24]))
    assert owner[5] == 1 and (owner == 0).sum() == 1


def test_cells_in_a_crowd_are_ignored_and_crowds_are_no_objects():
    matcher = Matcher((32, 32), (8, 16))
    owner = matcher.match(boxes_only([0, 0, 16, 16], crowd=[0]))
    assert not (owner >= 0).any()
    assert np.flatnonzero(owner == IGNORED).tolist() == [0, 1, 4, 5, 16]


def test_an_object_in_a_crowd_keeps_its_cells():
    matcher = Matcher((32, 32), (8,))
    owner = matcher.match(boxes_only([0, 0, 32, 32], [8, 8, 16, 16], crowd=[0]))
    assert (owner == 1).any() and (owner == IGNORED).any()


def test_a_ring_is_matched_near_its_hole():
    instances = np.zeros((64, 64), np.uint16)
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(y, x)
    instances[(radius < 20) & (radius > 12)] = 1
    owner = Matcher((64, 64), (8, 16)).match(objects_of_map(instances, [0]))
    assert (owner == 0).any()


def test_hundreds_of_objects():
    rows, columns = np.mgrid[:20, :20]
    start = np.stack([columns.ravel() * 12, rows.ravel() * 12], 1)
    boxes = np.concatenate([start, start + 10], 1)
    owner = Matcher((256, 256), (4, 8, 16)).match(boxes_only(*boxes))
    assert len(set(owner[owner >= 0])) == 400

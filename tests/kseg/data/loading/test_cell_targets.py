"""The targets of cells."""

from dataclasses import replace

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.cell_targets import CellTargets, strides_of
from kseg.data.objects import no_objects, objects_of_map
from kseg.data.open import open_data
from kseg.data.sample import Objects
from kseg.data.shapes import ObjectShapesSplit


def test_the_target_of_a_square_by_hand():
    instances = np.zeros((32, 32), np.uint16)
    instances[8:16, 8:16] = 1
    targets = CellTargets((32, 32), (8, 16), masks=True)
    found = targets.of(objects_of_map(instances, [3]), np.random.default_rng(0))
    cell = 4 + 1  # the cell whose centre (12, 12) is that of the square
    assert found["classes"][cell] == 3 and (found["classes"] == 3).sum() >= 1
    assert found["boxes"][cell].tolist() == [8, 8, 16, 16]
    assert found["mask_cells"][0] in np.flatnonzero(found["classes"] == 3)
    assert found["mask_boxes"][0].tolist() == [2, 2, 4, 4]
    expected = np.zeros((8, 8))
    expected[2:4, 2:4] = 1
    np.testing.assert_array_equal(found["masks"][0], expected)


def test_a_cell_of_a_mask_is_set_if_half_of_its_pixels_are():
    instances = np.zeros((32, 32), np.uint16)
    instances[8:18, 8:13] = 1  # 2.5 cells high, 1.25 wide, of 4 pixels
    targets = CellTargets((32, 32), (8, 16), masks=True)
    painted = targets.paint(objects_of_map(instances, [0]), 0)
    assert np.argwhere(painted).tolist() == [[2, 2], [3, 2], [4, 2]]


def test_a_target_without_masks_has_two_arrays():
    targets = CellTargets((32, 32), (8, 16), masks=False)
    only_boxes = Objects(np.float32([[8, 8, 16, 16]]), np.int32([1]), np.zeros(1, bool))
    found = targets.of(only_boxes, np.random.default_rng(0))
    assert sorted(found) == ["boxes", "classes"] and (found["classes"] == 1).any()


def test_every_object_has_a_mask_before_any_has_two():
    targets = CellTargets((128, 128), (4, 8, 16), masks=True)
    sample = ObjectShapesSplit(0, 1).read(0)
    found = targets.of(sample.target, np.random.default_rng(0))
    owners = targets.matcher.match(sample.target)[
        found["mask_cells"][: len(sample.target.boxes)]
    ]
    assert sorted(owners) == list(range(len(sample.target.boxes)))


def test_an_image_without_objects_has_a_blank_target():
    targets = CellTargets((32, 32), (8, 16), masks=True)
    found, blank = targets.of(no_objects(), np.random.default_rng(0)), targets.blank()
    for name, value in blank.items():
        np.testing.assert_array_equal(found[name], value)


def test_small_crops_have_fine_strides():
    data = open_data("shapes", task="instance")
    config = TrainConfig(model="instances", size=(96, 96))
    assert strides_of(config, data) == (4, 8, 16)
    assert strides_of(replace(config, size=(256, 256)), data) == (8, 16, 32)
    assert strides_of(replace(config, strides=(8, 16)), data) == (8, 16)

"""The targets of cells."""

from dataclasses import replace

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.cell_targets import (
    SAMPLES,
    CellTargets,
    grown,
    sampled,
    strides_of,
)
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
    # A margin of 1 pixel, an eighth of the side; cells of prototypes have 4 pixels.
    assert found["mask_boxes"][0].tolist() == [1.75, 1.75, 4.25, 4.25]
    expected = np.zeros((SAMPLES, SAMPLES))
    tenth = slice(3, SAMPLES - 3)  # 28 points over 10 pixels: 3 are in the first
    expected[tenth, tenth] = 1
    np.testing.assert_array_equal(found["masks"][0], expected)


def test_a_region_has_a_margin_and_ends_at_the_image():
    box = np.float32([0, 8, 16, 32])
    assert grown(box, (33, 64)).tolist() == [0, 5, 18, 33]


def test_the_pixel_of_a_point_decides():
    objects = objects_of_map(np.uint16([[1, 1, 0], [0, 1, 1]]), [0])
    found = sampled(objects, 0, np.float32([0, 0, 3, 2]))
    rows, columns = (np.floor((np.arange(SAMPLES) + 0.5) / SAMPLES * n) for n in (2, 3))
    expected = np.abs(columns[None] - rows[:, None] - 0.5) < 1
    np.testing.assert_array_equal(found, expected)


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

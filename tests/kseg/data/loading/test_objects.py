"""Batches of images with objects."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import InputGeometry
from kseg.core.configs import TrainConfig
from kseg.data.loading.objects import (
    MASKS,
    ObjectBatchLoader,
    ObjectReader,
    ObjectTargets,
    strides_of,
)
from kseg.data.objects import label_map, no_objects, objects_of_map
from kseg.data.open import open_data
from kseg.data.sample import Objects
from kseg.data.shapes import ObjectShapesSplit

CONFIG = TrainConfig(size=(96, 96), batch_size=4)


@pytest.fixture
def data():
    splits = {"train": ObjectShapesSplit(0, 10), "val": ObjectShapesSplit(1, 4)}
    return replace(open_data("shapes", task="instance"), splits=splits)


def batches(data, config=CONFIG, start=0):
    return iter(
        ObjectBatchLoader(config, data, (96, 96), InputGeometry()).training(start)
    )


def test_the_target_of_a_square_by_hand():
    instances = np.zeros((32, 32), np.uint16)
    instances[8:16, 8:16] = 1
    targets = ObjectTargets((32, 32), (8, 16), masks=True)
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
    targets = ObjectTargets((32, 32), (8, 16), masks=True)
    painted = targets.paint(objects_of_map(instances, [0]), 0)
    assert np.argwhere(painted).tolist() == [[2, 2], [3, 2], [4, 2]]


def test_a_target_without_masks_has_two_arrays():
    targets = ObjectTargets((32, 32), (8, 16), masks=False)
    only_boxes = Objects(np.float32([[8, 8, 16, 16]]), np.int32([1]), np.zeros(1, bool))
    found = targets.of(only_boxes, np.random.default_rng(0))
    assert sorted(found) == ["boxes", "classes"] and (found["classes"] == 1).any()


def test_every_object_has_a_mask_before_any_has_two():
    targets = ObjectTargets((128, 128), (4, 8, 16), masks=True)
    sample = ObjectShapesSplit(0, 1).read(0)
    found = targets.of(sample.target, np.random.default_rng(0))
    owners = targets.matcher.match(sample.target)[
        found["mask_cells"][: len(sample.target.boxes)]
    ]
    assert sorted(owners) == list(range(len(sample.target.boxes)))


def test_an_image_without_objects_has_a_blank_target():
    targets = ObjectTargets((32, 32), (8, 16), masks=True)
    found, blank = targets.of(no_objects(), np.random.default_rng(0)), targets.blank()
    for name, value in blank.items():
        np.testing.assert_array_equal(found[name], value)


def test_batches_have_fixed_shapes(data):
    image, target = next(batches(data))
    assert image.shape == (4, 96, 96, 3) and image.dtype == np.float32
    cells = 24 * 24 + 12 * 12 + 6 * 6
    assert target["classes"].shape == (4, cells)
    assert target["masks"].shape == (4, MASKS, 48, 48)
    assert (target["classes"].numpy() >= 0).any(axis=1).all()


def test_a_resumed_run_gets_the_same_batches(data):
    whole = batches(data)
    next(whole), next(whole)
    expected, found = next(whole), next(batches(data, start=2))
    np.testing.assert_array_equal(expected[0], found[0])
    for name, value in expected[1].items():
        np.testing.assert_array_equal(value, found[1][name])


def test_other_seeds_give_other_batches(data):
    first, second = next(batches(data)), next(batches(data, replace(CONFIG, seed=1)))
    assert (first[0].numpy() != second[0].numpy()).any()


def test_the_cache_keeps_samples_and_shrinks_large_ones():
    reader = ObjectReader(ObjectShapesSplit(0, 2), max_side=64)
    image, found = reader.read(0)
    assert image.shape == (64, 64, 3) and found.boxes.max() <= 64
    assert label_map(found, (64, 64)).any()
    assert reader.read(0)[0] is image
    nothing = ObjectReader(ObjectShapesSplit(0, 2), max_side=64, memory_share=0)
    assert nothing.read(0)[0] is not nothing.read(0)[0]


def test_crops_that_the_network_would_pad_are_refused(data):
    """Most encoders pad to 32, whatever the coarsest stride is."""
    geometry = InputGeometry(minimum=32)
    with pytest.raises(InputError, match="^--size 144x96: .* of 32 .*; use 160x96$"):
        ObjectBatchLoader(CONFIG, data, (144, 96), geometry)


def test_small_crops_have_fine_strides(data):
    assert strides_of(CONFIG, data) == (4, 8, 16)
    assert strides_of(replace(CONFIG, size=(256, 256)), data) == (8, 16, 32)
    assert strides_of(replace(CONFIG, strides=(8, 16)), data) == (8, 16)

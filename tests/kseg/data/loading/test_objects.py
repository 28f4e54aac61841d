"""Batches of images with objects."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import InputGeometry
from kseg.core.configs import TrainConfig
from kseg.data.loading.cell_targets import MASKS, SAMPLES
from kseg.data.loading.objects import ObjectBatchLoader, ObjectReader
from kseg.data.objects import label_map
from kseg.data.open import open_data
from kseg.data.shapes import ObjectShapesSplit

CONFIG = TrainConfig(model="instances", size=(96, 96), batch_size=4)


@pytest.fixture
def data():
    splits = {"train": ObjectShapesSplit(0, 10), "val": ObjectShapesSplit(1, 4)}
    return replace(open_data("shapes", task="instance"), splits=splits)


def batches(data, config=CONFIG, start=0):
    return iter(
        ObjectBatchLoader(config, data, (96, 96), InputGeometry()).training(start)
    )


def test_batches_have_fixed_shapes(data):
    image, target = next(batches(data))
    assert image.shape == (4, 96, 96, 3) and image.dtype == np.float32
    cells = 24 * 24 + 12 * 12 + 6 * 6
    assert target["classes"].shape == (4, cells)
    assert target["masks"].shape == (4, MASKS, SAMPLES, SAMPLES)
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


def test_the_last_epochs_of_a_plan_have_no_mosaic(data):
    """A fifth: of 10 planned epochs of 2 steps of 4 images, from sample 64 on."""
    mosaic = replace(CONFIG, mosaic=1.0, epochs=1_000_000)
    planned = ObjectBatchLoader(mosaic, data, (96, 96), InputGeometry())
    planned.epochs = 10
    single = replace(CONFIG, mosaic=0.0, epochs=10)
    plain = ObjectBatchLoader(single, data, (96, 96), InputGeometry())
    for number, same in ((63, False), (64, True)):
        images = [loader.sample(number, 3)[0] for loader in (planned, plain)]
        assert np.array_equal(*images) == same

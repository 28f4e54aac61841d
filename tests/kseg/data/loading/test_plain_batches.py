"""Training images without augmentation."""

import numpy as np

from edge.model_file.info import InputGeometry
from kseg.data.loading.batches import BatchLoader
from kseg.data.loading.objects import ObjectBatchLoader
from kseg.data.loading.plain_batches import middle, plain_batches
from kseg.data.sample import Dataset
from tests.kseg.data.loading.helpers import VARIED, Numbered
from tests.kseg.training.conftest import objects_config, objects_data

SIZE = (16, 24)


ANY = InputGeometry()


def loader_of(sizes, geometry=ANY) -> BatchLoader:
    splits = {"train": Numbered(sizes), "val": Numbered(sizes[:1])}
    data = Dataset("numbered", ("a", "b", "c"), ((0, 0, 0),) * 3, splits)
    return BatchLoader(VARIED, data, SIZE, geometry)


def test_images_of_one_size_are_whole_and_spread_over_the_split():
    batches = list(plain_batches(loader_of([(10, 12)] * 7), 3))
    assert [batch.shape for batch in batches] == [(2, 10, 12, 3), (1, 10, 12, 3)]
    assert batches[0].dtype == np.float32
    assert [image[0, 0, 0] for batch in batches for image in batch] == [0, 3, 6]


def test_more_images_than_there_are_give_each_once():
    batches = list(plain_batches(loader_of([(10, 12)] * 3), 100))
    assert [len(batch) for batch in batches] == [2, 1]


def test_images_of_several_sizes_are_the_middle_at_the_size_of_crops():
    (batch,) = plain_batches(loader_of([(20, 12), (16, 30)]), 2)
    assert batch.shape == (2, *SIZE, 3)
    first, second = batch[..., 0]
    assert (first[:, :6] == 128).all() and (first[:, -6:] == 128).all()
    assert (first[:, 6:-6] == 0).all() and (second == 1).all()


def test_the_middle_is_cut_out_or_padded_with_grey():
    image = np.arange(5, dtype=np.float32).reshape(1, 5, 1)
    found = middle((3, 3))(image).numpy()[..., 0]
    assert found.tolist() == [[128] * 3, [1, 2, 3], [128] * 3]


def test_networks_of_valid_convolutions_get_a_mirrored_margin():
    geometry = InputGeometry(valid_border=2, input_step=4, min_input=8)
    (batch,) = plain_batches(loader_of([(8, 8)], geometry), 1)
    assert batch.shape == (1, 12, 12, 3)


def test_crops_of_objects_are_at_the_scale_of_the_image():
    """As large as the image, so they are the image itself."""
    config = objects_config(
        size=(128, 128), mosaic=1.0, paste=1.0, color=0.5, flip_vertical=True
    )
    data = objects_data()
    loader = ObjectBatchLoader(config, data, (128, 128), ANY)
    batches = list(plain_batches(loader, 5))
    assert [batch.shape for batch in batches] == [(4, 128, 128, 3)] * 2
    images = [data.split("train").read(index).image for index in range(8)]
    for crop in np.concatenate(batches):
        assert min(np.abs(crop - image).max() for image in images) == 0
    for batch, again in zip(batches, plain_batches(loader, 5), strict=True):
        np.testing.assert_array_equal(batch, again)

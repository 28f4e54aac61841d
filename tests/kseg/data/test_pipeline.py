from dataclasses import dataclass, replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from edge.command import BadInput
from kseg.config import TrainConfig
from kseg.data import open_data
from kseg.data.pipeline import Reader, training_batches, validation_batches

SIZE = (16, 24)
COUNT = 7
PLAIN = TrainConfig(batch_size=2, scale=1.0, flip=False, color=0.0)
VARIED = replace(PLAIN, scale=1.6, flip=True, color=0.2)


@dataclass(frozen=True)
class Numbered:
    """Images in memory; all pixels of image i are i, all of its mask i % 3."""

    sizes: list
    channels: int = 3

    @property
    def names(self):
        return [str(index) for index in range(len(self.sizes))]

    def read(self, index):
        image = np.full((*self.sizes[index], self.channels), index, np.uint8)
        return image, np.full(self.sizes[index], index % 3, np.uint8)


@dataclass(frozen=True)
class Noisy(Numbered):
    """Images whose pixels all differ."""

    def read(self, index):
        random = np.random.RandomState(index)
        shape = (*self.sizes[index], self.channels)
        mask = random.randint(0, 3, self.sizes[index])
        return random.randint(0, 256, shape).astype(np.uint8), mask.astype(np.uint8)


def reader_of(split=None, max_side=1024):
    return Reader(split or Numbered([SIZE] * COUNT), max_side)


def batches_of(config, count, start_step=0, split=None, size=SIZE):
    """The first batches as numpy pairs."""
    reader = reader_of(split)
    channels = reader.split.channels
    stream = training_batches(reader, config, size, channels, start_step)
    return list(stream.take(count).as_numpy_iterator())


def order(config, count):
    """Which images come, one after the other."""
    batches = batches_of(config, -(-count // config.batch_size))
    images = np.concatenate([images for images, _ in batches])
    return images[:count, 0, 0, 0].astype(int).tolist()


def assert_same(batches, others):
    assert len(batches) == len(others)
    for (image, mask), (other_image, other_mask) in zip(batches, others, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(mask, other_mask)


# --- training ---


@pytest.mark.parametrize("config", (PLAIN, VARIED), ids=("plain", "varied"))
@pytest.mark.parametrize("channels", (1, 3))
def test_shape_and_type_of_batches(config, channels):
    size = (32, 40)  # larger than the images
    split = Numbered([SIZE] * COUNT, channels)
    for image, mask in batches_of(config, 3, split=split, size=size):
        assert image.shape == (2, *size, channels)
        assert image.dtype == np.float32
        assert mask.shape == (2, *size)
        assert mask.dtype == np.uint8


def test_images_keep_their_masks():
    for image, mask in batches_of(PLAIN, 10):
        np.testing.assert_array_equal(mask, image[..., 0] % 3)


@pytest.mark.parametrize("batch_size", (1, 2, 5, 7, 10))
def test_every_image_comes_once_before_any_comes_again(batch_size):
    config = replace(PLAIN, batch_size=batch_size)
    drawn = order(config, 4 * COUNT)
    for epoch in range(4):
        one = drawn[epoch * COUNT : (epoch + 1) * COUNT]
        assert sorted(one) == list(range(COUNT))


def test_order_differs_from_epoch_to_epoch():
    drawn = order(PLAIN, 6 * COUNT)
    epochs = {tuple(drawn[k : k + COUNT]) for k in range(0, 6 * COUNT, COUNT)}
    assert len(epochs) >= 5


def test_order_is_of_the_seed():
    orders = {seed: order(replace(PLAIN, seed=seed), COUNT) for seed in range(4)}
    assert len({tuple(drawn) for drawn in orders.values()}) >= 3
    assert order(replace(PLAIN, seed=2), COUNT) == orders[2]


def test_augmentation_is_of_the_seed():
    split = Noisy([(40, 48)] * COUNT)
    first = batches_of(VARIED, 5, split=split)
    assert_same(batches_of(VARIED, 5, split=split), first)
    other = batches_of(replace(VARIED, seed=1), 5, split=split)
    assert any(
        not np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True)
    )


def test_augmentation_differs_from_epoch_to_epoch():
    split = Noisy([(40, 48)])
    images = [image for image, _ in batches_of(VARIED, 4, split=split)]
    images = np.concatenate(images)
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("step", (1, 4, 9))
def test_a_stream_goes_on_from_any_step(step):
    split = Noisy([(40, 48)] * COUNT)
    whole = batches_of(VARIED, 12, split=split)
    assert_same(batches_of(VARIED, 12 - step, step, split), whole[step:])


@pytest.mark.parametrize("seed", (0, 2**31 - 1, 2**31, 2**32 - 1))
def test_seeds_that_numpy_takes(seed):
    assert sorted(order(replace(PLAIN, seed=seed), COUNT)) == list(range(COUNT))


# --- the reader ---


@pytest.mark.parametrize(
    "max_side, size", ((1024, (32, 48)), (48, (32, 48)), (12, (8, 12)), (5, (3, 5)))
)
def test_max_side_bounds_the_size(max_side, size):
    reader = reader_of(Noisy([(32, 48)]), max_side)
    image, mask = reader.read(0)
    assert image.shape == (*size, 3)
    assert mask.shape == size
    assert set(np.unique(mask)) <= {0, 1, 2}


def test_grey_images_keep_their_channel_when_they_shrink():
    image, _ = reader_of(Noisy([(32, 48)], channels=1), 12).read(0)
    assert image.shape == (8, 12, 1)


def test_what_was_read_is_kept():
    reader = reader_of()
    first, second = reader.read(3), reader.read(3)
    assert first[0] is second[0] and first[1] is second[1]
    assert list(reader.kept) == [3]


def test_nothing_is_kept_without_a_budget():
    reader = reader_of(Noisy([SIZE] * 3))
    reader.budget = 0
    first, second = reader.read(1), reader.read(1)
    assert not reader.kept
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_images_are_kept_while_the_budget_lasts():
    reader = reader_of()
    reader.budget = 2.5 * (16 * 24 * 4)  # an image has three bytes a pixel, a mask one
    for index in range(COUNT):
        reader.read(index)
    assert list(reader.kept) == [0, 1]


def test_batches_are_the_same_without_a_budget():
    split = Noisy([SIZE] * COUNT)
    reader = reader_of(split)
    reader.budget = 0
    stream = training_batches(reader, VARIED, SIZE, 3).take(8).as_numpy_iterator()
    assert_same(list(stream), batches_of(VARIED, 8, split=split))


def test_failure_to_read_is_kept(tmp_path):
    """TensorFlow says that something failed; what it was, the reader knows."""
    for stem in "abcd":
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            mask = Image.fromarray(np.eye(16, dtype=np.uint8))
            mask.save(tmp_path / kind / f"{stem}.png")
    split = open_data(str(tmp_path)).split("val")
    split.images[0].unlink()
    reader = Reader(split, 1024)
    with pytest.raises(tf.errors.OpError):
        list(validation_batches(reader, 2, 1))
    assert isinstance(reader.failure, BadInput)
    assert str(split.images[0]) in str(reader.failure)


# --- validation ---


def test_images_of_one_size_come_in_batches():
    batches = list(validation_batches(reader_of(), 3, 3).as_numpy_iterator())
    assert [image.shape for image, _ in batches] == [
        (3, *SIZE, 3),
        (3, *SIZE, 3),
        (1, *SIZE, 3),
    ]
    images = np.concatenate([image for image, _ in batches])
    assert images[:, 0, 0, 0].tolist() == list(range(COUNT))
    assert images.dtype == np.float32
    assert {mask.dtype for _, mask in batches} == {np.dtype("uint8")}


def test_images_of_many_sizes_come_singly():
    sizes = [(16, 24), (24, 16), (16, 24), (9, 9)]
    batches = validation_batches(reader_of(Numbered(sizes)), 3, 3).as_numpy_iterator()
    for index, (image, mask) in enumerate(batches):
        assert image.shape == (1, *sizes[index], 3)
        assert mask.shape == (1, *sizes[index])
        assert (image == index).all() and (mask == index % 3).all()
    assert index == 3


def test_sizes_that_the_bound_makes_equal_come_in_batches():
    reader = reader_of(Numbered([(20, 40), (30, 60)]), max_side=20)
    ((image, mask),) = validation_batches(reader, 2, 3).as_numpy_iterator()
    assert image.shape == (2, 10, 20, 3)
    assert mask.shape == (2, 10, 20)


def test_validation_starts_anew_each_time():
    batches = validation_batches(reader_of(), 2, 3)
    first, second = (list(batches.as_numpy_iterator()) for _ in range(2))
    assert_same(first, second)

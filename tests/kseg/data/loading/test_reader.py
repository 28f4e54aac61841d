import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from edge.core.errors import InputError
from kseg.data.loading.batches import training_batches, validation_batches
from kseg.data.loading.reader import CachedReader
from kseg.data.open import open_data
from tests.kseg.data.loading.helpers import (
    COUNT,
    SIZE,
    VARIED,
    Noisy,
    assert_same,
    batches_of,
    reader_of,
)

# --- the reader ---


@pytest.mark.parametrize(
    "max_side, size", ((1024, (32, 48)), (48, (32, 48)), (12, (8, 12)), (5, (3, 5)))
)
def test_max_side_limits_the_size(max_side, size):
    reader = reader_of(Noisy([(32, 48)]), max_side)
    image, mask = reader.read(0)
    assert image.shape == (*size, 3)
    assert mask.shape == size
    assert set(np.unique(mask)) <= {0, 1, 2}


def test_resized_grey_images_keep_their_channel():
    image, _ = reader_of(Noisy([(32, 48)], channels=1), 12).read(0)
    assert image.shape == (8, 12, 1)


def test_pairs_are_cached():
    reader = reader_of()
    first, second = reader.read(3), reader.read(3)
    assert first[0] is second[0] and first[1] is second[1]
    assert list(reader.kept) == [3]


def test_nothing_is_cached_without_a_budget():
    reader = reader_of(Noisy([SIZE] * 3))
    reader.budget = 0
    first, second = reader.read(1), reader.read(1)
    assert not reader.kept
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_images_are_cached_within_the_budget():
    reader = reader_of()
    reader.budget = 2.5 * (
        16 * 24 * 4
    )  # three bytes per pixel of the image, one of the mask
    for index in range(COUNT):
        reader.read(index)
    assert list(reader.kept) == [0, 1]


def test_batches_are_the_same_without_a_budget():
    split = Noisy([SIZE] * COUNT)
    reader = reader_of(split)
    reader.budget = 0
    stream = training_batches(reader, VARIED, SIZE, 3).take(8).as_numpy_iterator()
    assert_same(list(stream), batches_of(VARIED, 8, split=split))


def test_read_error_is_kept(tmp_path):
    """TensorFlow only reports that an operation failed; the reader keeps the error."""
    for stem in "abcd":
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            mask = Image.fromarray(np.eye(16, dtype=np.uint8))
            mask.save(tmp_path / kind / f"{stem}.png")
    split = open_data(str(tmp_path)).split("val")
    split.images[0].unlink()
    reader = CachedReader(split, 1024)
    with pytest.raises(tf.errors.OpError):
        list(validation_batches(reader, 2, 1))
    assert isinstance(reader.failure, InputError)
    assert str(split.images[0]) in str(reader.failure)

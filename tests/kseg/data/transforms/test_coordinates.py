"""Where the pixels of a crop come from."""

import numpy as np
import tensorflow as tf

from kseg.data.transforms.coordinates import beside, with_places
from kseg.data.transforms.photometric import color


def test_places_are_rows_and_columns():
    image = with_places(tf.zeros((2, 3, 1))).numpy()
    assert image.shape == (2, 3, 4)
    assert image[..., 1].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert image[..., 2].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert not image[..., 3].any()


def test_an_operation_beside_places_is_the_same_without_them():
    random = np.random.RandomState(0)
    image = tf.constant(random.uniform(0, 255, (4, 5, 3)), tf.float32)
    mask, seed = tf.zeros((4, 5), tf.uint8), tf.constant([1, 2])
    expected, _ = color(0.5)(image, mask, seed)
    found, same = beside(color(0.5), 3)(with_places(image), mask, seed)
    np.testing.assert_array_equal(found[..., :3], expected)
    np.testing.assert_array_equal(found[..., 3:], with_places(image)[..., 3:])
    np.testing.assert_array_equal(same, mask)


def test_where_the_mask_changes_a_pixel_is_outside():
    def paint(image, mask, seed):
        return image, tf.where(tf.range(3) == 1, tf.constant(7, tf.uint8), mask)

    image, mask = with_places(tf.zeros((1, 3, 1))), tf.zeros((1, 3), tf.uint8)
    found, _ = beside(paint, 1)(image, mask, None)
    assert found[..., -1].numpy().tolist() == [[0, 1, 0]]

"""Images, masks and functions that apply an op, for the tests of transforms."""

import cv2
import numpy as np
import tensorflow as tf

CROP = (40, 48)
VOID = 255


def blocks(height=64, width=96, side=16, seed=0):
    """A mask of squares with ids 0 to 3, (H, W) uint8."""
    rows, columns = -(-height // side), -(-width // side)
    ids = np.random.RandomState(seed).randint(0, 4, (rows, columns)).astype(np.uint8)
    return np.kron(ids, np.ones((side, side), np.uint8))[:height, :width]


def encoded(mask):
    """An image (H, W, 3) float32 that shows the mask: id 0 is 0, id 3 is 240."""
    return np.repeat(mask[..., None] * 80.0, 3, axis=2).astype(np.float32)


def photo(height=64, width=96, channels=3):
    """Noise, (H, W, C) float32."""
    random = np.random.RandomState(1)
    return random.uniform(0, 255, (height, width, channels)).astype(np.float32)


def applied(op, image, mask, seed=(0, 0)):
    image, mask = op(tf.constant(image), tf.constant(mask), tf.constant(seed, tf.int32))
    return image.numpy(), mask.numpy()


def applied_in_pipeline(op, image, mask, seed=(0, 0)):
    triple = image, mask, np.array(seed, np.int32)
    pair = next(iter(tf.data.Dataset.from_tensors(triple).map(op)))
    return tuple(x.numpy() for x in pair)


def many(op, image, mask, count=32):
    """The pairs for seeds (7, 0) to (7, count - 1), computed by one graph."""
    triples = tf.data.Dataset.range(count).map(
        lambda k: (image, mask, tf.stack([7, tf.cast(k, tf.int32)]))
    )
    return [(i.numpy(), m.numpy()) for i, m in triples.map(op)]


def coordinates(height, width):
    """An image (H, W, 3) float32 whose pixels hold their row and column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows], axis=2).astype(np.float32)


def mirrored(image, above, left, below, right):
    """An image padded by NumPy's mode `reflect`."""
    around = ((above, below), (left, right), (0, 0))
    return np.pad(image, around, mode="reflect")


def unanimous(mask, reach=7):
    """Where all neighbours in a mask have the same id, (H, W) bool."""
    around = np.ones((reach, reach), np.uint8)
    return cv2.dilate(mask, around) == cv2.erode(mask, around)

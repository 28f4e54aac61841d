"""tf.data pipelines: read, keep in memory, shuffle, augment, batch, prefetch.

Sample k of a run is decided by the seed and k alone: which image, and what is done to
it. A run can therefore go on from any step as if it had never stopped.
"""

from __future__ import annotations

from typing import Any, Optional

import cv2
import numpy as np
import psutil
import tensorflow as tf

from edge.command import BadInput
from edge.segmenter import bounded, resize
from kseg.config import TrainConfig
from kseg.data import Split, ops

MEMORY_SHARE = 0.4  # of what is free, for decoded images


class Reader:
    """Reads pairs bounded by `max_side`, and keeps them while memory allows."""

    def __init__(self, split: Split, max_side: int):
        self.split, self.max_side = split, max_side
        self.budget = MEMORY_SHARE * psutil.virtual_memory().available
        self.kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.failure: Optional[BadInput] = None  # tf.data hides the type of errors

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        index = int(index)
        if index in self.kept:
            return self.kept[index]
        try:
            image, mask = self.split.read(index)
        except BadInput as failure:
            self.failure = failure
            raise
        size = bounded(mask.shape, self.max_side)
        if size != mask.shape:
            image = resize(image, size)
            mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        self.budget -= image.nbytes + mask.nbytes
        if self.budget > 0:
            self.kept[index] = image, mask
        return image, mask

    def dataset(self, indices: tf.data.Dataset, channels: int) -> tf.data.Dataset:
        """Indices -> (image (H, W, C) uint8, mask (H, W) uint8)."""

        def read(index: Any) -> tuple[Any, Any]:
            kinds = (tf.uint8, tf.uint8)
            image, mask = tf.numpy_function(self.read, [index], kinds)
            shaped = tf.ensure_shape(image, (None, None, channels))
            return shaped, tf.ensure_shape(mask, (None, None))

        return indices.map(read, num_parallel_calls=tf.data.AUTOTUNE)


def augmentation(config: TrainConfig, size: tuple[int, int]) -> ops.Op:
    """The ops that a configuration asks for, ending at `size`."""
    steps = [ops.scale_and_crop(size, config.scale)]
    if config.flip:
        steps.append(ops.flip())
    if config.color:
        steps.append(ops.color(config.color))
    return ops.chain(*steps)


def training_batches(
    reader: Reader,
    config: TrainConfig,
    size: tuple[int, int],
    channels: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Batches without end: image (B, h, w, C) in [0, 255], mask (B, h, w) uint8.

    Every image comes once before any comes again.
    """
    count = len(reader.split.sizes)
    seed = config.seed

    def draw(k: Any) -> Any:
        epoch = tf.cast(k // count, tf.int32)
        key = tf.stack([seed, epoch])
        return tf.random.experimental.index_shuffle(k % count, key, count - 1)

    augment = augmentation(config, size)

    def vary(k: Any, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        key = tf.stack([tf.constant(seed, tf.int64), k])
        return augment(tf.cast(pair[0], tf.float32), pair[1], tf.cast(key, tf.int32))

    numbers = tf.data.Dataset.counter(start_step * config.batch_size)
    pairs = reader.dataset(numbers.map(draw), channels)
    varied = tf.data.Dataset.zip(numbers, pairs).map(
        vary, num_parallel_calls=tf.data.AUTOTUNE
    )
    return varied.batch(config.batch_size).prefetch(tf.data.AUTOTUNE)


def validation_batches(
    reader: Reader, batch_size: int, channels: int
) -> tf.data.Dataset:
    """Every pair once at its own size; in batches where all sizes are equal."""
    sizes = {bounded(size, reader.max_side) for size in reader.split.sizes}
    pairs = reader.dataset(tf.data.Dataset.range(len(reader.split.sizes)), channels)
    batches = pairs.batch(batch_size if len(sizes) == 1 else 1)
    return batches.map(lambda i, m: (tf.cast(i, tf.float32), m)).prefetch(1)

"""tf.data pipelines: read, keep in memory, shuffle, augment, batch, prefetch.

Sample k of a run is decided by the seed and k alone: which image, and what is done to
it. A run can therefore go on from any step as if it had never stopped.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Callable, Optional

import cv2
import numpy as np
import psutil
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.predict.resizing import limit_side, resize
from kseg.config import TrainConfig
from kseg.data import Data, Split, ops
from kseg.data.border_weights import border_weights
from kseg.distribute import ALONE, Place
from kseg.models import Geometry

PARALLEL = os.cpu_count() or 1  # images that are read, and varied, at a time
AHEAD = 2  # batches that wait for the network
VOID = np.uint8(IGNORE_INDEX)


class Reader:
    """Reads pairs bounded by `max_side`, and keeps them in a share of free memory."""

    def __init__(self, split: Split, max_side: int, memory_share: float = 0.4):
        self.split, self.max_side = split, max_side
        self.budget = memory_share * psutil.virtual_memory().available
        self.kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.failure: Optional[InputError] = None  # tf.data hides the type of errors

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        index = int(index)
        if index in self.kept:
            return self.kept[index]
        try:
            image, mask = self.split.read(index)
        except InputError as failure:
            self.failure = failure
            raise
        size = limit_side(mask.shape, self.max_side)
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

        return indices.map(read, num_parallel_calls=PARALLEL)


def augmentation(config: TrainConfig, size: tuple[int, int], border: int = 0) -> ops.Op:
    """The ops that a configuration asks for, ending at `size`.

    With `border`, for networks that give no logits for so many pixels all around, the
    mask is that much smaller on each side. Raises InputError where nothing is left of
    it.
    """
    if min(size) <= 2 * border:
        raise InputError(
            f"--size {size[0]}x{size[1]}: the network labels all but {border} pixels "
            f"on each side; choose more than {2 * border}x{2 * border}"
        )
    steps = [
        ops.mirrored_crop(size, config.scale, border, config.rare_crops)
        if border
        else ops.scale_and_crop(size, config.scale, config.rare_crops)
    ]
    if config.elastic or config.rotate:
        steps.append(ops.warp(config.elastic, config.rotate))
    if config.flip:
        steps.append(ops.flip())
    if config.flip_vertical:
        steps.append(ops.flip_vertical())
    # As in a camera: light, then lens, then sensor.
    if config.color:
        steps.append(ops.color(config.color))
    if config.blur:
        steps.append(ops.blur(config.blur))
    if config.noise:
        steps.append(ops.noise(config.noise))
    if config.cutout:
        steps.append(ops.cutout(config.cutout))
    if border:
        steps.append(ops.cut_mask(border))
    return ops.chain(*steps)


def variation(
    config: TrainConfig, size: tuple[int, int], border: int
) -> Callable[[Any, tuple[Any, Any]], tuple[Any, ...]]:
    """A function of sample number and pair: image, mask and maybe weights for `fit`."""
    augment = augmentation(config, size, border)
    sample = ops.sample_loss(config.loss_share)

    def vary(k: Any, pair: tuple[Any, Any]) -> tuple[Any, ...]:
        key = tf.stack([tf.constant(config.seed, tf.int64), k])
        key = tf.cast(key, tf.int32)
        image, mask = augment(tf.cast(pair[0], tf.float32), pair[1], key)
        # Before pixels are left out of the loss, which would tear objects apart.
        weights = [weights_of(mask, config)] if config.border_weight else []
        if config.loss_share < 1:
            image, mask = sample(image, mask, key)
        return image, mask, *weights

    return vary


def weights_of(mask: Any, config: TrainConfig) -> Any:
    """`border_weights` in the graph: mask (H, W) -> (H, W) float32."""
    weigh = partial(border_weights, w0=config.border_weight)
    return tf.ensure_shape(tf.numpy_function(weigh, [mask], tf.float32), mask.shape)


def drawn(k: Any, count: int, seed: int) -> Any:
    """Which of `count` images sample k is; k is a number, int64."""
    epoch = tf.cast(k // count, tf.int32)
    key = tf.stack([seed, epoch])
    return tf.random.experimental.index_shuffle(k % count, key, count - 1)


def training_batches(
    reader: Reader,
    config: TrainConfig,
    size: tuple[int, int],
    channels: int,
    start_step: int = 0,
    border: int = 0,
    place: Place = ALONE,
) -> tf.data.Dataset:
    """Batches without end: image (B, h, w, C) in [0, 255], mask (B, h, w) uint8.

    B is `config.images_per_step`. With `config.border_weight` weights (B, h, w) float32
    come third, which `fit` hands to the loss. With `border` mask and weights are that
    much smaller on each side. Every image comes once before any comes again. Of several
    processes each gets its `place.part` of every batch.
    """
    draw = partial(drawn, count=len(reader.split.sizes), seed=config.seed)
    images = config.images_per_step
    numbers = tf.data.Dataset.counter(start_step * images)
    mine = place.part(images)
    if place.processes > 1:
        numbers = numbers.batch(images).map(lambda batch: batch[mine]).unbatch()
    pairs = reader.dataset(numbers.map(draw), channels)
    varied = tf.data.Dataset.zip(numbers, pairs).map(
        variation(config, size, border), num_parallel_calls=PARALLEL
    )
    return untuned(varied.batch(mine.stop - mine.start).prefetch(AHEAD))


def shared_out(count: int, size: int, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Images 0 to count - 1 in batches of `size`: this process's, and which are copies.

    A batch that the devices cannot share evenly ends in copies of its last image.

    >>> indices, copies = shared_out(5, 4, Place(process=1, processes=2, devices=2))
    >>> indices.tolist(), copies.tolist()
    ([2, 3, 4], [False, False, True])
    """
    indices, copies = [], []
    for start in range(0, count, size):
        last = min(start + size, count) - 1
        filled = place.filled(last + 1 - start)
        numbers = start + np.arange(filled)[place.part(filled)]
        indices.append(np.minimum(numbers, last))
        copies.append(numbers > last)
    return np.concatenate(indices), np.concatenate(copies)


def validation_batches(
    reader: Reader,
    batch_size: int,
    channels: int,
    border: int = 0,
    step: int = 1,
    least: int = 1,
    place: Place = ALONE,
) -> tf.data.Dataset:
    """Every pair once at its own size; in batches where all sizes are equal.

    For devices to share them evenly, batches are filled up with copies in void, which
    no measure counts. Of several processes each gets its `place.part` of every batch.

    Networks that take sides of `least + k * step` alone and give no logits for `border`
    pixels all around get the picture mirrored to such a size, see `ops.mirrored_to`.
    """
    sizes = {limit_side(size, reader.max_side) for size in reader.split.sizes}
    size = batch_size if len(sizes) == 1 else 1
    indices, copies = shared_out(len(reader.split.sizes), size, place)
    pairs = reader.dataset(tf.data.Dataset.from_tensor_slices(indices), channels)
    pairs = tf.data.Dataset.zip(pairs, tf.data.Dataset.from_tensor_slices(copies))
    pairs = pairs.map(lambda pair, copy: (pair[0], tf.where(copy, VOID, pair[1])))
    if (border, step, least) != (0, 1, 1):
        pairs = pairs.map(ops.mirrored_to(border, step, least))
    batches = pairs.batch(place.filled(size) // place.processes)
    batches = batches.map(lambda i, m: (tf.cast(i, tf.float32), m))
    return untuned(batches.prefetch(AHEAD))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Without TensorFlow's tuning of it as it runs.

    The thread that tunes sleeps ever longer, up to a minute, and the end of an epoch
    waits for it (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


class Feed:
    """What a run trains on and validates with: the batches of both, their readers."""

    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        size: tuple[int, int],
        shape: Geometry,
        place: Place = ALONE,
    ):
        self.config, self.channels, self.size = config, data.channels, size
        self.shape, self.place = shape, place
        share = config.memory_share / 2
        self.readers = {
            name: Reader(data.split(name), config.max_side, share)
            for name in ("train", "val")
        }

    def training(self, start_step: int = 0) -> tf.data.Dataset:
        """See `training_batches`."""
        return training_batches(
            self.readers["train"],
            self.config,
            self.size,
            self.channels,
            start_step,
            self.shape.border,
            self.place,
        )

    def validation(self) -> tf.data.Dataset:
        """See `validation_batches`."""
        return validation_batches(
            self.readers["val"],
            self.config.batch_size,
            self.channels,
            self.shape.border,
            self.shape.step,
            self.shape.least,
            self.place,
        )

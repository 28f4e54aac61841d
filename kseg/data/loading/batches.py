"""tf.data pipelines: read, keep in memory, shuffle, augment, batch, prefetch.

Sample k of a run is decided by the seed and k alone: which image, and what is done to
it. A run can therefore go on from any step as if it had never stopped.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry
from edge.predict.resizing import limit_side
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.data.loading.reader import PARALLEL, CachedReader
from kseg.data.sample import Dataset
from kseg.data.transforms.border_weights import border_weights
from kseg.data.transforms.chain import Op, chain, sample_loss
from kseg.data.transforms.crops import (
    cut_mask,
    mirrored_crop,
    mirrored_to,
    scale_and_crop,
)
from kseg.data.transforms.geometry import flip, flip_vertical, warp
from kseg.data.transforms.photometric import blur, color, cutout, noise

AHEAD = 2  # batches that wait for the network
VOID = np.uint8(IGNORE_INDEX)


def augmentation(config: TrainConfig, size: tuple[int, int], border: int = 0) -> Op:
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
        mirrored_crop(size, config.scale, border, config.rare_crops)
        if border
        else scale_and_crop(size, config.scale, config.rare_crops)
    ]
    if config.elastic or config.rotate:
        steps.append(warp(config.elastic, config.rotate))
    if config.flip:
        steps.append(flip())
    if config.flip_vertical:
        steps.append(flip_vertical())
    # As in a camera: light, then lens, then sensor.
    if config.color:
        steps.append(color(config.color))
    if config.blur:
        steps.append(blur(config.blur))
    if config.noise:
        steps.append(noise(config.noise))
    if config.cutout:
        steps.append(cutout(config.cutout))
    if border:
        steps.append(cut_mask(border))
    return chain(*steps)


def augment_sample(
    config: TrainConfig, size: tuple[int, int], border: int
) -> Callable[[Any, tuple[Any, Any]], tuple[Any, ...]]:
    """A function of sample number and pair: image, mask and maybe weights for `fit`."""
    augment = augmentation(config, size, border)
    sample = sample_loss(config.loss_share)

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


def sample_index(k: Any, count: int, seed: int) -> Any:
    """Which of `count` images sample k is; k is a number, int64."""
    epoch = tf.cast(k // count, tf.int32)
    key = tf.stack([seed, epoch])
    return tf.random.experimental.index_shuffle(k % count, key, count - 1)


def training_batches(
    reader: CachedReader,
    config: TrainConfig,
    size: tuple[int, int],
    channels: int,
    start_step: int = 0,
    border: int = 0,
    place: ProcessGroup = ALONE,
) -> tf.data.Dataset:
    """Batches without end: image (B, h, w, C) in [0, 255], mask (B, h, w) uint8.

    B is `config.images_per_step`. With `config.border_weight` weights (B, h, w) float32
    come third, which `fit` hands to the loss. With `border` mask and weights are that
    much smaller on each side. Every image comes once before any comes again. Of several
    processes each gets its `place.local_slice` of every batch.
    """
    draw = partial(sample_index, count=len(reader.split.sizes), seed=config.seed)
    images = config.images_per_step
    numbers = tf.data.Dataset.counter(start_step * images)
    mine = place.local_slice(images)
    if place.processes > 1:
        numbers = numbers.batch(images).map(lambda batch: batch[mine]).unbatch()
    pairs = reader.dataset(numbers.map(draw), channels)
    varied = tf.data.Dataset.zip(numbers, pairs).map(
        augment_sample(config, size, border), num_parallel_calls=PARALLEL
    )
    return untuned(varied.batch(mine.stop - mine.start).prefetch(AHEAD))


def shared_out(
    count: int, size: int, place: ProcessGroup
) -> tuple[np.ndarray, np.ndarray]:
    """Images 0 to count - 1 in batches of `size`: this process's, and which are copies.

    A batch that the devices cannot share evenly ends in copies of its last image.

    >>> group = ProcessGroup(process=1, processes=2, devices=2)
    >>> indices, copies = shared_out(5, 4, group)
    >>> indices.tolist(), copies.tolist()
    ([2, 3, 4], [False, False, True])
    """
    indices, copies = [], []
    for start in range(0, count, size):
        last = min(start + size, count) - 1
        filled = place.padded_count(last + 1 - start)
        numbers = start + np.arange(filled)[place.local_slice(filled)]
        indices.append(np.minimum(numbers, last))
        copies.append(numbers > last)
    return np.concatenate(indices), np.concatenate(copies)


def validation_batches(
    reader: CachedReader,
    batch_size: int,
    channels: int,
    border: int = 0,
    step: int = 1,
    least: int = 1,
    place: ProcessGroup = ALONE,
) -> tf.data.Dataset:
    """Every pair once at its own size; in batches where all sizes are equal.

    For devices to share them evenly, batches are filled up with copies in void, which
    no measure counts. Of several processes each gets its `place.local_slice` of every
    batch.

    Networks that take sides of `least + k * step` alone and give no logits for `border`
    pixels all around get the picture mirrored to such a size, see `crops.mirrored_to`.
    """
    sizes = {limit_side(size, reader.max_side) for size in reader.split.sizes}
    size = batch_size if len(sizes) == 1 else 1
    indices, copies = shared_out(len(reader.split.sizes), size, place)
    pairs = reader.dataset(tf.data.Dataset.from_tensor_slices(indices), channels)
    pairs = tf.data.Dataset.zip(pairs, tf.data.Dataset.from_tensor_slices(copies))
    pairs = pairs.map(lambda pair, copy: (pair[0], tf.where(copy, VOID, pair[1])))
    if (border, step, least) != (0, 1, 1):
        pairs = pairs.map(mirrored_to(border, step, least))
    batches = pairs.batch(place.padded_count(size) // place.processes)
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


class BatchLoader:
    """What a run trains on and validates with: the batches of both, their readers."""

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        size: tuple[int, int],
        shape: InputGeometry,
        place: ProcessGroup = ALONE,
    ):
        self.config, self.channels, self.size = config, data.channels, size
        self.shape, self.place = shape, place
        share = config.memory_share / 2
        self.readers = {
            name: CachedReader(data.split(name), config.max_side, share)
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
            self.shape.valid_border,
            self.place,
        )

    def validation(self) -> tf.data.Dataset:
        """See `validation_batches`."""
        return validation_batches(
            self.readers["val"],
            self.config.batch_size,
            self.channels,
            self.shape.valid_border,
            self.shape.input_step,
            self.shape.min_input,
            self.place,
        )

"""tf.data pipelines: read, cache, shuffle, augment, batch, prefetch.

The image of sample k and its augmentation depend only on the seed and on k. A resumed
run therefore gets the same batches as one that was not interrupted.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

import numpy as np
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry
from edge.predict.resizing import limit_side
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.data.loading.pasting import Paster, new_paster, pasting
from kseg.data.loading.reader import PARALLEL, CachedReader
from kseg.data.loading.soft_labels import SoftLabels
from kseg.data.sample import Dataset
from kseg.data.transforms.border_weights import border_weights
from kseg.data.transforms.chain import Op, chain, sample_loss
from kseg.data.transforms.coordinates import beside, with_places
from kseg.data.transforms.crops import (
    Change,
    crop_mask,
    mirrored_crop,
    pad_by_reflection,
    scale_and_crop,
)
from kseg.data.transforms.geometry import flip, flip_vertical, warp
from kseg.data.transforms.photometric import blur, color, cutout, noise

AHEAD = 2  # batches to prefetch
VOID = np.uint8(IGNORE_INDEX)


def augmentation(
    config: TrainConfig,
    size: tuple[int, int],
    border: int = 0,
    change: Optional[Change] = None,
    channels: Optional[int] = None,
) -> Op:
    """The augmentation of a configuration, whose images have the given `size`.

    `border` is the width of the margin without logits of networks with valid
    convolutions; the mask is smaller by it on each side. `change` is applied to the
    window of the image that becomes the crop. With `channels`, images have so many and
    then their `coordinates.with_places`. Raises InputError if nothing is left of the
    mask.
    """
    if min(size) <= 2 * border:
        raise InputError(
            f"--size {size[0]}x{size[1]}: the network has no output for {border} "
            f"pixels on each side; use a size over {2 * border}x{2 * border}"
        )
    steps = [
        mirrored_crop(size, config.scale, border, config.rare_crops, change)
        if border
        else scale_and_crop(size, config.scale, config.rare_crops, change)
    ]
    if config.elastic or config.rotate:
        steps.append(warp(config.elastic, config.rotate))
    if config.flip:
        steps.append(flip())
    if config.flip_vertical:
        steps.append(flip_vertical())
    colors = pixelwise(config)
    steps += [beside(op, channels) for op in colors] if channels else colors
    if config.cutout:
        steps.append(cutout(config.cutout))
    if border:
        steps.append(crop_mask(border))
    return chain(*steps)


def photometric(config: TrainConfig) -> list[Op]:
    """What a configuration changes in images without moving pixels, in its order."""
    hiding = [cutout(config.cutout)] if config.cutout else []
    return [*pixelwise(config), *hiding]


def pixelwise(config: TrainConfig) -> list[Op]:
    """The changes of light and colour of a configuration, in their order."""
    # The order of effects in a camera: light, lens, sensor.
    ops = [(color, config.color), (blur, config.blur), (noise, config.noise)]
    return [op(value) for op, value in ops if value]


def augment_sample(
    config: TrainConfig,
    size: tuple[int, int],
    border: int,
    soft: Optional[SoftLabels] = None,
    paster: Optional[Paster] = None,
) -> Callable[[Any, tuple[Any, Any]], tuple[Any, ...]]:
    """A function (sample number, pair) -> image, mask and, if configured, weights.

    With `soft`, the soft labels of the crop take the place of weights.
    """
    channels = soft.channels if soft else None
    usual = augmentation(config, size, border, channels=channels)
    sample = sample_loss(config.loss_share)

    def apply(k: Any, pair: tuple[Any, Any]) -> tuple[Any, ...]:
        key = sample_key(k, config.seed)
        augment = usual
        if paster:
            index = sample_index(k, len(paster.reader.split.sizes), config.seed)
            change = pasting(paster, k, index, channels)
            augment = augmentation(config, size, border, change, channels)
        image = pair[0]
        if soft:
            image = with_places(tf.cast(image, tf.float32))
        image, mask = augment(image, pair[1], key)
        # Computed before `sample` sets pixels to void, which would split objects.
        weights = [weights_of(mask, config)] if config.border_weight else []
        if soft:
            index = sample_index(k, len(soft.sizes), config.seed)
            image, labels = soft.of_crop(index, image, border)
            weights = [labels]
        if config.loss_share < 1:
            if soft:
                dropped = sample(image, tf.zeros_like(mask), key)[1] > 0
                weights = [tf.where(dropped[..., None], tf.zeros_like(labels), labels)]
            image, mask = sample(image, mask, key)
        return image, mask, *weights

    return apply


def weights_of(mask: Any, config: TrainConfig) -> Any:
    """`border_weights` in the graph: mask (H, W) -> (H, W) float32."""
    weigh = partial(border_weights, w0=config.border_weight)
    return tf.ensure_shape(tf.numpy_function(weigh, [mask], tf.float32), mask.shape)


def sample_key(k: Any, seed: int) -> Any:
    """The seed (2,) int32 of the augmentation of sample k."""
    return tf.cast(tf.stack([tf.constant(seed, tf.int64), k]), tf.int32)


def sample_index(k: Any, count: int, seed: int) -> Any:
    """The index of the image of sample k, int64, among `count` images."""
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
    group: ProcessGroup = ALONE,
    soft: Optional[SoftLabels] = None,
    paster: Optional[Paster] = None,
) -> tf.data.Dataset:
    """Infinite batches: image (B, h, w, C) float32 in [0, 255], mask (B, h, w) uint8.

    B is `config.images_per_step`. With `config.border_weight`, sample weights (B, h, w)
    float32 for the loss follow; with `soft`, soft labels (B, h, w, C) uint8. With
    `border`, all but the image are smaller by it on each side. Each epoch contains
    every image once. Of several processes, each gets its `group.local_slice` of every
    batch.
    """
    index_of = partial(sample_index, count=len(reader.split.sizes), seed=config.seed)
    images = config.images_per_step
    numbers = sample_numbers(start_step, images, group)
    pairs = reader.dataset(numbers.map(index_of), channels)
    augmented = tf.data.Dataset.zip(numbers, pairs).map(
        augment_sample(config, size, border, soft, paster), num_parallel_calls=PARALLEL
    )
    return local_batches(augmented, images, group)


def sample_numbers(
    start_step: int, images: int, group: ProcessGroup
) -> tf.data.Dataset:
    """The numbers of the samples from a step on; of several processes, this one's.

    A step takes `images` samples. Each process has its `group.local_slice` of them.
    """
    numbers = tf.data.Dataset.counter(start_step * images)
    if group.processes == 1:
        return numbers
    local = group.local_slice(images)
    return numbers.batch(images).map(lambda batch: batch[local]).unbatch()


def local_batches(
    dataset: tf.data.Dataset, images: int, group: ProcessGroup
) -> tf.data.Dataset:
    """Batches of this process's samples of steps of `images` samples, AHEAD of time."""
    local = group.local_slice(images)
    return without_autotune(dataset.batch(local.stop - local.start).prefetch(AHEAD))


def batch_indices(
    count: int, size: int, group: ProcessGroup
) -> tuple[np.ndarray, np.ndarray]:
    """This process's indices of `count` images in batches of `size`, and the copies.

    A batch that cannot be divided evenly among the devices is filled up with copies of
    its last image, for which the second array is True.

    >>> group = ProcessGroup(process=1, processes=2, devices=2)
    >>> indices, copies = batch_indices(5, 4, group)
    >>> indices.tolist(), copies.tolist()
    ([2, 3, 4], [False, False, True])
    """
    indices, copies = [], []
    for start in range(0, count, size):
        last = min(start + size, count) - 1
        padded = group.padded_count(last + 1 - start)
        numbers = start + np.arange(padded)[group.local_slice(padded)]
        indices.append(np.minimum(numbers, last))
        copies.append(numbers > last)
    return np.concatenate(indices), np.concatenate(copies)


def validation_batches(
    reader: CachedReader,
    batch_size: int,
    channels: int,
    border: int = 0,
    input_step: int = 1,
    min_input: int = 1,
    group: ProcessGroup = ALONE,
) -> tf.data.Dataset:
    """Batches with every pair once, at its own size; of one pair if the sizes differ.

    Batches that cannot be divided evenly among the devices are filled up with copies
    whose masks are void, so metrics ignore them. Of several processes, each gets its
    `group.local_slice` of every batch.

    For networks that take only sides of `min_input + k * input_step` and give no logits
    for a margin of `border` pixels, images are padded to such a size by reflection, see
    `crops.pad_by_reflection`.
    """
    sizes = {limit_side(size, reader.max_side) for size in reader.split.sizes}
    size = batch_size if len(sizes) == 1 else 1
    indices, copies = batch_indices(len(reader.split.sizes), size, group)
    pairs = reader.dataset(tf.data.Dataset.from_tensor_slices(indices), channels)
    pairs = tf.data.Dataset.zip(pairs, tf.data.Dataset.from_tensor_slices(copies))
    pairs = pairs.map(lambda pair, copy: (pair[0], tf.where(copy, VOID, pair[1])))
    if (border, input_step, min_input) != (0, 1, 1):
        pairs = pairs.map(pad_by_reflection(border, input_step, min_input))
    batches = pairs.batch(group.padded_count(size) // group.processes)
    batches = batches.map(lambda i, m: (tf.cast(i, tf.float32), m))
    return without_autotune(batches.prefetch(AHEAD))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Disables tf.data's autotuning.

    The autotuning thread sleeps for up to a minute, and the end of an epoch waits for
    it (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


class BatchLoader:
    """The training and validation batches of a run, and their readers."""

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        size: tuple[int, int],
        shape: InputGeometry,
        group: ProcessGroup = ALONE,
    ):
        self.config, self.channels, self.size = config, data.channels, size
        self.shape, self.group = shape, group
        share = config.memory_share / 2
        self.soft: Optional[SoftLabels] = None  # of the training images
        self.readers: dict[str, Any] = {
            name: CachedReader(data.split(name), config.max_side, share)
            for name in ("train", "val")
        }
        self.planned: float = config.epochs
        self.paster = new_paster(config, data, self.readers["train"])

    @property
    def epochs(self) -> float:
        """The number of epochs; with --hours that of the current plan."""
        return self.planned

    @epochs.setter
    def epochs(self, number: float) -> None:
        self.planned = number
        if self.paster:
            self.paster.epochs.assign(number)

    def teach(self, soft: SoftLabels) -> None:
        """From now on the training batches have soft labels."""
        self.soft = self.readers["soft labels"] = soft

    def training(self, start_step: int = 0) -> tf.data.Dataset:
        """The training batches from `start_step` on; see `training_batches`."""
        return training_batches(
            self.readers["train"],
            self.config,
            self.size,
            self.channels,
            start_step,
            self.shape.valid_border,
            self.group,
            self.soft,
            self.paster,
        )

    def validation(self) -> tf.data.Dataset:
        """The validation batches; see `validation_batches`."""
        return validation_batches(
            self.readers["val"],
            self.config.batch_size,
            self.channels,
            self.shape.valid_border,
            self.shape.input_step,
            self.shape.min_input,
            self.group,
        )

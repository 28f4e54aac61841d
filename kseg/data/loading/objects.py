"""tf.data pipelines of images with objects; see batches.py for those with masks.

The image of sample k and its augmentation depend only on the seed and on k. A resumed
run therefore gets the same batches as one that was not interrupted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from edge.core.errors import InputError
from edge.core.images import format_size
from edge.model_file.info import InputGeometry
from edge.predict.resizing import limit_side, resize
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.data.loading.batches import (
    local_batches,
    photometric,
    sample_index,
    sample_key,
    sample_numbers,
)
from kseg.data.loading.reader import PARALLEL, SampleReader
from kseg.data.loading.targets import INPUTS, targets_of, training_split
from kseg.data.objects import resized
from kseg.data.sample import Dataset, Objects, Sample
from kseg.data.transforms.boxes import move_image, move_objects, random_move
from kseg.data.transforms.chain import chain
from kseg.data.transforms.mosaic import mosaic, paste

LAST_EPOCHS = 0.2  # share of the epochs without combined images


class ObjectReader(SampleReader[Objects]):
    """Reads images with their objects."""

    def limited(self, image: np.ndarray, target: Objects) -> tuple[np.ndarray, Objects]:
        size = limit_side(image.shape[:2], self.max_side)
        return resize(image, size), resized(target, image.shape[:2], size)

    def size_of(self, target: Objects) -> int:
        return sum(mask.nbytes for mask in target.masks or ())


class ObjectBatchLoader:
    """The training batches of a run, and the readers of its splits."""

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        size: tuple[int, int],
        shape: InputGeometry,
        group: ProcessGroup = ALONE,
    ):
        """Raises InputError for a crop size that the network would pad."""
        check_crop(size, shape.minimum)
        self.config, self.channels, self.size = config, data.channels, size
        self.group = group
        self.epochs: float = config.epochs  # with --hours those of the current plan
        share = config.memory_share
        self.readers = {
            "train": ObjectReader(training_split(config, data), config.max_side, share)
        }
        self.targets = targets_of(config, data)
        self.photometric = chain(*photometric(config))

    def sample(self, number: int, index: int) -> tuple[np.ndarray, ...]:
        """The crop (h, w, C) uint8 of sample `number`, and its target's arrays."""
        random = np.random.default_rng([self.config.seed, int(number)])
        image, objects = self.augmented(random, int(number), int(index))
        return image, *self.targets.of(objects, random).values()

    def augmented(
        self, random: np.random.Generator, number: int, index: int
    ) -> tuple[np.ndarray, Objects]:
        """The crop of sample `number`, and its objects.

        The last LAST_EPOCHS have crops of single images, as they will be predicted.
        """
        config, reader = self.config, self.readers["train"]
        count = len(reader.split.sizes)

        def other(size: tuple[int, int]) -> Sample:
            return self.crop(random, int(random.integers(count)), size)

        epoch = number // (config.steps_of_epoch(count) * config.images_per_step)
        combined = epoch < self.epochs * (1 - LAST_EPOCHS)
        if combined and random.random() < config.mosaic:
            sample = mosaic(random, self.size, self.channels, other)
        else:
            sample = self.crop(random, index, self.size)
        if combined and random.random() < config.paste:
            sample = paste(random, sample, other(self.size))
        return sample.image, sample.target

    def crop(
        self, random: np.random.Generator, index: int, size: tuple[int, int]
    ) -> Sample:
        """A random crop of an image of the training split."""
        config = self.config
        image, objects = self.readers["train"].read(index)
        move = random_move(
            random,
            image.shape[:2],
            size,
            config.scale,
            config.flip,
            config.flip_vertical,
            config.rotate,
        )
        return Sample(move_image(image, move), move_objects(objects, move))

    def recolored(self, image: Any, number: Any) -> Any:
        """The crop of sample `number` with its colours changed, (h, w, C) float32."""
        key = sample_key(number, self.config.seed)
        image = tf.cast(image, tf.float32)
        return self.photometric(image, blank_mask(image), key)[0]

    def training(self, start_step: int = 0) -> tf.data.Dataset:
        """Infinite batches from `start_step` on: images (B, h, w, C) float32, targets.

        Each epoch contains every image once. Of several processes, each gets its
        `group.local_slice` of every batch.
        """
        config, images = self.config, self.config.images_per_step
        count = len(self.readers["train"].split.sizes)
        numbers = sample_numbers(start_step, images, self.group)
        blank = self.targets.blank()
        types = (tf.uint8, *(tf.as_dtype(each.dtype) for each in blank.values()))

        def load(number: Any) -> tuple[Any, dict[str, Any]]:
            index = sample_index(number, count, config.seed)
            image, *values = tf.numpy_function(self.sample, [number, index], types)
            target = {
                name: tf.ensure_shape(value, each.shape)
                for (name, each), value in zip(blank.items(), values, strict=True)
            }
            image = tf.ensure_shape(image, (*self.size, self.channels))
            return self.recolored(image, number), target

        samples = numbers.map(load, num_parallel_calls=PARALLEL)
        batches = local_batches(samples, images, self.group)
        change = INPUTS.get(config.model)
        return batches.map(change(config)) if change else batches

    def validation(self) -> None:
        """None: objects are validated image by image, see kseg.training.objects."""


def check_crop(size: tuple[int, int], multiple: int) -> None:
    """Raises InputError if a side is not a multiple of what the network pads to.

    The targets have a row for each cell of a crop, and padding would add cells.
    """
    fits = tuple(-(-side // multiple) * multiple for side in size)
    if fits != size:
        raise InputError(
            f"--size {format_size(size)}: the sides must be multiples of {multiple} "
            f"pixels for this network; use {format_size(fits)}"
        )


def blank_mask(image: Any) -> Any:
    """A mask of zeros, for operations that change image and mask together."""
    return tf.zeros(tf.shape(image)[:2], tf.uint8)

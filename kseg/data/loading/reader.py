"""Reads samples, such as pairs of image and mask, and caches them in memory."""

from __future__ import annotations

import os
from typing import Any, Generic, Optional, TypeVar

import cv2
import numpy as np
import psutil
import tensorflow as tf

from edge.core.errors import InputError
from edge.predict.resizing import limit_side, resize
from kseg.data.sample import Sample, Split

Target = TypeVar("Target")
PARALLEL = os.cpu_count() or 1  # images that are read and augmented at a time


class SampleReader(Generic[Target]):
    """Base class: reads samples, limits their sides to `max_side` and caches them.

    The cache takes up to `memory_share` of the memory that is free at the start.
    """

    def __init__(self, split: Split, max_side: int, memory_share: float = 0.4):
        self.split, self.max_side = split, max_side
        self.budget = memory_share * psutil.virtual_memory().available
        self.kept: dict[int, Sample] = {}
        self.failure: Optional[InputError] = None  # tf.data loses the type of errors

    def forget(self) -> None:
        """Frees the cache. TensorFlow keeps the reader, which its pipeline calls."""
        self.kept.clear()
        self.budget = 0.0

    def limited(self, image: np.ndarray, target: Target) -> tuple[np.ndarray, Target]:
        """Returns a sample with its sides limited to `max_side`."""
        raise NotImplementedError

    def size_of(self, target: Target) -> int:
        """Returns the memory that a target takes, in bytes."""
        raise NotImplementedError

    def read(self, index: int) -> Sample:
        """Returns an image (H, W, C) uint8 and its target.

        Raises InputError, also kept as `failure`, for a file that cannot be read.
        """
        index = int(index)
        if index in self.kept:
            return self.kept[index]
        try:
            sample = self.split.read(index)
        except InputError as failure:
            self.failure = failure
            raise
        sample = Sample(*self.limited(*sample))
        self.budget -= sample.image.nbytes + self.size_of(sample.target)
        if self.budget > 0:
            self.kept[index] = sample
        return sample


class CachedReader(SampleReader[np.ndarray]):
    """Reads pairs of image and mask, (H, W, C) and (H, W), both uint8."""

    def limited(
        self, image: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        size = limit_side(target.shape, self.max_side)
        if size == target.shape:
            return image, target
        mask = cv2.resize(target, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return resize(image, size), mask

    def size_of(self, target: np.ndarray) -> int:
        return target.nbytes

    def dataset(self, indices: tf.data.Dataset, channels: int) -> tf.data.Dataset:
        """Maps indices to (image (H, W, C) uint8, mask (H, W) uint8)."""

        def read(index: Any) -> tuple[Any, Any]:
            dtypes = (tf.uint8, tf.uint8)
            image, mask = tf.numpy_function(self.read, [index], dtypes)
            shaped = tf.ensure_shape(image, (None, None, channels))
            return shaped, tf.ensure_shape(mask, (None, None))

        return indices.map(read, num_parallel_calls=PARALLEL)

"""Reads pairs of image and mask and caches them in memory."""

from __future__ import annotations

import os
from typing import Any, Optional

import cv2
import numpy as np
import psutil
import tensorflow as tf

from edge.core.errors import InputError
from edge.predict.resizing import limit_side, resize
from kseg.data.sample import Split

PARALLEL = os.cpu_count() or 1  # images that are read and augmented at a time


class CachedReader:
    """Reads pairs, limits their sides to `max_side` and caches them.

    The cache takes up to `memory_share` of the memory that is free at the start.
    """

    def __init__(self, split: Split, max_side: int, memory_share: float = 0.4):
        self.split, self.max_side = split, max_side
        self.budget = memory_share * psutil.virtual_memory().available
        self.kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.failure: Optional[InputError] = None  # tf.data loses the type of errors

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns image (H, W, C) and mask (H, W), both uint8.

        Raises InputError, also kept as `failure`, for a file that cannot be read.
        """
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
        """Maps indices to (image (H, W, C) uint8, mask (H, W) uint8)."""

        def read(index: Any) -> tuple[Any, Any]:
            dtypes = (tf.uint8, tf.uint8)
            image, mask = tf.numpy_function(self.read, [index], dtypes)
            shaped = tf.ensure_shape(image, (None, None, channels))
            return shaped, tf.ensure_shape(mask, (None, None))

        return indices.map(read, num_parallel_calls=PARALLEL)

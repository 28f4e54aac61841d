"""Soft labels: the probabilities of teachers for each training image, in files.

They are stored at half the size of the image, as bytes in proportion to the square
roots of the probabilities: the steps are finer for small ones. The KL divergence of the
decoded from the exact probabilities is at most 3 C / 510^2 for C classes, 0.00013 for
11. A root is wrong by at most 1 / 510, which adds at most 2.6 / 510^2 for each class,
divided by the sum of the decoded, which is near 1. Each image has a file, compressed.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np
import tensorflow as tf

from edge.core.errors import InputError
from edge.core.files import atomic_write
from kseg.data.transforms.coordinates import MOST_OUTSIDE, PLACES

AT_ONCE = 32  # classes; OpenCV's images have at most 128 channels
LEVEL = 1  # of zlib: the fastest

Size = tuple[int, int]


def encode(probabilities: np.ndarray) -> np.ndarray:
    """(..., C) in [0, 1] -> uint8: 255 times the square root.

    >>> encode(np.array([0.0, 0.25, 0.04, 1.0])).tolist()
    [0, 128, 51, 255]
    """
    return np.rint(255 * np.sqrt(probabilities)).astype(np.uint8)


def decode(soft: np.ndarray) -> np.ndarray:
    """Soft labels (..., C) uint8 -> probabilities float32 whose sum is 1.

    All 0 where there are none.
    """
    odds = np.square(soft, dtype=np.float32)
    return odds / np.maximum(odds.sum(-1, keepdims=True), 1)


def stored_size(size: Size) -> Size:
    """Half of an image's (height, width), rounded up.

    >>> stored_size((360, 481))
    (180, 241)
    """
    return -(-size[0] // 2), -(-size[1] // 2)


@dataclass
class SoftLabels:
    """The soft labels of the images of a split, in files of a folder.

    `sizes` are those of the images as they are trained on, `channels` their channels;
    `failure` is the error of a file that could not be read.
    """

    folder: Path
    sizes: Sequence[Size]
    num_classes: int
    channels: int
    failure: Optional[InputError] = field(default=None, compare=False)

    def path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.soft"

    @property
    def nbytes(self) -> int:
        """The size of all, if they could not be compressed."""
        stored = (stored_size(size) for size in self.sizes)
        return sum(height * width for height, width in stored) * self.num_classes

    def missing(self) -> list[int]:
        """The indices of images without a file.

        One without content counts as none: a power failure may leave it behind.
        """
        there = set()
        if self.folder.is_dir():
            with os.scandir(self.folder) as files:
                there = {file.name for file in files if file.stat().st_size}
        indices = range(len(self.sizes))
        return [index for index in indices if self.path(index).name not in there]

    def write(self, index: int, soft: np.ndarray) -> None:
        """Writes (h, w, C) uint8 of `stored_size`. Raises OSError."""
        content = zlib.compress(np.ascontiguousarray(soft), LEVEL)
        with atomic_write(self.path(index), sync=False) as part:
            part.write_bytes(content)

    def read(self, index: int) -> np.ndarray:
        """(h, w, C) uint8 of `stored_size`. Raises InputError for a damaged file."""
        path, stored = self.path(index), stored_size(self.sizes[index])
        try:
            content = zlib.decompress(path.read_bytes())
            return np.frombuffer(content, np.uint8).reshape(*stored, self.num_classes)
        except (OSError, ValueError, zlib.error) as error:
            self.failure = InputError(
                f"{path}: cannot be read ({error}); remove its folder, and continue "
                "with --resume, or start again if there is no checkpoint yet"
            )
            raise self.failure from None

    def forget(self) -> None:
        """Does nothing: no soft labels are kept in memory."""

    def at(self, index: int, places: np.ndarray) -> np.ndarray:
        """The soft labels of a crop.

        `places` (h, w, 3) are those of kseg.data.transforms.coordinates -> (h, w, C)
        uint8, interpolated bilinearly; all 0 outside of the image.
        """
        soft, (height, width) = self.read(int(index)), self.sizes[int(index)]
        rows = (places[..., 0] + 0.5) * (soft.shape[0] / height) - 0.5
        columns = (places[..., 1] + 0.5) * (soft.shape[1] / width) - 0.5
        found = sample(soft, rows.astype(np.float32), columns.astype(np.float32))
        found[places[..., 2] > MOST_OUTSIDE] = 0
        return found

    def of_crop(self, index: Any, image: Any, border: int) -> tuple[Any, Any]:
        """In the graph: a crop with places -> the crop, and its soft labels.

        (h, w, channels + 3) -> (h, w, channels) and (h, w, C) uint8; with `border` the
        soft labels are smaller by it on each side, as the mask is.
        """
        inner = slice(border, -border if border else None)
        places = image[inner, inner, -PLACES:]
        soft = tf.numpy_function(self.at, [index, places], tf.uint8)
        shape = (*places.shape[:2], self.num_classes)
        return image[..., : self.channels], tf.ensure_shape(soft, shape)


def sample(soft: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Soft labels (H, W, C) uint8 at rows and columns (h, w) float32 -> (h, w, C)."""
    parts = [
        cv2.remap(
            np.ascontiguousarray(soft[..., start : start + AT_ONCE]),
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(*rows.shape, -1)
        for start in range(0, soft.shape[2], AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

"""Bringing images of any depth and number of channels to bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Optional

import cv2
import numpy as np

from edge.core.errors import InputError

# Cameras of 10, 12 or 14 bits store 16-bit files: white is the sensor's largest value,
# not 65535. Above 16 bits there is no such habit.
DEPTHS = (8, 10, 12, 14, 16, *range(17, 65))
LEAST_LEVELS = 16  # of 256: with fewer the structure of an image is lost
OVERSHOOT = 2.0  # below this, floats are of 0 to 1: resizing makes a few larger
RESIZED = 1.05  # as do other floats


def white_level_of(image: np.ndarray) -> float:
    """The white level of an image: 2**bits - 1 of the smallest depth that holds it.

    8-bit images have 255. Floats up to about 1 have 1, or a smaller power of two if
    they would be almost black; other floats are like whole numbers.

    >>> white_level_of(np.array([[4000]], np.uint16))
    4095.0
    >>> white_level_of(np.array([[0.01]])), white_level_of(np.array([[200.5]]))
    (0.015625, 255.0)
    """
    if image.dtype == np.uint8:
        return 255.0
    if image.dtype.kind == "f":
        highest = float(image[np.isfinite(image)].max(initial=0))
        if highest < OVERSHOOT:
            dark = 0 < highest < LEAST_LEVELS / 256
            return 2.0 ** math.ceil(math.log2(highest)) if dark else 1.0
        highest /= RESIZED
    else:
        highest = int(image.max(initial=0))
    return float(next((2**b - 1 for b in DEPTHS if highest < 2**b), highest))


def level_for(image: np.ndarray, known: Optional[float]) -> float:
    """The value of an image, not of 8 bits, that becomes 255.

    That is the `known` white level, of the images that a model was trained on, if it
    is one of such an image. Otherwise that of the image; of 16 bits 65535, unless that
    would leave fewer than 16 levels.
    """
    own = white_level_of(image)
    if image.dtype.kind == "f" and own <= 1:
        return known if known and own <= known <= 1 else own
    if known and known > 255 and own <= LEAST_LEVELS * known:
        return known
    if image.dtype == np.uint16 and own >= 65536 / LEAST_LEVELS:
        return 65535.0
    return own


def check_values(path: Path, image: np.ndarray) -> None:
    """Raises InputError for values that do not become bytes without loss of structure.

    These are values below 0, and a small range far above 0, such as temperatures.
    """
    if image.dtype in (np.uint8, np.uint16) or not image.size:
        return
    finite = image[np.isfinite(image)]
    if not finite.size:
        raise InputError(f"{path}: has no finite values; save it again or remove it")
    low, high, white = float(finite.min()), float(finite.max()), white_level_of(image)
    spread = high - low
    negative = low < -(0.1 if white <= 1 else white / 64)
    far = white > 1 and low > 4 * spread > 0 and spread * 256 < LEAST_LEVELS * white
    if negative or far or not math.isfinite(spread):
        raise InputError(
            f"{path}: has values from {low:g} to {high:g}, and images are read from 0 "
            "to white; scale them to 0 to 255 and save them as 8-bit PNG"
        )


def to_uint8(image: np.ndarray, white_level: float) -> np.ndarray:
    """Scale any depth to uint8, `white_level` to 255; uint8 is returned unchanged."""
    if image.dtype == np.uint8:
        return image
    scaled = image.astype(np.float32) * (255.0 / white_level)
    return np.clip(np.nan_to_num(scaled) + 0.5, 0, 255).astype(np.uint8)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 -> (H, W, channels); `channels` is 1 or 3."""
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.repeat(image, 3, axis=2)

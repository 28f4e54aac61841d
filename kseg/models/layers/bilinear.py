"""The kernel of bilinear upsampling."""

from __future__ import annotations

import numpy as np


def bilinear_kernel(factor: int, size: int, channels: int) -> np.ndarray:
    """Kernel (size, size, C, C) of a transposed convolution that upsamples bilinearly.

    It is exact for a size of 2 * factor - factor % 2 (Long, Shelhamer and Darrell,
    section 3.3), and the identity for a factor of 1. Channels are not mixed.
    """
    centre = (size - 1) / 2
    line = np.maximum(0, 1 - np.abs(np.arange(size) - centre) / factor)
    each = np.arange(channels)
    kernel = np.zeros((size, size, channels, channels), np.float32)
    kernel[:, :, each, each] = np.outer(line, line)[..., None]
    return kernel

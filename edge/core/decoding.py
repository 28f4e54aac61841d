"""OpenCV's decoder, with what it reads otherwise than the file means."""

from __future__ import annotations

from typing import Optional

import cv2
import numpy as np

from edge.core.image_header import Header
from edge.core.tiff_planes import single_bands

MOST_BANDS = 4  # of an image, alpha included


def decode_stored(data: bytes, header: Header, flags: int) -> Optional[np.ndarray]:
    """The pixels as stored, (H, W) or (H, W, C) BGR; None if they cannot be decoded.

    `flags` are those of cv2.imdecode.
    """
    try:
        if not (header.planar and header.bits > 8 and header.channels <= MOST_BANDS):
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        flags |= cv2.IMREAD_ANYDEPTH
        files = single_bands(data, header.channels)
        bands = [cv2.imdecode(np.frombuffer(one, np.uint8), flags) for one in files]
    except (cv2.error, MemoryError, IndexError):
        return None
    if any(band is None or band.ndim != 2 for band in bands):
        return None
    return np.dstack(bands[:3][::-1] + bands[3:])


def as_brightness(image: np.ndarray, header: Header, binary_pnm: bool) -> np.ndarray:
    """An image whose 0 is black and whose 255 is white, if it is of 8 bits.

    OpenCV scales PNM files in text, and inverts TIFF files of 8 bits.
    """
    if header.inverted and image.dtype == np.uint16:
        return ~image
    if binary_pnm and header.largest < 255 and image.dtype == np.uint8:
        scaled = np.arange(256) * (255 / max(1, header.largest)) + 0.5
        return cv2.LUT(image, np.minimum(scaled, 255).astype(np.uint8))
    return image

"""Images as JPEG in memory, for browsers, brokers and recordings."""

from __future__ import annotations

import cv2
import numpy as np

QUALITY, LONGEST_SIDE = 80, 1280  # of what is sent to viewers


def encode_jpeg(
    view: np.ndarray, quality: int = QUALITY, longest: float = LONGEST_SIDE
) -> bytes:
    """A view (H, W, 3) uint8 BGR as JPEG, with sides of at most `longest` pixels."""
    scale = longest / max(view.shape[:2])
    if scale < 1:
        view = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

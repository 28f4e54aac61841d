"""The size of letters in the view, and darkened parts behind them."""

from __future__ import annotations

import numpy as np


def darken(part: np.ndarray) -> None:
    """Darken a part of an image to a third of its brightness, for legible text."""
    part[:] = part // 3


def text_scale(image: np.ndarray) -> float:
    """The size of letters in legends and labels, in units of OpenCV's font."""
    return max(0.35, min(0.6, image.shape[0] / 900))

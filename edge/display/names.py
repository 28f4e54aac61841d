"""Class names as OpenCV can write them into frames."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from edge.model_file.info import ModelInfo, class_name

FONT = cv2.FONT_HERSHEY_SIMPLEX


def written_name(info: ModelInfo, index: int) -> str:
    """The name of a class, or "class 3" if OpenCV cannot write all of its letters.

    >>> info = ModelInfo(class_names=("dog", "\U0001f408"), colors=((0, 0, 1),) * 2)
    >>> written_name(info, 0), written_name(info, 1)
    ('dog', 'class 1')
    """
    name = class_name(info, index)
    return name if all(map(can_write, name)) else f"class {index}"


@lru_cache(maxsize=4096)
def can_write(letter: str) -> bool:
    """Whether OpenCV writes this letter.

    It writes question marks for the others: OpenCV 4 for each byte beyond ASCII,
    OpenCV 5 for letters that its fonts lack.
    """
    if letter.isascii():
        return letter.isprintable()
    written = rendered(letter)
    return not any((written == rendered("?" * n)).all() for n in range(1, 5))


def rendered(text: str) -> np.ndarray:
    """(32, 96) uint8: the text in white on black."""
    image = np.zeros((32, 96), np.uint8)
    cv2.putText(image, text, (4, 24), FONT, 0.7, 255)
    return image

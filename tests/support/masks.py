"""Masks as lists, to compare with."""

import numpy as np


def filled(size: tuple[int, int], *boxes: tuple[int, ...]) -> list:
    """Class 0 with boxes (class, top, left, bottom, right) in order, ends inclusive."""
    mask = np.zeros(size, int)
    for value, top, left, bottom, right in boxes:
        mask[top : bottom + 1, left : right + 1] = value
    return mask.tolist()

"""Reading the masks of exports that have a mask of classes for each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from kseg.data.mask_values import find_smoothing
from kseg.data.masks import Classes, colors_to_ids, load_mask, to_class_ids


def read_class_mask(
    path: Path, image: Path, classes: Classes, colored: bool = False
) -> np.ndarray:
    """Reads a mask of ids or colours as (H, W) uint8 class ids, void 255, upright.

    `colored` is that of `load_mask`. Raises InputError for ids and colours that are no
    classes, and for a mask that was smoothed: its edges would be of other classes.
    """
    mask = load_mask(path, image, colored)
    if mask.ndim == 3:
        mask = colors_to_ids(mask, path, classes.file_colors, classes.source)
    result = to_class_ids(mask, path, classes)
    found = find_smoothing(mask)
    if found and found.certain:
        raise InputError(f"{path}: {found}")
    return result

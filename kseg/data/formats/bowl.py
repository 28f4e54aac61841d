"""The Data Science Bowl 2018: a folder for each image, a mask for each nucleus.

stage1_train/ID/images/ID.png with stage1_train/ID/masks/*.png. Neighbouring masks may
share a few pixels; they are given to the smaller object.

Reference: https://www.kaggle.com/c/data-science-bowl-2018
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Iterator

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError
from kseg.data.formats.labels import BACKGROUND
from kseg.data.formats.objects import of_mask, painted
from kseg.data.formats.source import (
    SourceDataset,
    SourceObjects,
    SourcePair,
    size_error,
    without_background,
)
from kseg.data.masks import inspect_image, open_image

DESCRIPTION = "ID/images/ID.png and ID/masks/*.png (Data Science Bowl 2018)"
CLASS = "nucleus"
SHARED = "pixels in several masks, given to the smaller object"


def matches(folder: Path) -> bool:
    """Whether a folder has an image ID/images/ID.png with masks."""
    return any(True for image in images_of(folder) if masks_of(image))


def images_of(folder: Path) -> Iterator[Path]:
    """The image of each folder ID."""
    for one in sorted(path for path in folder.glob("*/") if path.is_dir()):
        image = one / "images" / f"{one.name}.png"
        if image.is_file():
            yield image


def masks_of(image: Path) -> list[Path]:
    """The masks of the objects of an image, in the order of their names."""
    return sorted((image.parent.parent / "masks").glob("*.png"))


def read_masks(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with all their objects painted as one class."""
    return painted(read_pairs(folder, skip_missing))


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with their objects, whose classes have no background."""
    return without_background(read_pairs(folder, skip_missing))


READERS = {"semantic": read_masks, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    """The task without --task: each object has a mask."""
    return "instance"


def read_pairs(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all images that have a folder of masks; those of stage1_test have none."""
    export = SourceDataset(skip_missing, (BACKGROUND, CLASS), palette(2))
    for image in images_of(folder):
        if not (image.parent.parent / "masks").is_dir():
            export.unlabelled += 1
            continue
        reader = partial(read_image_objects, image)
        export.splits[""].append(SourcePair(image.stem, image, objects=reader))
    return export


def read_image_objects(image: Path) -> SourceObjects:
    """The objects of an image, without shared pixels. An object may lose all of its.

    Raises InputError for a mask that cannot be read or has another size.
    """
    size, _ = inspect_image(image)
    masks = []
    for path in masks_of(image):
        inside = read_mask(path)
        if inside.shape != size:
            raise size_error(path, inside.shape, size)
        masks.append(inside)
    owner = owners(masks, size)
    shared = int(sum(mask.sum(dtype=int) for mask in masks) - (owner > 0).sum())
    objects = [of_mask(0, owner == index + 1) for index in range(len(masks))]
    kept = tuple(each for each in objects if each)
    skipped = Counter({"empty masks": len(objects) - len(kept)})
    return SourceObjects(size, kept, +skipped, +Counter({SHARED: shared}))


def read_mask(path: Path) -> np.ndarray:
    """(H, W) bool. None has an EXIF rotation, and looking for it takes most time."""
    with open_image(path) as file:
        try:
            return np.asarray(file.convert("L")) > 0
        except (OSError, SyntaxError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); copy it again"
            ) from None


def owners(masks: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """(H, W) ids: 0 for none, k + 1 for the smallest mask k that has the pixel."""
    areas = [np.count_nonzero(mask) for mask in masks]
    result = np.zeros(size, np.int32)
    for index in sorted(range(len(masks)), key=lambda i: -areas[i]):
        result[masks[index]] = index + 1
    return result

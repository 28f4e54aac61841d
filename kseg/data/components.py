"""Where objects of rare classes are: connected components of the training masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

import cv2
import numpy as np

from edge.core.errors import InputError, shortened
from kseg.core.progress import in_order, shown
from kseg.core.remembered import checked
from kseg.data.sample import Dataset, Split

RARE = "rare"  # in place of names of classes
# A class is rare if it has less than this part of what each of C classes would have if
# all were equally frequent, 1 / C of the labelled pixels.
RARE_PART = 0.25
LEAST_AREA = 2e-4  # share of the image, of a component; smaller ones are ragged
MOST = 64  # components of a class in an image, the largest


class MaskParts(NamedTuple):
    """What is in one mask.

    `pixels` (C,) int64 by class id; `parts` (N, 5) int32: class id, top, left, bottom
    and right of each component in pixels, bottom and right exclusive.
    """

    pixels: np.ndarray
    parts: np.ndarray


class Components(NamedTuple):
    """The components of a training split.

    `images` (N,) int32 are the indices of their images, `class_ids` (N,) int32 their
    classes, `boxes` (N, 4) float64 are top, left, bottom, right as shares of the
    image's sides. `shares` (C,) are those of the classes in the labelled pixels.
    """

    images: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    shares: np.ndarray


def parts_of(mask: np.ndarray, classes: int) -> MaskParts:
    """The components of a mask (H, W) uint8, of 8 neighbours, each of one class.

    Left out are those of less than LEAST_AREA, those at the left or right edge of the
    image, which may be cut off, and of each class all but the MOST largest.
    """
    pixels = np.bincount(mask.ravel(), minlength=256)[:classes].astype(np.int64)
    rows = [np.zeros((0, 5), np.int32)]
    for class_id in np.flatnonzero(pixels):
        same = (mask == class_id).astype(np.uint8)
        found = cv2.connectedComponentsWithStats(same, connectivity=8)[2][1:]
        left, top, width, height, area = found.T
        large = area >= LEAST_AREA * mask.size
        inside = large & (left > 0) & (left + width < mask.shape[1])
        kept = np.flatnonzero(inside)
        kept = kept[np.argsort(-area[kept], kind="stable")[:MOST]]
        ids = np.full(len(found), class_id)
        box = np.stack([ids, top, left, top + height, left + width], 1)
        rows.append(box[kept].astype(np.int32))
    return MaskParts(pixels, np.concatenate(rows))


def find_components(data: Dataset) -> Components:
    """The components of the train split. Each mask is read once and remembered.

    Raises InputError for a file that cannot be read.
    """
    split = data.split("train")
    found = scanned(split, data.name, data.num_classes)
    pixels = np.sum([each.pixels for each in found], 0)
    parts = np.concatenate([each.parts for each in found])
    images = np.repeat(np.arange(len(found)), [len(each.parts) for each in found])
    sides = np.array(split.sizes, np.float64).reshape(-1, 2)[images]
    return Components(
        images.astype(np.int32),
        parts[:, 0],
        parts[:, 1:] / np.tile(sides, 2),
        pixels / max(1, pixels.sum()),
    )


def scanned(split: Split, name: str, count: int) -> list[MaskParts]:
    """`parts_of` of each mask of a split of `count` classes, on threads."""
    read: Callable[[int], Any] = getattr(split, "read_mask", lambda k: split.read(k)[1])
    items = range(len(split.sizes))
    masks: Sequence[Path] = getattr(split, "masks", ())
    title = f"{name}, components"
    if not masks:  # generated images have no files by which to know them again
        found = in_order(lambda index: parts_of(read(index), count), items)
        return list(shown(found, f"checking {title}", len(items)))
    classes = getattr(split, "classes", None)
    about = "components", os.path.abspath(name), classes and classes.record()
    return checked(
        lambda index: parts_of(read(index), count),
        items,
        title,
        about,
        lambda index: (masks[index],),
    )


def pasted_classes(
    names: Sequence[str], class_names: Sequence[str], found: Components
) -> tuple[int, ...]:
    """The ids of the classes whose components are pasted; `names` may be "rare".

    Raises InputError for a name that is no class and for classes without components.
    """
    given = ",".join(names)
    if given == RARE and RARE not in class_names:
        limit = RARE_PART / len(class_names)
        ids = np.flatnonzero((found.shares > 0) & (found.shares < limit)).tolist()
        reason = f"no class has under {limit:.2%} of the labelled pixels"
    else:
        unknown = [name for name in names if name not in class_names]
        if unknown:
            known = shortened(", ".join(class_names))
            raise InputError(
                f"--paste-classes {given}: {unknown[0]!r} is not a class; use {RARE} "
                f"or some of {known}"
            )
        ids = [class_names.index(name) for name in names]
        reason = "no training image has an object of these classes"
    usable = tuple(each for each in ids if (found.class_ids == each).any())
    if not usable:
        raise InputError(
            f"--paste-classes {given}: {reason}; name other classes, or leave out "
            "--paste"
        )
    return usable

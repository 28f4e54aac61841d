"""Chooses the training images that set the activation ranges of int8 files."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.core.errors import InputError
from kseg.core.progress import evenly_spaced
from kseg.data.sample import Dataset, Objects, Split, Target

log = logging.getLogger(__name__)

CANDIDATES_PER_IMAGE = 10  # images inspected for each one chosen: finds rare classes
BLANK_STD = 2.0  # of values 0..255: images with a smaller deviation are blank
MIN_SHARE = 1e-4  # fraction of an image's pixels that makes a class present


@dataclass(frozen=True)
class ImageClasses:
    """A candidate: its index in the split, and which classes are present, (C,) bool."""

    index: int
    present: np.ndarray
    blank: bool


@dataclass(frozen=True)
class CalibrationSet:
    """The chosen images, and how many of them each class is present in.

    `names` are their names in the split. `blank` is the number of blank candidates.
    """

    indices: tuple[int, ...]
    names: tuple[str, ...]
    classes: dict[str, int]
    blank: int

    def record(self) -> dict[str, Any]:
        """The entry of parity.json."""
        return {
            "images": len(self.indices),
            "classes": self.classes,
            "blank": self.blank,
            "pictures": list(self.names),
        }


def choose_images(data: Dataset, count: int) -> CalibrationSet:
    """Chooses `count` images of the train split that cover the classes evenly.

    Half are chosen for the classes that are least frequent so far; the rest are spaced
    evenly over the split. Images that are blank or show no class are chosen only if
    there are too few others. Logs classes that are in none of them. Raises InputError
    if all candidates are blank.
    """
    split = data.split("train")
    candidates = inspect_images(split, data.num_classes, count * CANDIDATES_PER_IMAGE)
    usable = [each for each in candidates if not each.blank] or candidates
    chosen = select_balanced(with_labels(usable, count), count)
    calibration_set = CalibrationSet(
        tuple(each.index for each in chosen),
        tuple(split.names[each.index] for each in chosen),
        {
            name: int(sum(each.present[i] for each in chosen))
            for i, name in enumerate(data.class_names)
        },
        sum(each.blank for each in candidates),
    )
    report(calibration_set, data.name, len(candidates))
    return calibration_set


def inspect_images(split: Split, num_classes: int, most: int) -> list[ImageClasses]:
    """At most `most` candidates, evenly spaced over the split."""

    def inspect(index: int) -> ImageClasses:
        image, target = split.read(index)
        blank = float(image.reshape(-1, image.shape[-1]).std(axis=0).max()) < BLANK_STD
        return ImageClasses(index, present_classes(target, num_classes), blank)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(inspect, evenly_spaced(len(split.sizes), most)))


def present_classes(target: Target, num_classes: int) -> np.ndarray:
    """Which classes are in a target, (C,) bool.

    A class is in a mask (H, W) if it has more than MIN_SHARE of the pixels, and among
    objects if there is one.
    """
    if isinstance(target, Objects):
        return np.bincount(target.class_ids, minlength=num_classes)[:num_classes] > 0
    pixels = np.bincount(target.ravel(), minlength=256)[:num_classes]
    return pixels > MIN_SHARE * target.size


def with_labels(candidates: list[ImageClasses], count: int) -> list[ImageClasses]:
    """The candidates that show a class; with too few of them, others as well.

    An image without objects does not reach the ranges of scores and boxes.
    """
    shown = [each for each in candidates if each.present.any()]
    others = [each for each in candidates if not each.present.any()]
    if len(shown) >= count or not others:
        return shown
    log.info(
        f"only {len(shown)} of {len(candidates)} training images considered for "
        "calibration show a class; others are used as well"
    )
    added = evenly_spaced(len(others), count - len(shown))
    return sorted(
        [*shown, *(others[place] for place in added)], key=lambda each: each.index
    )


def select_balanced(candidates: list[ImageClasses], count: int) -> list[ImageClasses]:
    """`count` candidates: half for the least frequent classes, half evenly spaced."""
    if len(candidates) <= count:
        return candidates
    present = np.array([each.present for each in candidates])
    taken = np.zeros(len(candidates), bool)
    seen = np.zeros(present.shape[1])
    for _ in range(count // 2):
        # Classes that few of the chosen images contain have the largest weight.
        weight = (present / (1 + seen) ** 2).sum(axis=1)
        best = int(np.argmax(np.where(taken, -1, weight)))
        taken[best] = True
        seen += present[best]
    left = np.flatnonzero(~taken)
    taken[left[evenly_spaced(len(left), count - int(taken.sum()))]] = True
    return [each for each, take in zip(candidates, taken, strict=True) if take]


def report(calibration_set: CalibrationSet, name: str, inspected: int) -> None:
    """Logs blank images and missing classes. Raises InputError if all are blank."""
    if calibration_set.blank == inspected:
        raise InputError(
            f"{name}: all {inspected} training images considered for calibration are "
            "blank; check the images, or give other data with --data"
        )
    if calibration_set.blank:
        log.info(
            f"{calibration_set.blank} of {inspected} training images are blank; they "
            "are not used for calibration"
        )
    missing = [name for name, count in calibration_set.classes.items() if not count]
    if missing:
        log.warning(
            f"no calibration image contains {', '.join(missing)}; int8 may be less "
            "accurate for it"
        )

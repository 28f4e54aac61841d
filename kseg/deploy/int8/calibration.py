"""Which training pictures set the ranges of int8, and what of the classes they show."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.core.errors import InputError
from kseg.core.progress import evenly_spaced
from kseg.data.sample import Dataset, Split

log = logging.getLogger(__name__)

LOOKED_AT = 10  # times as many pictures as are chosen: enough to find rare classes
BLANK = 2.0  # deviation in levels of 0..255 below which a picture shows nothing
LEAST_SHARE = 1e-4  # of a picture's pixels, for a class to count as shown


@dataclass(frozen=True)
class ImageClasses:
    """One candidate: its place in the split, which classes it shows (C,) bool."""

    index: int
    shows: np.ndarray
    blank: bool


@dataclass(frozen=True)
class CalibrationSet:
    """The chosen pictures, and of how many each class is in (absent classes: 0)."""

    indices: tuple[int, ...]
    pictures: tuple[str, ...]
    classes: dict[str, int]
    blank: int

    def record(self) -> dict[str, Any]:
        """As it is kept in parity.json."""
        return {
            "images": len(self.indices),
            "classes": self.classes,
            "blank": self.blank,
            "pictures": list(self.pictures),
        }


def choose(data: Dataset, count: int) -> CalibrationSet:
    """`count` pictures of the train split that show every class as often as they can.

    Half go to the classes that the ones chosen so far show least; the rest are spread
    evenly over the split. Raises InputError where all of them are blank: ranges taken
    from these would be nothing's. Says which classes none of them shows.
    """
    split = data.split("train")
    looks = look_at(split, data.num_classes, count * LOOKED_AT)
    chosen = balanced([x for x in looks if not x.blank] or looks, count)
    coverage = CalibrationSet(
        tuple(look.index for look in chosen),
        tuple(split.names[look.index] for look in chosen),
        {
            name: int(sum(look.shows[i] for look in chosen))
            for i, name in enumerate(data.class_names)
        },
        sum(look.blank for look in looks),
    )
    warn(coverage, data.name, len(looks))
    return coverage


def look_at(split: Split, num_classes: int, most: int) -> list[ImageClasses]:
    """At most `most` pictures, evenly over the split."""

    def look(index: int) -> ImageClasses:
        image, mask = split.read(index)
        pixels = np.bincount(mask.ravel(), minlength=256)[:num_classes]
        blank = float(image.reshape(-1, image.shape[-1]).std(axis=0).max()) < BLANK
        return ImageClasses(index, pixels > LEAST_SHARE * mask.size, blank)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(look, evenly_spaced(len(split.sizes), most)))


def balanced(looks: list[ImageClasses], count: int) -> list[ImageClasses]:
    """`count` of the candidates: half by the classes still shown least, half evenly."""
    if len(looks) <= count:
        return looks
    shows = np.array([look.shows for look in looks])
    taken = np.zeros(len(looks), bool)
    seen = np.zeros(shows.shape[1])
    for _ in range(count // 2):
        # A class that few show and few of the chosen do is worth most.
        worth = (shows / (1 + seen) ** 2).sum(axis=1)
        best = int(np.argmax(np.where(taken, -1, worth)))
        taken[best] = True
        seen += shows[best]
    left = np.flatnonzero(~taken)
    taken[left[evenly_spaced(len(left), count - int(taken.sum()))]] = True
    return [look for look, take in zip(looks, taken, strict=True) if take]


def warn(coverage: CalibrationSet, name: str, looked_at: int) -> None:
    """Raises InputError where nothing but blank pictures was found; says what lacks."""
    if coverage.blank == looked_at:
        raise InputError(
            f"{name}: all {looked_at} training pictures that could set int8's ranges "
            "are blank; check the images, or name other data with --data"
        )
    if coverage.blank:
        log.info(
            f"{coverage.blank} of {looked_at} training pictures are blank; they set no "
            "ranges"
        )
    lacking = [name for name, count in coverage.classes.items() if not count]
    if lacking:
        log.warning(
            f"no calibration picture shows {', '.join(lacking)}: int8 may lose it"
        )

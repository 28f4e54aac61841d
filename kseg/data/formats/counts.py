"""What a converted data folder holds of each class, and what looks wrong with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError, shortened
from kseg.core.results import MaskCounts, ObjectCounts
from kseg.data.formats.objects import BEYOND

LISTED = 24  # names in one line
MANY = 0.2  # of the boxes; people seldom draw beyond an image


class MaskFacts(NamedTuple):
    """The number of pixels of each id that is in the mask of an image of a split."""

    image: Path
    pixels: dict[int, int]
    split: str = ""


def facts_of(image: Path, mask: np.ndarray, split: str = "") -> MaskFacts:
    """Counts the ids of a mask (H, W) uint8."""
    pixels = np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)
    found = np.flatnonzero(pixels)
    counts = {int(index): int(pixels[index]) for index in found}
    return MaskFacts(image, counts, split)


def mask_counts(names: Sequence[str], facts: Sequence[MaskFacts]) -> MaskCounts:
    """Counts images and pixels of each class; class 0 is the first name."""
    images, pixels = Counter[int](), Counter[int]()
    inside: dict[str, set[int]] = {}
    for one in facts:
        inside.setdefault(one.split, set()).update(one.pixels.keys() - {IGNORE_INDEX})
        images.update(list(one.pixels))
        pixels.update(one.pixels)
    void = [one.image for one in facts if not one.pixels.keys() - {IGNORE_INDEX}]
    return MaskCounts(
        {name: images[index] for index, name in enumerate(names)},
        {name: pixels[index] for index, name in enumerate(names)},
        void=pixels[IGNORE_INDEX],
        only_void=tuple(map(str, void)),
        one_class={s: names[min(ids)] for s, ids in inside.items() if len(ids) == 1},
    )


def mask_lines(counts: MaskCounts) -> Iterator[str]:
    """A line for each class: its images, pixels, and share of the labelled pixels."""
    total = max(1, sum(counts.pixels.values()))
    for name, pixels in counts.pixels.items():
        share = pixels / total
        yield (
            f"{shortened(name)}: images {counts.images[name]:,}, pixels {pixels:,} "
            f"({share:.1%})"
        )
    if counts.void:
        yield f"void, which is not trained on: pixels {counts.void:,}"


def object_lines(counts: ObjectCounts) -> Iterator[str]:
    """A line for each class: its images and objects."""
    for name, number in counts.classes.items():
        images = counts.images.get(name, 0)
        yield f"{shortened(name)}: images {images:,}, objects {number:,}"


def mask_doubts(counts: MaskCounts) -> Iterator[str]:
    """What looks wrong with masks, in a line each."""
    yield from empty_classes(counts.images)
    if counts.only_void:
        yield (
            f"masks without any labelled pixel: {len(counts.only_void)}, the first of "
            f"{counts.only_void[0]}"
        )
    for why, number in counts.skipped.items():
        yield f"left out of the masks: {number} {why}"
    found = [name for name, number in counts.images.items() if number]
    for split, name in counts.one_class.items() if len(found) > 1 else ():
        yield f"all labelled pixels of {split} are {shortened(name)}; check its labels"
    if len(found) == 1:
        yield (f"all labelled pixels are {shortened(found[0])}; check the labels")


def object_doubts(counts: ObjectCounts) -> Iterator[str]:
    """What looks wrong with objects, in a line each."""
    yield from empty_classes(counts.classes)
    for split in counts.bare if counts.total else ():
        yield f"no image of {split} has an object; check its labels"
    clipped = counts.changed.get(BEYOND, 0)
    if clipped > MANY * counts.total:
        yield (
            f"{clipped} of {counts.total} boxes reached beyond their image; check that "
            "their numbers are what the format says, such as widths, not corners"
        )


def check_masks(counts: MaskCounts, folder: Path, first: Path, learnt: bool) -> None:
    """Raises InputError if the masks show one class or none: nothing can be learnt.

    If they are not `learnt`, only measured, one is enough. `first` is an image.
    """
    found = [name for name, number in counts.pixels.items() if number]
    if len(found) < 1 + learnt:
        only = " and ".join([*map(shortened, found), *["void"] * bool(counts.void)])
        raise InputError(
            f"{folder}: is not written: the masks, such as that of {first}, have only "
            f"{only}{not_counted(counts.skipped)}, so nothing can be learnt; correct "
            "the labels"
        )


def check_objects(counts: ObjectCounts, folder: Path, first: Path) -> None:
    """Raises InputError if no image has an object. `first` is an image."""
    if not counts.total:
        why = not_counted({**counts.skipped, "crowds": counts.crowds})
        raise InputError(
            f"{folder}: is not written: no image, such as {first}, has an object"
            f"{why}, so nothing can be learnt; correct the labels"
        )


def not_counted(reasons: dict[str, int]) -> str:
    """What was left out, as a part of a message; empty if nothing was.

    >>> not_counted({"empty masks": 2, "crowds": 0})
    ' (not counted: 2 empty masks)'
    """
    listed = [f"{number} {why}" for why, number in reasons.items() if number]
    return f" (not counted: {', '.join(listed)})" if listed else ""


def empty_classes(found: dict[str, int]) -> Iterator[str]:
    """A line that names the classes that do not occur, if there are some."""
    missing = [name for name, number in found.items() if not number]
    if missing:
        shown = ", ".join(map(shortened, missing[:LISTED]))
        more = len(missing) - LISTED
        rest = f" and {more} more" if more > 0 else ""
        yield f"classes that occur in no image: {shown}{rest}"

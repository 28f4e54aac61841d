"""Data folders of objects: images/ with objects.json, or with maps in instances/.

Every file is checked when the folder is opened, so that training does not fail later.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, NamedTuple, Optional

from edge.core.errors import InputError
from edge.core.images import read_image
from kseg.core.names import OBJECT_TASKS
from kseg.core.remembered import checked
from kseg.data.folder import (
    common_white_level,
    has_objects,
    log_left_out,
    parts_of,
    with_validation,
)
from kseg.data.formats.labels import BACKGROUND
from kseg.data.masks import inspect_image
from kseg.data.object_classes import ObjectClasses, classes_named
from kseg.data.object_listing import Entry, ObjectListing, list_objects
from kseg.data.object_targets import Target
from kseg.data.objects import to_semantic
from kseg.data.objects_file import BOXES_ONLY, OBJECTS, log_clipped
from kseg.data.pairs import raise_first_error
from kseg.data.sample import Dataset, Sample, Split


@dataclass(frozen=True)
class ObjectSplit:
    """A split of images with objects, whose files have been checked.

    `masks` says whether the objects have masks or only boxes.
    """

    images: list[Path]
    targets: list[Target]
    sizes: list[tuple[int, int]]
    classes: ObjectClasses
    channels: int
    white_level: float
    masks: bool

    @property
    def names(self) -> list[str]:
        return [path.name for path in self.images]

    @property
    def files(self) -> list[Path]:
        labels = (path for target in self.targets for path in target.files)
        return [*self.images, *dict.fromkeys(labels)]

    def read(self, index: int) -> Sample:
        image = self.images[index]
        target = self.targets[index].read(image, self.classes, self.masks)
        return Sample(read_image(image, self.channels, self.white_level), target)


@dataclass(frozen=True)
class SemanticSplit:
    """Images with objects, which are painted as a mask of classes."""

    objects: Split

    @property
    def names(self) -> list[str]:
        return self.objects.names

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return self.objects.sizes

    @property
    def files(self) -> list[Path]:
        return self.objects.files

    def read(self, index: int) -> Sample:
        image, objects = self.objects.read(index)
        return Sample(image, to_semantic(objects, image.shape[:2]))


def open_instances(folder: Path, seed: Optional[int]) -> Dataset:
    """Opens a folder of objects with masks. Raises InputError for the first error."""
    return open_objects(folder, seed, "instance")


def open_detections(folder: Path, seed: Optional[int]) -> Dataset:
    """Opens a folder of objects as boxes. Raises InputError for the first error."""
    return open_objects(folder, seed, "detection")


def open_as_semantic(folder: Path, seed: Optional[int]) -> Dataset:
    """Opens a folder of objects with masks as classes of pixels, 0 the background.

    Where objects overlap, the smaller one is on top; crowds are void. Raises InputError
    for the first error.
    """
    data = open_instances(folder, seed)
    if BACKGROUND in data.class_names:
        raise InputError(
            f"{folder}: objects have a class {BACKGROUND}, as have the pixels "
            "without an object; rename or remove it"
        )
    return replace(
        data,
        class_names=(BACKGROUND, *data.class_names),
        colors=((0, 0, 0), *data.colors),
        splits={name: SemanticSplit(split) for name, split in data.splits.items()},
        task="semantic",
    )


def open_objects(folder: Path, seed: Optional[int], task: str) -> Dataset:
    """Opens a folder of objects for a task of OBJECT_TASKS."""
    masks = OBJECT_TASKS[task]
    listing = list_objects(folder)
    refuse_without_objects(folder)
    raise_first_error(listing.issues)
    log_left_out(listing.issues)
    if masks:
        refuse_without_outlines(folder, listing)
    log_clipped(folder, listing.issues)
    entries = divided(listing.entries, folder, seed)
    listed = [entry for split in entries.values() for entry in split]
    facts = checked(
        lambda entry: check_entry(entry, listing.classes),
        listed,
        folder.name,
        ("objects", os.path.abspath(folder), listing.classes),
        lambda entry: (entry.image, *entry.target.files),
    )
    classes = listing.classes or numbered_classes(fact.classes for fact in facts)
    channels = 1 if all(fact.grey for fact in facts) else 3
    first = next(iter(entries.values()))  # train, if the folder has it
    white_level = common_white_level([entry.image for entry in first])
    sizes = iter([fact.size for fact in facts])
    splits: dict[str, Split] = {}
    for name, split in entries.items():
        images = [entry.image for entry in split]
        targets = [entry.target for entry in split]
        own = [next(sizes) for _ in split]
        splits[name] = ObjectSplit(
            images, targets, own, classes, channels, white_level, masks
        )
    return Dataset(
        str(folder), classes.names, classes.colors, splits, channels, white_level, task
    )


def divided(
    found: dict[str, list[Entry]], folder: Path, seed: Optional[int]
) -> dict[str, list[Entry]]:
    """Split -> entries; without `val`, the training split is divided by `seed`.

    Raises InputError if there are no labelled images at all.
    """
    found = with_validation(found, folder, seed)
    if not found:
        raise InputError(f"{folder}: no training images found; {expected(folder)}")
    return found


def numbered_classes(counts: Iterable[int]) -> ObjectClasses:
    """Classes by number, as many as the masks of an image need at most."""
    count = max(1, *counts)
    return classes_named([f"class {number}" for number in range(1, count + 1)])


# --- checks ---


class EntryFacts(NamedTuple):
    """An image's upright size, whether it is grey, and how many classes it needs."""

    size: tuple[int, int]
    grey: bool
    classes: int


def check_entry(entry: Entry, classes: Optional[ObjectClasses]) -> EntryFacts:
    """Raises InputError for an image or labels that cannot be used."""
    size, grey = inspect_image(entry.image)
    return EntryFacts(size, grey, entry.target.check(entry.image, size, classes))


def refuse_without_objects(folder: Path) -> None:
    """Raises InputError for a folder that has no objects, and says what it has."""
    parts = parts_of(folder).values()
    if any(has_objects(part) for part in parts):
        return
    if any((part / "masks").is_dir() for part in parts):
        raise InputError(
            f"{folder}: masks of classes only; use --task semantic, or add instances/ "
            f"or {OBJECTS} with the objects"
        )
    raise InputError(f"{folder}: no objects found; {expected(folder)}")


def refuse_without_outlines(folder: Path, listing: ObjectListing) -> None:
    """Raises InputError if an object of objects.json has a box but no outline."""
    labelled = listing.labelled
    without = [pair for pair in labelled if not pair[1].outlined]
    if without and len(without) == len(labelled):
        raise InputError(f"{folder}: {BOXES_ONLY}")
    if without:
        target = without[0][0]
        raise InputError(
            f"{target.file}: {len(without)} of {len(labelled)} objects have no outline,"
            f" the first in {target.labelled.file_name}; outline them or use --task "
            "detection"
        )


def expected(folder: Path) -> str:
    """The layout of a folder of objects, for messages."""
    return (
        f"expected {folder}/train/images/NAME.jpg with {folder}/train/{OBJECTS} or "
        f"{folder}/train/instances/NAME.png"
    )

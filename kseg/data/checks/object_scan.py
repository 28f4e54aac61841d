"""Scans a whole data set of objects; errors that stop `open_objects` are collected."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.images import is_image, read_raw, to_uint8, white_level_of, with_channels
from edge.predict.boxes import iou_matrix
from kseg.core.names import OBJECT_TASKS
from kseg.core.remembered import checked
from kseg.data.checks.duplicates import digest
from kseg.data.checks.scan import (
    Scan,
    ScannedPair,
    can_be_kept,
    read_image_facts,
    relative_name,
    scan_samples,
    with_relative_name,
)
from kseg.data.folder import parts_of, split_by_seed
from kseg.data.object_classes import ObjectClasses
from kseg.data.object_folder import (
    divided,
    numbered_classes,
    refuse_without_objects,
)
from kseg.data.object_listing import Entry, list_objects
from kseg.data.object_targets import TargetError
from kseg.data.objects import no_objects
from kseg.data.open import reject_export
from kseg.data.pairs import FileIssue
from kseg.data.sample import Dataset, Objects
from kseg.data.shapes import SHAPES

SAME_BOX = 0.95  # intersection over union; two such boxes are probably one object
MEDIUM, LARGE = 32, 96  # COCO: sides of squares whose area divides the sizes


@dataclass(frozen=True)
class ObjectFacts:
    """The objects of an image: class ids, areas in pixels and crowds, each (N,).

    `equal_boxes` is the number of pairs of boxes that are nearly equal; `digest` is the
    same for images with the same boxes and classes.
    """

    class_ids: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    equal_boxes: int
    digest: bytes

    @property
    def count(self) -> int:
        """The number of objects; crowds do not count."""
        return int(np.count_nonzero(~self.crowd))


@dataclass(frozen=True)
class ObjectScan(Scan):
    """The result of scanning objects; `read(pair)` gives `Objects`."""

    def facts(self, split: str) -> list[ObjectFacts]:
        """Of the images of a split whose objects can be read."""
        return [pair.target for pair in self.of(split) if pair.target]

    def counts(self, split: str) -> np.ndarray:
        """(images, classes) int64: the number of objects, without crowds."""
        size = len(self.class_names)
        rows = [
            np.bincount(facts.class_ids[~facts.crowd], minlength=size)
            for facts in self.facts(split)
        ]
        return np.array(rows, np.int64).reshape(-1, size)

    def areas(self, split: str) -> np.ndarray:
        """(N,) areas of all objects of a split in pixels, without crowds."""
        found = [facts.areas[~facts.crowd] for facts in self.facts(split)]
        return np.concatenate([np.zeros(0), *found])


def scan_objects(name: str, seed: int, task: str) -> ObjectScan:
    """Scans `shapes` or a folder. Raises InputError if the folder has no images."""
    if name == "shapes":
        return scan_data(SHAPES[task]())
    return scan_folder(Path(name), seed, task)


def scan_data(data: Dataset) -> ObjectScan:
    """Scans a data set that is not made of files."""

    def read(pair: ScannedPair) -> tuple[np.ndarray, Objects]:
        image, objects = data.splits[pair.split].read(pair.index)
        return with_channels(image, 3), objects

    pairs = scan_samples(data, object_facts)
    return ObjectScan(
        data.name, data.class_names, data.colors, pairs, [], read, data.task
    )


def scan_folder(folder: Path, seed: int, task: str) -> ObjectScan:
    """Scans a folder of objects, whatever is wrong with it."""
    entries, issues, classes = all_entries(folder, seed)
    masks = OBJECT_TASKS[task]

    def scan_one(
        numbered: tuple[int, Entry],
    ) -> tuple[ScannedPair, int, list[FileIssue]]:
        index, entry = numbered
        name = relative_name(entry.image, folder)
        found: list[FileIssue] = []
        try:
            size, image = read_image_facts(entry.image)
        except InputError as error:
            found.append(issue_of(entry, "unreadable image", name, error))
            return ScannedPair(entry.split, name, index, None, None), 0, found
        target, needed = scan_target(entry, size, classes, masks, name, found)
        return ScannedPair(entry.split, name, index, image, target), needed, found

    scanned = checked(
        scan_one,
        list(enumerate(entries)),
        folder.name,
        ("scan", task, str(folder), os.path.abspath(folder), seed, classes),
        lambda numbered: (numbered[1].image, *numbered[1].target.files),
        keep=lambda result: can_be_kept(result[2]),
    )
    issues += [issue for *_, found in scanned for issue in found]
    known = classes or numbered_classes(needed for _, needed, _ in scanned)

    def read(pair: ScannedPair) -> tuple[np.ndarray, Objects]:
        return read_entry(entries[pair.index], known, masks)

    pairs = [replace(pair, index=i) for i, (pair, *_) in enumerate(scanned)]
    return ObjectScan(str(folder), known.names, known.colors, pairs, issues, read, task)


def all_entries(
    folder: Path, seed: int
) -> tuple[list[Entry], list[FileIssue], Optional[ObjectClasses]]:
    """The labelled images, the issues of the others, and the classes if they are known.

    They are split by `seed` without `val`. Raises InputError for a folder without
    images or objects, and for another tool's export.
    """
    if folder.is_dir():
        reject_export(folder)
    listing = list_objects(folder)
    refuse_without_objects(folder)
    parts = parts_of(folder).values()
    if not any(is_image(path) for part in parts for path in part.glob("images/*")):
        divided({}, folder, seed)  # raises the error that shows the expected layout
    found = listing.entries
    if len(found.get("train", ())) > 1 and not found.get("val"):
        found = found | split_by_seed(found["train"], folder, seed)
    entries = [entry._replace(split=name) for name in found for entry in found[name]]
    issues = [with_relative_name(issue, folder) for issue in listing.issues]
    return entries, issues, listing.classes


def scan_target(
    entry: Entry,
    size: tuple[int, int],
    classes: Optional[ObjectClasses],
    masks: bool,
    name: str,
    issues: list[FileIssue],
) -> tuple[Optional[ObjectFacts], int]:
    """The facts of an image's objects, and how many classes they need.

    None if they cannot be used; what is wrong is added to `issues`.
    """
    try:
        needed = entry.target.check(entry.image, size, classes)
        objects = entry.target.read(entry.image, classes, masks)
    except InputError as error:
        kind = error.kind if isinstance(error, TargetError) else "unreadable labels"
        issues.append(issue_of(entry, kind, name, error))
        return None, 0
    if masks and entry.target.without_outline:
        detail = f"{entry.target.without_outline} objects"
        issues.append(FileIssue("no outline", entry.split, name, detail))
    return object_facts(objects), needed


def issue_of(entry: Entry, kind: str, name: str, error: InputError) -> FileIssue:
    """The issue of an image, with the error as its detail."""
    detail = str(error).removeprefix(f"{entry.image}: ")
    for path in entry.target.files:
        detail = detail.replace(str(path), path.name)
    return FileIssue(kind, entry.split, name, detail, str(error))


def object_facts(objects: Objects) -> ObjectFacts:
    """What the checks need of the objects of an image."""
    boxes = objects.boxes.astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if objects.masks is not None:
        areas = np.array([np.count_nonzero(m) for m in objects.masks], np.float64)
    labelled = np.column_stack([objects.boxes, objects.class_ids])
    return ObjectFacts(
        objects.class_ids,
        areas,
        objects.crowd,
        count_equal_boxes(boxes[~objects.crowd]),
        digest(labelled),
    )


def count_equal_boxes(boxes: np.ndarray) -> int:
    """The pairs of boxes (N, 4) whose intersection over union is over SAME_BOX.

    >>> count_equal_boxes(np.array([[0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 10, 10]]))
    1
    """
    count = 0
    for index in range(len(boxes) - 1):  # all pairs at once would fill the memory
        iou = iou_matrix(boxes[index : index + 1], boxes[index + 1 :])
        count += np.count_nonzero(iou > SAME_BOX)
    return int(count)


def read_entry(
    entry: Entry, classes: ObjectClasses, masks: bool
) -> tuple[np.ndarray, Objects]:
    """Image (H, W, 3) and objects for display; none if they cannot be read."""
    raw = read_raw(entry.image)
    image = with_channels(to_uint8(raw, white_level_of(raw)), 3)
    try:
        entry.target.check(entry.image, image.shape[:2], classes)
        return image, entry.target.read(entry.image, classes, masks)
    except InputError:
        return image, no_objects(masks)

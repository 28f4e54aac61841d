"""The checks made before each training, and before an export is measured."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Callable

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from kseg.core.progress import bar
from kseg.core.text import command
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.rules import MUCH_VOID, absent_classes, split_size
from kseg.data.folder import FolderSplit
from kseg.data.masks import load_mask, to_class_ids
from kseg.data.object_folder import ObjectSplit
from kseg.data.sample import Dataset, Split

log = logging.getLogger(__name__)

QUICK_IMAGES = 48


def check_before_training(data: Dataset, report: bool = True) -> None:
    """Refuses data that nothing can be learnt from, or measured on.

    With `report`, issues in a sample of the labels are logged. Raises InputError if
    the images of train or val have no label at all.
    """
    for name in ("train", "val"):
        require_labels(data, name)
    for issue in quick_issues(data) if report else ():
        doubt = replace(issue, severity="warning")  # the training goes on
        log.warning(f"{doubt} ({command('doctor', data.name)} checks everything)")


def require_labels(data: Dataset, name: str) -> None:
    """Raises InputError if no image of a split has a label; void is none.

    The labels are read up to the first image that has one.
    """
    split, count_one = data.split(name), COUNTERS.get(data.task, count_pixels)
    for index in bar(range(len(split.sizes)), f"looking for labels in {name}"):
        if count_one(split, index)[:IGNORE_INDEX].any():
            return
    raise InputError(
        f"{data.name}: nothing is labelled in the {len(split.sizes)} images of {name}: "
        "they are void, or have no objects; label some of them"
    )


def quick_issues(data: Dataset, seconds: float = 2.0) -> list[DataIssue]:
    """The issues found in a sample of the training labels, within about `seconds`.

    `data` is open already, so its files are paired and their ids are valid. The labels
    of random training images are read until those of QUICK_IMAGES or more have been
    read and every class has been found, or until the time is over.
    """
    count_one = COUNTERS.get(data.task, count_pixels)
    split = data.split("train")
    count, end = len(split.sizes), time.monotonic() + seconds
    counts = np.zeros(256, np.int64)
    read = 0
    for index in np.random.RandomState(0).permutation(count).tolist():
        every_class = counts[: data.num_classes].all()
        if (every_class and read >= QUICK_IMAGES) or time.monotonic() > end:
            break
        counts += count_one(split, index)
        read += 1
    absent = [c for c, n in zip(data.class_names, counts, strict=False) if not n]
    void = counts[IGNORE_INDEX] / max(1, counts.sum())
    found = []
    if void > MUCH_VOID:
        text = f"{void:.0%} of the pixels of {read} masks are void"
        found.append(DataIssue("warning", "void", "train", read, text))
    if read == count:
        found += absent_classes("train", absent)
    elif absent:
        text, names = f"classes not found in {read} of {count} images", tuple(absent)
        found.append(
            DataIssue("warning", "absent class", "train", len(absent), text, names)
        )
    return found + [
        issue
        for name, part in data.splits.items()
        for issue in split_size(name, len(part.sizes))
    ]


def count_pixels(split: Split, index: int) -> np.ndarray:
    """(256,) pixels by class id, void at 255.

    The image is not read where the mask is a file of its own.
    """
    if isinstance(split, FolderSplit):
        path = split.masks[index]
        ids = load_mask(path, split.images[index])
        mask = to_class_ids(ids, path, split.classes)
    else:
        mask = split.read(index)[1]
    return np.bincount(mask.ravel(), minlength=256)


def count_objects(split: Split, index: int) -> np.ndarray:
    """(256,) objects by class id. Boxes are enough, so no mask is drawn."""
    if isinstance(split, ObjectSplit):
        image, target = split.images[index], split.targets[index]
        found = target.read(image, split.classes, masks=False)
    else:
        found = split.read(index)[1]
    return np.bincount(found.class_ids, minlength=256)


# Task -> function that counts what image `index` shows of each class.
COUNTERS: dict[str, Callable[[Split, int], np.ndarray]] = {
    "semantic": count_pixels,
    "instance": count_objects,
    "detection": count_objects,
}

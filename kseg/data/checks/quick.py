"""The checks made before each training."""

from __future__ import annotations

import time

import numpy as np

from edge.core.constants import IGNORE_INDEX
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.rules import MUCH_VOID, absent_classes, split_size
from kseg.data.folder import FolderSplit
from kseg.data.masks import load_mask, to_class_ids
from kseg.data.sample import Dataset, Split

QUICK_MASKS = 48


def quick_issues(data: Dataset, seconds: float = 2.0) -> list[DataIssue]:
    """The issues found in a sample of the training masks, within about `seconds`.

    `data` is open already, so its files are paired and their ids are valid. Random
    masks of the training split are read until QUICK_MASKS or more have been read and
    every class has been found, or until the time is over.
    """
    split = data.split("train")
    count, end = len(split.sizes), time.monotonic() + seconds
    pixels = np.zeros(256, np.int64)
    read = 0
    for index in np.random.RandomState(0).permutation(count).tolist():
        every_class = pixels[: data.num_classes].all()
        if (every_class and read >= QUICK_MASKS) or time.monotonic() > end:
            break
        pixels += np.bincount(read_mask(split, index).ravel(), minlength=256)
        read += 1
    absent = [c for c, n in zip(data.class_names, pixels, strict=False) if not n]
    void = pixels[IGNORE_INDEX] / max(1, pixels.sum())
    found = []
    if void > MUCH_VOID:
        text = f"{void:.0%} of the pixels of {read} masks are void"
        found.append(DataIssue("warning", "void", "train", read, text))
    if read == count:
        found += absent_classes("train", absent)
    elif absent:
        text, names = f"classes not found in {read} of {count} masks", tuple(absent)
        found.append(
            DataIssue("warning", "absent class", "train", len(absent), text, names)
        )
    return found + [
        issue
        for name, part in data.splits.items()
        for issue in split_size(name, len(part.sizes))
    ]


def read_mask(split: Split, index: int) -> np.ndarray:
    """Mask `index`; its image is not read where the mask is a file of its own."""
    if not isinstance(split, FolderSplit):
        return split.read(index)[1]
    path = split.masks[index]
    return to_class_ids(load_mask(path, split.images[index]), path, split.classes)

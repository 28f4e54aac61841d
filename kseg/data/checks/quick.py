"""The checks that training makes before it begins."""

from __future__ import annotations

import time

import numpy as np

from edge.core.constants import IGNORE_INDEX
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.rules import MUCH_VOID, about_absent, about_amount
from kseg.data.folder import FolderSplit
from kseg.data.masks import load_mask, to_class_ids
from kseg.data.sample import Dataset, Split

QUICK_MASKS = 48


# --- before a training ---


def quick_findings(data: Dataset, seconds: float = 2.0) -> list[DataIssue]:
    """What a training should say before it starts, within about `seconds`.

    `data` is open already, so its files are paired and their ids within the classes.
    Masks spread over the training split are read until all classes have been seen in
    QUICK_MASKS or more, or the time is over.
    """
    split = data.split("train")
    count, end = len(split.sizes), time.monotonic() + seconds
    seen = np.zeros(256, np.int64)
    read = 0
    for index in np.random.RandomState(0).permutation(count).tolist():
        every_class = seen[: data.num_classes].all()
        if (every_class and read >= QUICK_MASKS) or time.monotonic() > end:
            break
        seen += np.bincount(mask_of(split, index).ravel(), minlength=256)
        read += 1
    absent = [name for name, n in zip(data.names, seen, strict=False) if not n]
    void = seen[IGNORE_INDEX] / max(1, seen.sum())
    found = []
    if void > MUCH_VOID:
        text = f"{void:.0%} of the pixels of {read} masks are void"
        found.append(DataIssue("warning", "void", "train", read, text))
    if read == count:
        found += about_absent("train", absent)
    elif absent:
        text, names = f"classes not seen in {read} of {count} masks", tuple(absent)
        found.append(
            DataIssue("warning", "absent class", "train", len(absent), text, names)
        )
    return found + [
        finding
        for name, part in data.splits.items()
        for finding in about_amount(name, len(part.sizes))
    ]


def mask_of(split: Split, index: int) -> np.ndarray:
    """Mask `index`, without its image where that is a file of its own."""
    if not isinstance(split, FolderSplit):
        return split.read(index)[1]
    path = split.masks[index]
    return to_class_ids(load_mask(path, split.images[index]), path, split.classes)

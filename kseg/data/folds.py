"""Divides the images of train and val into folds, for a k-fold training.

Images that look alike, such as frames of a video or copies, are kept in one fold: a
network would otherwise be validated on images that it has as good as seen.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import replace
from typing import Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.images import read_image
from kseg.core.remembered import checked
from kseg.data.checks.duplicates import (
    BLOCK,
    SIMILAR,
    distances,
    perceptual_hashes,
)
from kseg.data.chosen import choose_images, image_files
from kseg.data.sample import Dataset

log = logging.getLogger(__name__)

POOLED = ("train", "val")  # splits whose images are divided; test stays out
UNEVEN = 1.5  # times its share: a fold as large as that is named


def image_keys(data: Dataset) -> list[str]:
    """The images of train and val as SPLIT/NAME, in the order of the data set."""
    return [
        f"{split}/{name}"
        for split in POOLED
        if split in data.splits
        for name in data.splits[split].names
    ]


def divide(data: Dataset, folds: int, seed: int) -> list[list[str]]:
    """The images of each fold, as SPLIT/NAME; every image of train and val is in one.

    `data` is opened without a seed. Raises InputError if there are fewer images than
    folds.
    """
    keys = image_keys(data)
    if len(keys) < folds:
        count = "1 image" if len(keys) == 1 else f"{len(keys)} images"
        fitting = f"use at most --folds {len(keys)}, or " if len(keys) > 1 else ""
        raise InputError(
            f"--folds {folds}: {data.name} has only {count} in train and val; "
            f"{fitting}add images"
        )
    groups = similar_groups(data)
    found = len(set(groups))
    if found < folds:
        log.warning(
            f"{data.name}: all images look alike: there are {found} groups of similar "
            f"images for {folds} folds; they are divided one by one, so the values are "
            "better than those of new images will be"
        )
        groups = list(range(len(keys)))
    chosen = assign(groups, folds, seed)
    parts = [
        [k for k, c in zip(keys, chosen, strict=True) if c == n] for n in range(folds)
    ]
    log_division(data.name, [len(part) for part in parts], len(keys), found)
    return parts


def log_division(name: str, counts: Sequence[int], total: int, groups: int) -> None:
    """Logs how large the folds are, and that one is much larger than its share."""
    listed = ", ".join(map(str, counts))
    alike = f", {groups} groups of similar ones" if groups < total else ""
    log.info(f"{name}: {total} images of train and val{alike}; folds of {listed}")
    if max(counts) > UNEVEN * total / len(counts):
        log.warning(
            f"{name}: a fold has {max(counts)} of {total} images, because so many look "
            "alike; its value counts as much as those of the others"
        )


def assign(groups: Sequence[int], folds: int, seed: int) -> list[int]:
    """The fold of each image, from its group: groups stay together, folds are even.

    Groups are shuffled by `seed`, then the largest one goes first, each to the smallest
    fold so far.

    >>> assign([0, 0, 0, 1, 1, 2, 2, 3], 2, seed=0).count(0)
    4
    """
    sizes = Counter(groups)
    names = sorted(sizes)
    order = [names[i] for i in np.random.RandomState(seed).permutation(len(names))]
    counts, fold_of = [0] * folds, {}
    for group in sorted(order, key=lambda group: -sizes[group]):  # a stable sort
        fold = counts.index(min(counts))
        fold_of[group] = fold
        counts[fold] += sizes[group]
    return [fold_of[group] for group in groups]


def similar_groups(data: Dataset) -> list[int]:
    """The group of each image of train and val: similar images have the same number.

    Images are similar if their perceptual hashes differ by at most SIMILAR bits, or if
    both are similar to a third. Generated images are each a group of their own.
    """
    files = [
        path
        for split in POOLED
        if split in data.splits
        for path in image_files(data.splits[split]) or ()
    ]
    if not files:
        return list(range(len(image_keys(data))))
    hashes = checked(
        lambda path: perceptual_hashes(
            read_image(path, data.channels, data.white_level)
        ),
        files,
        f"{data.name}, similar images",
        ("fold hashes", os.path.abspath(data.name), data.channels, data.white_level),
        lambda path: (path,),
    )
    return connected(np.array(hashes))


def connected(hashes: np.ndarray) -> list[int]:
    """Hashes (n, 2, 4) uint64 -> the group of each image; images without one are alone.

    Groups have the number of their first image.
    """
    parents = list(range(len(hashes)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    known = hashes[:, 0].any(axis=1)
    for start in range(0, len(hashes), BLOCK):
        bits = distances(hashes[start : start + BLOCK], hashes)
        for row, column in np.argwhere(bits <= SIMILAR).tolist():
            first, second = sorted((root(start + row), root(column)))
            if known[start + row] and known[column]:
                parents[second] = first
    return [root(index) for index in range(len(hashes))]


def with_fold(data: Dataset, validated: Sequence[str], where: str) -> Dataset:
    """The data with the images `validated` (SPLIT/NAME) as val and the rest as train.

    `data` is opened without a seed; a test split stays. Raises InputError if an image
    is missing, or if none is left to train on; `where` names the file that lists them.
    """
    keys = image_keys(data)
    missing = set(validated) - set(keys)
    if missing or len(set(keys)) == len(set(validated)):
        what = f"{min(missing)} is missing" if missing else "no image is left to train"
        raise InputError(
            f"{data.name}: the data have changed since {where} was written: {what}; "
            "restore them, or train again with another --output"
        )
    chosen = set(validated)
    parts: dict[str, list] = {"train": [], "val": []}
    for split in POOLED:
        names = data.splits[split].names if split in data.splits else []
        inside = [f"{split}/{name}" in chosen for name in names]
        for part, wanted in (("train", False), ("val", True)):
            indices = [i for i, own in enumerate(inside) if own == wanted]
            if indices:
                parts[part].append((data.splits[split], indices))
    others = {n: split for n, split in data.splits.items() if n not in POOLED}
    folded = {name: choose_images(part) for name, part in parts.items()}
    return replace(data, splits=folded | others)

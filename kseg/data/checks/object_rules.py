"""The checks of a data set of objects behind `kseg.doctor`."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from kseg.data.checks.issues import SEVERITIES, DataIssue, issue_of_images
from kseg.data.checks.object_scan import SAME_BOX, ObjectFacts, ObjectScan
from kseg.data.checks.rules import (
    FILE_ISSUES,
    RARE_IMAGES,
    absent_classes,
    duplicates,
    file_issues,
    image_kinds,
    image_sizes,
    split_sizes,
)

# Kind of file issue -> severity and description.
OBJECT_ISSUES = {
    **{
        kind: FILE_ISSUES[kind]
        for kind in (
            *("classes", "missing folder", "unreadable image", "same stem"),
            "not read",
        )
    },
    "objects file": ("error", "objects.json that cannot be read"),
    "two labels": ("error", "objects.json beside instances/; remove one of them"),
    "no labels": ("error", "images without labels; add them or remove the images"),
    "unreadable labels": ("error", "maps or masks that cannot be read"),
    "sizes": ("error", "labels whose size differs from their image's"),
    "ids": ("error", "maps of instances that are not grey ids"),
    "object classes": ("error", "objects without a class, or with several"),
    "unknown image": ("error", "annotations of images that are not listed"),
    "unknown category": ("error", "annotations whose category is not listed"),
    "boxes": ("error", "boxes without area, or whose values are no numbers"),
    "outside": ("error", "objects wholly outside their image"),
    "outlines": ("error", "outlines that cannot be read"),
    "repeated": ("error", "annotations that occur twice"),
    "no outline": ("error", "images with objects that have a box but no outline"),
    "no image": ("warning", "labels without an image; they are ignored"),
    "clipped": ("note", "boxes that reach beyond their image; they are clipped"),
}

SMALL = 16  # pixels; objects of fewer are too small to be learnt
MOST_OBJECTS = 100  # in an image; COCO's metric counts no more
ONE_CLASS = 0.95  # of the objects


def diagnose_objects(scanned: ObjectScan) -> list[DataIssue]:
    """All issues, errors first."""
    rules = (
        lambda scan: file_issues(scan, OBJECT_ISSUES),
        split_sizes,
        object_numbers,
        small_objects,
        equal_boxes,
        class_frequencies,
        image_sizes,
        image_kinds,
        duplicates,
    )
    found = [issue for rule in rules for issue in rule(scanned)]
    return sorted(found, key=lambda issue: SEVERITIES.index(issue.severity))


def readable(scanned: ObjectScan, split: str) -> list[tuple[int, ObjectFacts]]:
    """The images of a split whose objects can be read: index and facts."""
    pairs = enumerate(scanned.pairs)
    return [(i, p.target) for i, p in pairs if p.split == split and p.target]


def object_numbers(scanned: ObjectScan) -> Iterator[DataIssue]:
    """Images without objects, and those with more than COCO's metric counts."""
    for split in scanned.splits:
        found = readable(scanned, split)
        most = max((facts.count for _, facts in found), default=0)
        empty = [index for index, facts in found if not facts.count]
        text = "images without objects"
        yield from issue_of_images(scanned, "note", "no objects", split, empty, text)
        crowded = [index for index, facts in found if facts.count > MOST_OBJECTS]
        text = (
            f"images with more than {MOST_OBJECTS} objects, at most {most}; COCO's "
            "metrics count no more by default"
        )
        yield from issue_of_images(
            scanned, "note", "many objects", split, crowded, text
        )


def most_first(numbers: dict[int, int]) -> list[int]:
    """The images whose number is not 0, the largest number first.

    >>> most_first({4: 1, 5: 0, 6: 3})
    [6, 4]
    """
    return sorted((i for i in numbers if numbers[i]), key=lambda i: -numbers[i])


def small_objects(scanned: ObjectScan) -> Iterator[DataIssue]:
    """Objects of fewer than SMALL pixels."""
    for split in scanned.splits:
        numbers = {
            index: int(np.count_nonzero(facts.areas[~facts.crowd] < SMALL))
            for index, facts in readable(scanned, split)
        }
        chosen = most_first(numbers)
        text = (
            f"images with objects under {SMALL} pixels, {sum(numbers.values())} in "
            "all; they are hardly learnt, remove them or enlarge the images"
        )
        yield from issue_of_images(
            scanned, "warning", "small objects", split, chosen, text
        )


def equal_boxes(scanned: ObjectScan) -> Iterator[DataIssue]:
    """Pairs of nearly equal boxes in an image."""
    for split in scanned.splits:
        numbers = {i: facts.equal_boxes for i, facts in readable(scanned, split)}
        chosen = most_first(numbers)
        text = (
            f"images with boxes that overlap by more than {SAME_BOX:.0%}, "
            f"{sum(numbers.values())} pairs; objects labelled twice?"
        )
        yield from issue_of_images(
            scanned, "warning", "double boxes", split, chosen, text
        )


def class_frequencies(scanned: ObjectScan) -> Iterator[DataIssue]:
    """Classes that are absent, rare in the training split, or nearly all objects."""
    names = np.array(scanned.class_names)
    for split in scanned.splits:
        counts = scanned.counts(split)
        if not len(counts):
            continue
        total = counts.sum(0)
        yield from absent_classes(split, names[total == 0].tolist())
        share = total / max(1, total.sum())
        if len(names) > 1 and share.max() > ONE_CLASS:
            name = names[share.argmax()]
            text = f"class that has more than {ONE_CLASS:.0%} of the objects"
            listed = (f"{name} ({share.max():.1%})",)
            yield DataIssue("warning", "one class", split, 1, text, listed)
        images = (counts > 0).sum(0)
        rare = np.flatnonzero((images > 0) & (images < RARE_IMAGES))
        if split == "train" and rare.size:
            text = f"classes in fewer than {RARE_IMAGES} images; label more of them"
            listed = tuple(f"{names[i]} ({images[i]} images)" for i in rare)
            yield DataIssue("warning", "rare class", split, len(listed), text, listed)

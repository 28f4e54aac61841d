"""The checks of a data set behind `kseg.doctor`.

`diagnose` checks a scan of a whole data set of masks, `quick.quick_issues` a few labels
before a training. Errors prevent training, or make the measured results wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np

from edge.core.images import format_size
from kseg.data.checks.duplicates import COPIED, SIMILAR, Nearest, nearest
from kseg.data.checks.issues import (
    FILE_ISSUES,
    SEVERITIES,
    DataIssue,
    issue_of_images,
    stem_of,
)
from kseg.data.checks.scan import FolderScan, Scan, ScannedPair
from kseg.data.folder import parts_of

FEW_IMAGES = 10  # fewer in a split are too few to measure by
RARE_IMAGES = 5  # fewer that show a class are too few to learn it from
RARE_SHARE = 1e-3  # of the pixels
MOSTLY_VOID = 0.95
MUCH_VOID = 0.5
ONE_CLASS = 0.999
MIN_SIDE = 32  # pixels; networks with a stride of 32 need as many
MANY = 0.5  # of the images of a split
IDENTICAL = -1  # the distance of images with equal pixels


def diagnose(scanned: FolderScan) -> list[DataIssue]:
    """All issues, errors first."""
    rules = (
        file_issues,
        split_sizes,
        mask_contents,
        class_frequencies,
        image_sizes,
        image_kinds,
        duplicates,
    )
    found = [issue for rule in rules for issue in rule(scanned)]
    return sorted(found, key=lambda issue: SEVERITIES.index(issue.severity))


# --- files ---


def file_issues(
    scanned: Scan, kinds: dict[str, tuple[str, str]] = FILE_ISSUES
) -> Iterator[DataIssue]:
    """The issues of files, grouped by kind and split.

    `kinds` has the severity and the description of each kind.
    """
    groups = defaultdict(list)
    for issue in scanned.issues:
        groups[issue.kind, issue.split].append(issue)
    index_by_stem = {
        stem_of(pair.name): index for index, pair in enumerate(scanned.pairs)
    }
    for (kind, split), members in groups.items():
        severity, text = kinds[kind]
        examples = tuple(f"{m.name}{m.detail and f' ({m.detail})'}" for m in members)
        found = (index_by_stem.get(stem_of(member.name)) for member in members)
        indices = tuple(index for index in found if index is not None)
        yield DataIssue(severity, kind, split, len(members), text, examples, indices)


def split_sizes(scanned: Scan) -> Iterator[DataIssue]:
    """Splits with too few images to learn from or to measure by.

    A folder without train/ need not have val/ either: one split alone is evaluated.
    """
    needed: tuple[str, ...] = ("train", "val")
    parts = parts_of(Path(scanned.name))
    if scanned.splits and not {"train"} & {*scanned.splits, *parts}:
        text = (
            "no folder train/, so nothing to train on; "
            f"{' and '.join(scanned.splits)} can be evaluated and predicted"
        )
        yield DataIssue("error", "few images", "train", 0, text)
        needed = ()
    for split in dict.fromkeys((*needed, *scanned.splits)):
        yield from split_size(split, len(scanned.of(split)))


def split_size(split: str, count: int) -> Iterator[DataIssue]:
    """An issue if `count` images are too few for the split."""
    severity = "warning"
    text = f"fewer than {FEW_IMAGES} images; results will depend on chance"
    if not count and split in ("train", "val"):
        severity, text = "error", "no labelled images"
    if count < FEW_IMAGES:
        yield DataIssue(severity, "few images", split, count, text)


# --- masks ---


def mask_contents(scanned: FolderScan) -> Iterator[DataIssue]:
    """Void pixels, and masks that show a single class."""
    for split in scanned.splits:
        counts = scanned.counts(split)
        indices = indices_with_mask(scanned, split)
        total = np.maximum(counts.sum(1), 1)
        void = counts[:, -1] / total
        share = counts[:, -1].sum() / max(1, counts.sum())
        most_first = np.argsort(-void, kind="stable")[: np.count_nonzero(void)]
        yield from void_share(split, share, scanned, indices[most_first])
        mostly = indices[void >= MOSTLY_VOID]
        text = f"images that are {MOSTLY_VOID:.0%} void or more"
        yield from issue_of_images(
            scanned, "warning", "mostly void", split, mostly, text
        )
        labelled = counts[:, :-1].sum(1)
        largest = counts[:, :-1].max(1, initial=0)
        alone = (largest >= ONE_CLASS * labelled) & (labelled > 0)
        yield from single_class(scanned, split, counts, alone, indices)


def indices_with_mask(scanned: FolderScan, split: str) -> np.ndarray:
    """The indices in `scanned.pairs` of the rows of `scanned.counts(split)`."""
    pairs = enumerate(scanned.pairs)
    return np.array([i for i, p in pairs if p.split == split and p.target], int)


def void_share(
    split: str, share: float, scanned: FolderScan, indices: np.ndarray
) -> Iterator[DataIssue]:
    """The share of void of a split; `indices` are images with void, most void first."""
    severity = "error" if share == 1 else "warning" if share > MUCH_VOID else "note"
    text = f"images with void pixels, {share:.2%} of the split's pixels"
    yield from issue_of_images(scanned, severity, "void", split, indices, text)


def single_class(
    scanned: FolderScan,
    split: str,
    counts: np.ndarray,
    alone: np.ndarray,
    indices: np.ndarray,
) -> Iterator[DataIssue]:
    """Masks that show a single class, one issue for each class."""
    largest = counts[:, :-1].argmax(1)
    for class_id in np.unique(largest[alone]).tolist():
        chosen = indices[alone & (largest == class_id)]
        severity = "warning" if len(chosen) > MANY * len(indices) else "note"
        name = scanned.class_names[class_id]
        text = f"masks with {ONE_CLASS:.1%} or more of {name}"
        yield from issue_of_images(scanned, severity, "one class", split, chosen, text)


def class_frequencies(scanned: FolderScan) -> Iterator[DataIssue]:
    """Classes that are absent from a split, or rare in the training split."""
    used = used_classes(scanned)
    yield from gaps(scanned, used)
    for split in scanned.splits:
        pixels = scanned.counts(split)[:, :-1]
        if not len(pixels):
            continue
        names = np.array(scanned.class_names)
        absent = names[(pixels.sum(0) == 0) & used].tolist()
        yield from absent_classes(split, absent)
        if split != "train":
            continue
        images = (pixels > 0).sum(0)
        share = pixels.sum(0) / max(1, pixels.sum())
        rare = (images > 0) & ((images < RARE_IMAGES) | (share < RARE_SHARE))
        if rare.any():
            text = (
                f"classes in fewer than {RARE_IMAGES} images or {RARE_SHARE:.1%} "
                "of the pixels; label more of them, or set --class-weights"
            )
            listed = tuple(
                f"{names[i]} ({images[i]} images, {share[i]:.2%})"
                for i in np.flatnonzero(rare)
            )
            yield DataIssue("warning", "rare class", split, len(listed), text, listed)


def used_classes(scanned: FolderScan) -> np.ndarray:
    """(classes,) bool: all that are declared, or whose ids some mask has."""
    if not scanned.implied:
        return np.ones(len(scanned.class_names), bool)
    used = np.zeros(len(scanned.class_names), bool)
    for split in scanned.splits:  # none if no image has a mask
        used |= scanned.counts(split)[:, :-1].sum(0) > 0
    used[np.flatnonzero(used).max(initial=0) :] = True  # there are two at least
    return used


def gaps(scanned: FolderScan, used: np.ndarray) -> Iterator[DataIssue]:
    """Ids that no mask has, below the largest one; nobody declared these classes."""
    names = tuple(np.array(scanned.class_names)[~used].tolist())
    if names:
        text = "ids that no mask has; they become classes: close the gaps, or declare"
        text += " the classes in classes.json"
        yield DataIssue("warning", "gaps", "", len(names), text, names)


def absent_classes(split: str, absent: Sequence[str]) -> Iterator[DataIssue]:
    """Classes that no image of a split shows."""
    if not absent:
        return
    if split == "train":
        severity, text = "error", "classes that no training image shows; label some"
    else:
        severity, text = "warning", "classes that no image shows; not evaluated"
    yield DataIssue(severity, "absent class", split, len(absent), text, tuple(absent))


# --- images ---


def image_sizes(scanned: Scan) -> Iterator[DataIssue]:
    """Images too small for many networks, and splits with several image sizes."""
    for split in scanned.splits:
        small = (
            index
            for index, pair in enumerate(scanned.pairs)
            if pair.split == split and pair.image and min(pair.image.size) < MIN_SIDE
        )
        text = f"images under {MIN_SIDE} pixels; too small for networks of stride 32"
        yield from issue_of_images(scanned, "warning", "small", split, small, text)
        found = size_counts(scanned.of(split))
        if len(found) < 2:
            continue
        listed = tuple(f"{format_size(size)} ({n})" for size, n in found.most_common())
        aspects = [width / height for height, width in found]
        text = f"sizes; width / height from {min(aspects):.2f} to {max(aspects):.2f}"
        yield DataIssue("note", "several sizes", split, len(found), text, listed)


def size_counts(pairs: Iterable[ScannedPair]) -> Counter:
    """The number of images of each (height, width)."""
    return Counter(pair.image.size for pair in pairs if pair.image)


def image_kinds(scanned: Scan) -> Iterator[DataIssue]:
    """Bit depths and channels that differ within a split or between splits."""
    by_split = {s: kind_counts(scanned.of(s)) for s in scanned.splits}
    everything = sum(by_split.values(), Counter())
    for split, found in by_split.items():
        if len(found) > 1:
            listed = tuple(f"{kind} ({n})" for kind, n in found.most_common())
            text = "kinds of images; grey is converted to RGB, alpha is dropped"
            yield DataIssue("note", "several kinds", split, len(found), text, listed)
    main = {s: found.most_common(1)[0][0] for s, found in by_split.items() if found}
    if len(everything) > 1 and len(set(main.values())) > 1:
        listed = tuple(f"{split}: {kind}" for split, kind in main.items())
        text = "splits whose images are of different kinds"
        yield DataIssue("warning", "kinds differ", "", len(main), text, listed)
    flat = [
        index
        for index, pair in enumerate(scanned.pairs)
        if pair.image and not pair.image.hashes.any()
    ]
    text = "images of a single colour; check or remove them"
    yield from issue_of_images(scanned, "warning", "flat", "", flat, text)


def kind_counts(pairs: Iterable[ScannedPair]) -> Counter:
    """The number of images of each kind."""
    return Counter(pair.image.kind for pair in pairs if pair.image)


# --- duplicates ---


def duplicates(scanned: Scan) -> Iterator[DataIssue]:
    """Images that are in two splits, or twice in one."""
    indices = [index for index, pair in enumerate(scanned.pairs) if pair.image]
    if not indices:
        return
    pairs = [scanned.pairs[index] for index in indices]
    order = {split: number for number, split in enumerate(scanned.splits)}
    groups = np.array([order[pair.split] for pair in pairs])
    hashes = np.array([pair.image.hashes for pair in pairs])
    thumbnails = np.array([pair.image.thumbnail for pair in pairs])
    found = nearest(hashes, thumbnails, groups)
    mark_identical(pairs, groups, found)
    for split, number in order.items():
        own = np.flatnonzero(groups == number)
        for other in list(order)[: number + 1]:
            closest = found[order[other]]
            yield from copies(scanned, indices, own, closest, split, other)
    yield from conflicting_masks(scanned, indices)


def mark_identical(
    pairs: Sequence[ScannedPair], groups: np.ndarray, found: dict[int, Nearest]
) -> None:
    """Sets the distance of images with equal pixels to IDENTICAL, flat ones too."""
    by_digest = defaultdict(list)
    for index, pair in enumerate(pairs):
        by_digest[pair.image.digest].append(index)
    for members in by_digest.values():
        for group, result in found.items():
            inside = [index for index in members if groups[index] == group]
            for index in members:
                other = next((other for other in inside[:2] if other != index), None)
                if other is not None:
                    result.index[index], result.distance[index] = other, IDENTICAL


def copies(
    scanned: Scan,
    indices: Sequence[int],
    own: np.ndarray,
    closest: Nearest,
    split: str,
    other: str,
) -> Iterator[DataIssue]:
    """Copies of a split's images in the split `other`, which may be the same."""
    distance = closest.distance
    kinds = (
        ("exact copy", distance == IDENTICAL),
        ("copy", distance == COPIED),
        ("similar", (distance > COPIED) & (distance <= SIMILAR)),
    )
    for kind, inside in kinds:
        chosen = [i for i in own if inside[i]]
        # Within a split only the second of two equal images counts as a copy.
        if split == other and kind != "similar":
            chosen = [i for i in chosen if closest.index[i] < i]
        pairs = [(indices[i], indices[closest.index[i]]) for i in chosen]
        if pairs:
            severity, text = describe_copies(kind, split, other)
            sign = "~" if kind == "similar" else "="
            names = tuple(
                f"{scanned.pairs[a].name} {sign} {scanned.pairs[b].name}"
                for a, b in pairs
            )
            where = split if split == other else f"{other}/{split}"
            both = tuple(index for pair in pairs for index in reversed(pair))
            yield DataIssue(severity, kind, where, len(pairs), text, names, both)


def describe_copies(kind: str, split: str, other: str) -> tuple[str, str]:
    """Severity and description of images of `split` that are in `other` too."""
    leak = other == "train" != split
    if kind == "similar":
        text = "similar images: frames of one video, crops or changed colours"
        if leak:
            return (
                "warning",
                f"{split} images similar to train; metrics will be too high",
            )
        return ("note" if split == other else "warning"), text
    how = (
        "with equal pixels"
        if kind == "exact copy"
        else "compressed again, resized or mirrored"
    )
    if leak:
        return "error", f"{split} images copied from train, {how}; metrics are invalid"
    where = "that occur twice" if split == other else f"that are in {other} too"
    return "warning", f"{split} images {where}, {how}"


def conflicting_masks(scanned: Scan, indices: Sequence[int]) -> Iterator[DataIssue]:
    """Images with equal pixels but different masks."""
    groups = defaultdict(list)
    for index in indices:
        pair = scanned.pairs[index]
        if pair.target:
            groups[pair.image.digest].append(index)
    different = [
        members
        for members in groups.values()
        if len({scanned.pairs[index].target.digest for index in members}) > 1
    ]
    if different:
        names = tuple(
            " = ".join(scanned.pairs[index].name for index in members)
            for members in different
        )
        text = "images that occur more than once and are labelled differently"
        first_two = tuple(index for members in different for index in members[:2])
        yield DataIssue(
            "warning", "masks differ", "", len(different), text, names, first_two
        )

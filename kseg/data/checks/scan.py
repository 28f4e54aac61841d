"""Scans a whole data folder; errors that stop `open_folder` are collected instead.

Every image and mask is read once, on threads. Only counts, sizes and hashes are kept.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.images import (
    checked_header,
    is_image,
    read_bytes,
    read_raw,
    to_uint8,
    white_level_of,
    with_channels,
)
from kseg.core.progress import in_parallel
from kseg.core.remembered import checked
from kseg.data.checks.duplicates import digest, perceptual_hashes, thumbnail
from kseg.data.folder import SPLITS, find_pairs, list_pairs, parts_of, split_by_seed
from kseg.data.mask_values import count_ids
from kseg.data.masks import (
    INVALID,
    Classes,
    colors_to_ids,
    count_classes,
    load_mask,
    read_classes,
)
from kseg.data.open import reject_export
from kseg.data.pairs import (
    FileIssue,
    Pair,
    PairContent,
    form_issues,
    inspect_pair,
    value_issues,
)
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes


@dataclass(frozen=True)
class ImageFacts:
    """An image's upright size, kind ("8-bit RGB"), digest, hashes (2, 4), thumbnail.

    The thumbnail is (16, 16) uint8 grey.
    """

    size: tuple[int, int]
    kind: str
    digest: bytes
    hashes: np.ndarray
    thumbnail: np.ndarray


@dataclass(frozen=True)
class MaskFacts:
    """A mask's number of pixels by class id, (256,) int64 with void at 255; digest."""

    counts: np.ndarray
    digest: bytes


@dataclass(frozen=True)
class ScannedPair:
    """What is kept of an image and its target; None for what cannot be read.

    `target` are MaskFacts, or the facts of another task; they have a `digest`.
    """

    split: str
    name: str
    index: int  # in the folder's list of pairs, or in the split
    image: Optional[ImageFacts]
    target: Any


@dataclass(frozen=True)
class Scan:
    """The result of scanning a data set of any task.

    `read(pair)` reads the pair again for display: image (H, W, 3) uint8 and target. It
    raises InputError if the image cannot be read.
    """

    name: str
    class_names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    pairs: list[ScannedPair]
    issues: list[FileIssue]
    read: Callable[[ScannedPair], tuple[np.ndarray, Any]]
    task: str = "semantic"

    @property
    def splits(self) -> list[str]:
        present = {pair.split for pair in self.pairs}
        return [name for name in SPLITS if name in present]

    def of(self, split: str) -> list[ScannedPair]:
        return [pair for pair in self.pairs if pair.split == split]


@dataclass(frozen=True)
class FolderScan(Scan):
    """The result of scanning masks of classes.

    `read(pair)` gives ids (h, w) int, INVALID where they are outside the classes.
    `implied` says whether the ids of the masks alone tell what the classes are.
    """

    implied: bool = False

    def counts(self, split: str) -> np.ndarray:
        """(masks, classes + 1) int64 pixels, void last; without unreadable masks."""
        rows = [pair.target.counts for pair in self.of(split) if pair.target]
        stacked = np.array(rows, np.int64).reshape(-1, 256)
        return stacked[:, [*range(len(self.class_names)), 255]]


def scan(name: str, seed: int) -> FolderScan:
    """Scans `shapes` or a folder. Raises InputError if the folder has no images."""
    if name == "shapes":
        return scan_data(open_shapes())
    return scan_folder(Path(name), seed)


def scan_samples(
    data: Dataset, target_facts: Callable[[Any], Any]
) -> list[ScannedPair]:
    """The facts of a data set that is not made of files, about images and targets."""

    def scan_one(at: tuple[str, int]) -> ScannedPair:
        split, index = at
        image, target = data.splits[split].read(index)
        name = f"{split}/{data.splits[split].names[index]}"
        facts = image_facts(image, "8-bit RGB")
        return ScannedPair(split, name, index, facts, target_facts(target))

    indices = [
        (s, i) for s, split in data.splits.items() for i in range(len(split.sizes))
    ]
    return in_parallel(scan_one, indices, data.name)


def scan_data(data: Dataset) -> FolderScan:
    """Scans a data set that is not made of files."""

    def read(pair: ScannedPair) -> tuple[np.ndarray, np.ndarray]:
        image, mask = data.splits[pair.split].read(pair.index)
        return with_channels(image, 3), mask.astype(int)

    pairs = scan_samples(data, mask_facts)
    return FolderScan(data.name, data.class_names, data.colors, pairs, [], read)


def scan_folder(folder: Path, seed: int) -> FolderScan:
    """Scans a data folder, whatever is wrong with it."""
    files, issues = all_pairs(folder, seed)
    declared, path = None, folder / "classes.json"
    try:
        declared = read_classes(path)
    except InputError as error:
        detail = str(error).removeprefix(f"{path}: ")
        issues.append(FileIssue("classes", "", path.name, detail, str(error)))

    def scan_one(
        numbered: tuple[int, Pair],
    ) -> tuple[ScannedPair, list[FileIssue], PairContent]:
        index, pair = numbered
        found = inspect_pair(pair, declared, read_image_facts)
        image = found.image[1] if found.image else None
        mask = None if found.ids is None else mask_facts(found.ids)
        name = relative_name(pair.image, folder)
        wrong = [with_relative_name(issue, folder) for issue in found.issues]
        values = replace(found, image=None, ids=None)  # which take memory
        return ScannedPair(pair.split, name, index, image, mask), wrong, values

    scanned = checked(
        scan_one,
        list(enumerate(files)),
        folder.name,
        (
            "scan",
            str(folder),
            os.path.abspath(folder),
            seed,
            declared and declared.record(),
        ),
        lambda numbered: (numbered[1].image, numbered[1].mask),
        keep=lambda result: can_be_kept(result[1]),
    )
    pairs = [replace(pair, index=index) for index, (pair, *_) in enumerate(scanned)]
    issues += [issue for _, found, _ in scanned for issue in found]
    counted = [
        (file, values.counts, values.palette)
        for file, (*_, values) in zip(files, scanned, strict=True)
        if values.counts is not None
    ]
    contradicting = value_issues(counted, declared)
    contents = [values for *_, values in scanned]
    contradicting += form_issues(
        [(file, c.form) for file, c in zip(files, contents, strict=True)]
    )
    issues += [with_relative_name(issue, folder) for issue in contradicting]
    no_ids = {issue.name for issue in issues if issue.kind == "values"}
    classes = declared
    if classes is None:
        right = [
            counts
            for file, counts, _ in counted
            if relative_name(file.mask, folder) not in no_ids
        ]
        classes = count_classes([*right, np.zeros(256, np.int64)])
        pairs = [with_class_ids(pair, classes.table) for pair in pairs]

    def read(pair: ScannedPair) -> tuple[np.ndarray, np.ndarray]:
        return read_pair(files[pair.index], classes)

    result = FolderScan(str(folder), classes.names, classes.colors, pairs, issues, read)
    return replace(result, implied=declared is None)


def can_be_kept(issues: list[FileIssue]) -> bool:
    """Whether reading a file again would show the same: errors of reading may pass."""
    return not any(issue.kind.startswith("unreadable") for issue in issues)


def with_class_ids(pair: ScannedPair, table: np.ndarray) -> ScannedPair:
    """The pair with its counts by file id converted to counts by class id."""
    if pair.target is None:
        return pair
    counts = np.zeros(256, np.int64)
    known = table != INVALID
    np.add.at(counts, table[known], pair.target.counts[known])
    return replace(pair, target=MaskFacts(counts, pair.target.digest))


# --- pairing files ---


def all_pairs(folder: Path, seed: int) -> tuple[list[Pair], list[FileIssue]]:
    """The pairs, and the issues of unpaired files; split by `seed` without `val`.

    Raises InputError for a folder without images, and for another tool's export.
    """
    if folder.is_dir():
        reject_export(folder)
    listing = list_pairs(folder)
    parts = parts_of(folder).values()
    if not any(is_image(path) for part in parts for path in part.glob("*/*")):
        find_pairs(folder, seed)  # raises the error that shows the expected layout
    found = listing.pairs
    if len(found.get("train", ())) > 1 and not found.get("val"):
        found = found | split_by_seed(found["train"], folder, seed)
    pairs = [pair._replace(split=name) for name in found for pair in found[name]]
    return pairs, [with_relative_name(issue, folder) for issue in listing.issues]


def with_relative_name(issue: FileIssue, folder: Path) -> FileIssue:
    return issue._replace(name=relative_name(Path(issue.name), folder))


def relative_name(path: Path, folder: Path) -> str:
    """The path inside the data folder, such as train/images/a.png."""
    return path.relative_to(folder).as_posix()


# --- reading files ---


def mask_facts(ids: np.ndarray) -> MaskFacts:
    return MaskFacts(count_ids(ids, least=INVALID), digest(ids))


def read_pair(pair: Pair, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) and ids (h, w) for display; unknown colours are INVALID."""
    raw = read_raw(pair.image)
    image = with_channels(to_uint8(raw, white_level_of(raw)), 3)
    try:
        mask = load_mask(pair.mask, pair.image)
        if mask.ndim == 3:
            mask = colors_to_ids(mask, pair.mask, classes.file_colors)
    except InputError:
        return image, np.full(image.shape[:2], INVALID)
    return image, classes.table[mask]


def read_image_facts(path: Path) -> tuple[tuple[int, int], ImageFacts]:
    """The size and the facts of an image file, which is decoded completely.

    Raises InputError if it cannot be read.
    """
    data = read_bytes(path)
    header = checked_header(path, data, checksums=True)
    raw = read_raw(path, thorough=True)
    alpha = header.alpha
    depth = "float" if raw.dtype.kind == "f" else f"{8 * raw.itemsize}-bit"
    kind = f"{depth} {'grey' if raw.ndim == 2 else 'RGB'}{' with alpha' * alpha}"
    return raw.shape[:2], image_facts(raw, kind)


def image_facts(raw: np.ndarray, kind: str) -> ImageFacts:
    image = to_uint8(raw, white_level_of(raw))
    image = image[..., None] if image.ndim == 2 else image
    hashes, small = perceptual_hashes(image), thumbnail(image)
    return ImageFacts(raw.shape[:2], kind, digest(raw), hashes, small)

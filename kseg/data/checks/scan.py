"""Looks at all of a data folder and goes on where `open_folder` would stop.

Every picture and mask is read once, on threads; what is kept of each is small: counts,
sizes and hashes. Faults are collected, not raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.images import is_image, read_raw, to_uint8, white_level_of, with_channels
from kseg.core.progress import in_parallel
from kseg.data.checks.duplicates import digest, perceptual_hashes, thumbnail
from kseg.data.folder import SPLITS, find_pairs, list_pairs, parts_of, split_by_seed
from kseg.data.masks import (
    INVALID,
    Classes,
    colors_to_ids,
    count_classes,
    load_mask,
    look_at_image,
    opened,
    read_classes,
)
from kseg.data.open import refuse_export
from kseg.data.pairs import FileIssue, Pair, inspect_pair
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes


@dataclass(frozen=True)
class Picture:
    """What an image file showed: upright size, kind (8-bit RGB, say), hashes (2, 4).

    The thumbnail is (16, 16) uint8 grey.
    """

    size: tuple[int, int]
    kind: str
    digest: bytes
    hashes: np.ndarray
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Labels:
    """What a mask showed: pixels of each class id (256,) int64, void at 255."""

    counts: np.ndarray
    digest: bytes


@dataclass(frozen=True)
class PairLook:
    """What the doctor keeps of a pair of files, as far as they could be read."""

    split: str
    name: str
    place: int  # in the folder's list of pairs, or in the split
    picture: Optional[Picture]
    labels: Optional[Labels]


@dataclass(frozen=True)
class FolderScan:
    """All that was seen of a data set.

    `read(look)` gives the pair once more for showing: image (H, W, 3) uint8 and ids
    (h, w) int, INVALID where they are outside the classes. Raises InputError where it
    cannot.
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    looks: list[PairLook]
    faults: list[FileIssue]
    read: Callable[[PairLook], tuple[np.ndarray, np.ndarray]]

    @property
    def splits(self) -> list[str]:
        present = {look.split for look in self.looks}
        return [name for name in SPLITS if name in present]

    def of(self, split: str) -> list[PairLook]:
        return [look for look in self.looks if look.split == split]

    def counts(self, split: str) -> np.ndarray:
        """(masks, classes + 1) int64 pixels, void last; unread masks are left out."""
        rows = [look.labels.counts for look in self.of(split) if look.labels]
        stacked = np.array(rows, np.int64).reshape(-1, 256)
        return stacked[:, [*range(len(self.names)), 255]]


def scan(name: str, seed: int) -> FolderScan:
    """`shapes` or a folder. Raises InputError where there is nothing to look at."""
    if name == "shapes":
        return scan_data(open_shapes())
    return scan_folder(Path(name), seed)


def scan_data(data: Dataset) -> FolderScan:
    """Data that needs no files."""

    def look(at: tuple[str, int]) -> PairLook:
        split, index = at
        image, mask = data.splits[split].read(index)
        counts = np.bincount(mask.ravel(), minlength=256)
        name = f"{split}/{data.splits[split].names[index]}"
        picture = picture_of(image, "8-bit RGB")
        return PairLook(split, name, index, picture, Labels(counts, digest(mask)))

    def read(look: PairLook) -> tuple[np.ndarray, np.ndarray]:
        image, mask = data.splits[look.split].read(look.place)
        return with_channels(image, 3), mask.astype(int)

    places = [
        (s, i) for s, split in data.splits.items() for i in range(len(split.sizes))
    ]
    looks = in_parallel(look, places, data.name)
    return FolderScan(data.name, data.names, data.colors, looks, [], read)


def scan_folder(folder: Path, seed: int) -> FolderScan:
    """A folder of the layout, however broken."""
    pairs, faults = all_pairs(folder, seed)
    declared = None
    try:
        declared = read_classes(folder / "classes.json")
    except InputError as error:
        faults.append(FileIssue("classes", "", "classes.json", str(error)))

    def look(numbered: tuple[int, Pair]) -> tuple[PairLook, tuple[FileIssue, ...]]:
        place, pair = numbered
        found = inspect_pair(pair, declared, look_at_picture)
        picture = found.image[1] if found.image else None
        labels = None if found.ids is None else labels_of(found.ids)
        name = short(pair.image, folder)
        return PairLook(pair.split, name, place, picture, labels), found.issues

    seen = in_parallel(look, list(enumerate(pairs)), folder.name)
    looks = [look for look, _ in seen]
    faults += [shortened(fault, folder) for _, found in seen for fault in found]
    classes = declared
    if classes is None:
        ids = [look.labels.counts > 0 for look in looks if look.labels]
        classes = count_classes([*ids, np.zeros(256, bool)])
        looks = [with_ids(look, classes.table) for look in looks]

    def read(look: PairLook) -> tuple[np.ndarray, np.ndarray]:
        return show(pairs[look.place], classes)

    return FolderScan(str(folder), classes.names, classes.colors, looks, faults, read)


def with_ids(look: PairLook, table: np.ndarray) -> PairLook:
    """The look, its counts by id of file brought to class ids."""
    if look.labels is None:
        return look
    counts = np.zeros(256, np.int64)
    known = table != INVALID
    np.add.at(counts, table[known], look.labels.counts[known])
    labels = Labels(counts, look.labels.digest)
    return PairLook(look.split, look.name, look.place, look.picture, labels)


# --- which files belong together ---


def all_pairs(folder: Path, seed: int) -> tuple[list[Pair], list[FileIssue]]:
    """What can be paired, and what cannot; without `val` it is split by `seed`.

    Raises InputError for a folder without pictures, and for another tool's export.
    """
    if folder.is_dir():
        refuse_export(folder)
    listing = list_pairs(folder)
    parts = parts_of(folder).values()
    if not any(is_image(path) for part in parts for path in part.glob("*/*")):
        find_pairs(folder, seed)  # says what a folder should look like
    found = listing.pairs
    if len(found.get("train", ())) > 1 and not found.get("val"):
        found = found | split_by_seed(found["train"], folder, seed)
    pairs = [pair._replace(split=name) for name in found for pair in found[name]]
    return pairs, [shortened(issue, folder) for issue in listing.issues]


def shortened(issue: FileIssue, folder: Path) -> FileIssue:
    return issue._replace(name=short(Path(issue.name), folder))


def short(path: Path, folder: Path) -> str:
    """train/images/a.png, whatever the folder is called."""
    return path.relative_to(folder).as_posix()


# --- what the files are like ---


def labels_of(ids: np.ndarray) -> Labels:
    return Labels(np.bincount(ids[ids != INVALID], minlength=256), digest(ids))


def show(pair: Pair, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) and ids (h, w) for people; unknown colours are INVALID."""
    raw = read_raw(pair.image)
    image = with_channels(to_uint8(raw, white_level_of(raw)), 3)
    try:
        mask = load_mask(pair.mask, pair.image)
        if mask.ndim == 3:
            mask = colors_to_ids(mask, pair.mask, classes.file_colors)
    except InputError:
        return image, np.full(image.shape[:2], INVALID)
    return image, classes.table[mask]


def look_at_picture(path: Path) -> tuple[tuple[int, int], Picture]:
    """The size of an image file, and what it shows, decoded whole.

    Raises InputError for one that cannot be read.
    """
    look_at_image(path)
    raw = read_raw(path)
    with opened(path) as file:
        alpha = file.mode in ("LA", "PA", "RGBA") or "transparency" in file.info
    depth = "float" if raw.dtype.kind == "f" else f"{8 * raw.itemsize}-bit"
    kind = f"{depth} {'grey' if raw.ndim == 2 else 'RGB'}{' with alpha' * alpha}"
    return raw.shape[:2], picture_of(raw, kind)


def picture_of(raw: np.ndarray, kind: str) -> Picture:
    image = to_uint8(raw, white_level_of(raw))
    image = image[..., None] if image.ndim == 2 else image
    hashes, small = perceptual_hashes(image), thumbnail(image)
    return Picture(raw.shape[:2], kind, digest(raw), hashes, small)

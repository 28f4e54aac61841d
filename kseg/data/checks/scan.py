"""Looks at all of a data folder and goes on where `open_folder` would stop.

Every picture and mask is read once, on threads; what is kept of each is small: counts,
sizes and hashes. Faults are collected, not raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple, Optional, TypeVar

import numpy as np

from edge.core.errors import InputError
from edge.core.images import (
    as_bytes,
    is_image,
    list_images,
    read_raw,
    white_of,
    with_channels,
)
from kseg.core.progress import in_parallel
from kseg.data.checks.duplicates import digest, perceptual_hashes, thumbnail
from kseg.data.folder import SPLITS, find_pairs, split_by_seed
from kseg.data.masks import (
    INVALID,
    LOSSY,
    Classes,
    colors_to_ids,
    count_classes,
    load_mask,
    look_at_image,
    opened,
    read_classes,
)
from kseg.data.open import refuse_export
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes

T = TypeVar("T")


class FileIssue(NamedTuple):
    """One thing wrong with one file. `kind` is a key of `findings.FAULTS`."""

    kind: str
    split: str
    name: str
    detail: str = ""


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
class PairFacts:
    """A pair of files, as far as they could be read."""

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
    looks: list[PairFacts]
    faults: list[FileIssue]
    read: Callable[[PairFacts], tuple[np.ndarray, np.ndarray]]

    @property
    def splits(self) -> list[str]:
        present = {look.split for look in self.looks}
        return [name for name in SPLITS if name in present]

    def of(self, split: str) -> list[PairFacts]:
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

    def look(at: tuple[str, int]) -> PairFacts:
        split, index = at
        image, mask = data.splits[split].read(index)
        counts = np.bincount(mask.ravel(), minlength=256)
        name = f"{split}/{data.splits[split].names[index]}"
        labels = Labels(counts, digest(mask))
        return PairFacts(split, name, index, picture_of(image, "8-bit RGB"), labels)

    def read(look: PairFacts) -> tuple[np.ndarray, np.ndarray]:
        image, mask = data.splits[look.split].read(look.place)
        return with_channels(image, 3), mask.astype(int)

    places = [
        (s, i) for s, split in data.splits.items() for i in range(len(split.sizes))
    ]
    looks = in_parallel(look, places, data.name)
    return FolderScan(data.name, data.names, data.colors, looks, [], read)


def scan_folder(folder: Path, seed: int) -> FolderScan:
    """A folder of the layout, however broken."""
    pairs, faults = list_pairs(folder, seed)
    declared = None
    try:
        declared = read_classes(folder / "classes.json")
    except InputError as error:
        faults.append(FileIssue("classes", "", "classes.json", str(error)))
    reader = PairReader(folder, declared)
    seen = in_parallel(reader.look, list(enumerate(pairs)), folder.name)
    looks = [look for look, _ in seen]
    faults += [fault for _, found in seen for fault in found]
    classes = declared
    if classes is None:
        ids = [look.labels.counts > 0 for look in looks if look.labels]
        classes = count_classes([*ids, np.zeros(256, bool)])
        looks = [with_ids(look, classes.table) for look in looks]

    def read(look: PairFacts) -> tuple[np.ndarray, np.ndarray]:
        return reader.show(pairs[look.place], classes)

    return FolderScan(str(folder), classes.names, classes.colors, looks, faults, read)


def with_ids(look: PairFacts, table: np.ndarray) -> PairFacts:
    """The look, its counts by id of file brought to class ids."""
    if look.labels is None:
        return look
    counts = np.zeros(256, np.int64)
    known = table != INVALID
    np.add.at(counts, table[known], look.labels.counts[known])
    labels = Labels(counts, look.labels.digest)
    return PairFacts(look.split, look.name, look.place, look.picture, labels)


# --- which files belong together ---


class Pair(NamedTuple):
    split: str
    image: Path
    mask: Path


def list_pairs(folder: Path, seed: int) -> tuple[list[Pair], list[FileIssue]]:
    """What can be paired, and what cannot; without `val` it is split by `seed`.

    Raises InputError for a folder without pictures, and for another tool's export.
    """
    if folder.is_dir():
        refuse_export(folder)
    parts = {name: folder / name for name in SPLITS if (folder / name).is_dir()}
    if not parts and (folder / "images").is_dir():
        parts = {"train": folder}
    if not any(is_image(path) for part in parts.values() for path in part.glob("*/*")):
        find_pairs(folder, seed)  # says what a folder should look like
    faults: list[FileIssue] = []
    found = {name: pair_up(part, name, folder, faults) for name, part in parts.items()}
    if len(found.get("train", ())) > 1 and not found.get("val"):
        found |= split_by_seed(found["train"], folder, seed)
    return [Pair(name, *pair) for name in found for pair in found[name]], faults


def pair_up(
    part: Path, split: str, folder: Path, faults: list[FileIssue]
) -> list[tuple[Path, Path]]:
    """The pairs of a split; what is wrong is added to `faults`."""

    def blame(kind: str, path: Path, detail: str = "") -> None:
        faults.append(FileIssue(kind, split, short(path, folder), detail))

    files: dict[str, dict[str, Path]] = {"images": {}, "masks": {}}
    for kind, by_stem in files.items():
        if not (part / kind).is_dir():
            blame("missing folder", part / kind)
            continue
        for path in list_images(part / kind):
            if path.stem in by_stem:
                blame("same stem", path)
            by_stem.setdefault(path.stem, path)
        for path in sorted((part / kind).iterdir()):
            if not is_image(path) and not path.name.startswith("."):
                blame("not read", path)
    images, masks = files["images"], files["masks"]
    for stem in sorted(images.keys() - masks.keys()):
        blame("no mask", images[stem])
    for stem in sorted(masks.keys() - images.keys()):
        blame("no image", masks[stem])
    for stem in sorted(images.keys() & masks.keys()):
        if masks[stem].suffix.lower() in LOSSY:
            blame("lossy mask", masks[stem])
    return [(images[stem], masks[stem]) for stem in images if stem in masks]


def short(path: Path, folder: Path) -> str:
    """train/images/a.png, whatever the folder is called."""
    return path.relative_to(folder).as_posix()


# --- what the files are like ---


class PairReader:
    """Reads the pairs of one folder."""

    def __init__(self, folder: Path, declared: Optional[Classes]):
        self.folder, self.declared = folder, declared

    def look(self, numbered: tuple[int, Pair]) -> tuple[PairFacts, list[FileIssue]]:
        place, pair = numbered
        faults: list[FileIssue] = []
        picture = self.attempt(
            faults, "unreadable image", pair, pair.image, look_at_picture
        )
        ids = self.ids(pair, picture is not None, faults)
        labels = None
        if ids is not None:
            if picture and ids.shape != picture.size:
                text = (
                    f"{format_size(ids.shape)}, its image {format_size(picture.size)}"
                )
                faults.append(
                    FileIssue("sizes", pair.split, self.name(pair.mask), text)
                )
            counts = np.bincount(ids[ids != INVALID], minlength=256)
            labels = Labels(counts, digest(ids))
        name = self.name(pair.image)
        return PairFacts(pair.split, name, place, picture, labels), faults

    def name(self, path: Path) -> str:
        return short(path, self.folder)

    def attempt(
        self,
        faults: list[FileIssue],
        kind: str,
        pair: Pair,
        path: Path,
        function: Callable[[Path], T],
    ) -> Optional[T]:
        """`function(path)`; a refusal becomes a fault, and None."""
        try:
            return function(path)
        except InputError as error:
            detail = str(error).removeprefix(f"{path}: ")
            faults.append(FileIssue(kind, pair.split, self.name(path), detail))
            return None

    def ids(
        self, pair: Pair, has_image: bool, faults: list[FileIssue]
    ) -> Optional[np.ndarray]:
        """The mask as class ids, or as ids of the file where no classes are declared.

        INVALID marks what is outside the classes; None where that cannot be said.
        """
        if pair.mask.suffix.lower() in LOSSY:  # blamed already, and full of wrong ids
            return None
        # An image gives its rotation to the mask; one that is broken has none to give.
        image = pair.image if has_image else pair.mask

        def load(path: Path) -> np.ndarray:
            return load_mask(path, image)

        def translate(path: Path) -> np.ndarray:
            colors = self.declared.file_colors if self.declared else {}
            return colors_to_ids(raw, path, colors)

        raw = self.attempt(faults, "unreadable mask", pair, pair.mask, load)
        if raw is None and can_be_decoded(pair.mask):
            faults[-1] = faults[-1]._replace(kind="ids")  # of more than a byte
        if raw is not None and raw.ndim == 3:
            raw = self.attempt(faults, "colors", pair, pair.mask, translate)
        if raw is None or self.declared is None:
            return raw
        ids = self.declared.table[raw]
        wrong = ids == INVALID
        if wrong.any():
            listed = ", ".join(map(str, np.unique(raw[wrong])[:8].tolist()))
            text = f"id {listed} in {wrong.mean():.2%} of the pixels"
            faults.append(FileIssue("ids", pair.split, self.name(pair.mask), text))
        return ids

    def show(self, pair: Pair, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 3) and ids (h, w) for people; unknown colours are INVALID."""
        raw = read_raw(pair.image)
        image = with_channels(as_bytes(raw, white_of(raw)), 3)
        try:
            mask = load_mask(pair.mask, pair.image)
            if mask.ndim == 3:
                mask = colors_to_ids(mask, pair.mask, classes.file_colors)
        except InputError:
            return image, np.full(image.shape[:2], INVALID)
        return image, classes.table[mask]


def format_size(size: tuple[int, ...]) -> str:
    """(360, 480) -> 360x480"""
    return "x".join(map(str, size))


def can_be_decoded(path: Path) -> bool:
    try:
        with opened(path) as image:
            image.load()
    except (InputError, OSError, SyntaxError):
        return False
    return True


def look_at_picture(path: Path) -> Picture:
    """An image file, decoded whole. Raises InputError for one that cannot be."""
    look_at_image(path)
    raw = read_raw(path)
    with opened(path) as file:
        alpha = file.mode in ("LA", "PA", "RGBA") or "transparency" in file.info
    depth = "float" if raw.dtype.kind == "f" else f"{8 * raw.itemsize}-bit"
    kind = f"{depth} {'grey' if raw.ndim == 2 else 'RGB'}{' with alpha' * alpha}"
    return picture_of(raw, kind)


def picture_of(raw: np.ndarray, kind: str) -> Picture:
    image = as_bytes(raw, white_of(raw))
    image = image[..., None] if image.ndim == 2 else image
    hashes, small = perceptual_hashes(image), thumbnail(image)
    return Picture(raw.shape[:2], kind, digest(raw), hashes, small)

"""Data folders: DIR/{train,val,test}/{images,masks}/ with equal stems.

Masks hold class ids, or colours listed in `classes.json`. Every file is checked when
the folder is opened, so that training does not fail an hour later.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from edge.core.errors import InputError, quoted
from edge.core.images import (
    kind_of_entry,
    left_out,
    list_folder,
    list_images,
    read_image,
    read_raw,
    white_level_of,
)
from kseg.core.remembered import checked
from kseg.data.formats.labels import means_void
from kseg.data.masks import (
    Classes,
    count_classes,
    first_by_stem,
    is_lossy,
    load_mask,
    lossy_error,
    read_classes,
    same_stem_error,
    to_class_ids,
)
from kseg.data.missing import data_folder_error, no_images_error
from kseg.data.objects_file import OBJECTS
from kseg.data.pairs import (
    FileIssue,
    Pair,
    check_pair,
    form_issues,
    raise_first_error,
    value_issues,
)
from kseg.data.sample import Dataset, Sample
from kseg.data.similar_names import rename_hint

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
KINDS = ("images", "masks", "instances")  # of the folders in a split
DEPTH_SAMPLES = 16  # the white level is that of 16 to 31 training images
VAL_SHARE = 0.2  # of the images of a folder without splits


@dataclass(frozen=True)
class FolderSplit:
    """A split of pairs of files that have been checked."""

    images: list[Path]
    masks: list[Path]
    sizes: list[tuple[int, int]]
    classes: Classes
    channels: int
    white_level: float

    @property
    def names(self) -> list[str]:
        return [path.name for path in self.images]

    @property
    def files(self) -> list[Path]:
        return [*self.images, *self.masks]

    def read(self, index: int) -> Sample:
        image = read_image(self.images[index], self.channels, self.white_level)
        return Sample(image, self.read_mask(index))

    def read_mask(self, index: int) -> np.ndarray:
        """A mask alone, (H, W) uint8. Raises InputError if it cannot be read."""
        mask = load_mask(self.masks[index], self.images[index])
        return to_class_ids(mask, self.masks[index], self.classes)


def open_folder(folder: Path, seed: Optional[int]) -> Dataset:
    """Opens a data folder. Raises InputError for the first error found.

    Without a `seed`, train is not divided if there is no val.
    """
    pairs = find_pairs(folder, seed)
    declared = read_classes(folder / "classes.json")
    if declared:
        warn_of_void(declared, folder / "classes.json")
    listed = [pair for split in pairs.values() for pair in split]
    about = "pairs", os.path.abspath(folder), declared and declared.record()
    facts = checked(
        lambda pair: check_pair(pair, declared),
        listed,
        folder.name,
        about,
        lambda pair: (pair.image, pair.mask),
    )
    counts = [fact.counts for fact in facts]
    palettes = [fact.palette for fact in facts]
    masks = list(zip(listed, counts, palettes, strict=True))
    contradicting = value_issues(masks, declared)
    forms = [fact.form for fact in facts]
    contradicting += form_issues(list(zip(listed, forms, strict=True)))
    raise_first_error(contradicting)
    for issue in contradicting:
        log.warning(f"{issue.name}: {issue.detail}")
    classes = declared or count_classes(counts)
    channels = 1 if all(fact.grey for fact in facts) else 3
    first = next(iter(pairs.values()))  # train, if the folder has it
    white_level = common_white_level([pair.image for pair in first])
    if not declared:
        log.info(
            f"{folder}: no classes.json; the ids of the masks give "
            f"{len(classes.names)} classes"
        )
    splits, start = {}, 0
    for name, split in pairs.items():
        sizes = [fact.size for fact in facts[start : start + len(split)]]
        start += len(split)
        images, masks = [pair.image for pair in split], [pair.mask for pair in split]
        splits[name] = FolderSplit(images, masks, sizes, classes, channels, white_level)
    return Dataset(
        str(folder), classes.names, classes.colors, splits, channels, white_level
    )


def warn_of_void(classes: Classes, path: Path) -> None:
    """Logs classes with a name of void, whose pixels are trained on all the same."""
    if classes.void_given:
        return
    for index, name in enumerate(classes.names):
        if means_void(name):
            number = int(np.flatnonzero(classes.table == index)[0])
            log.warning(
                f"{path}: the class {quoted(name)} is trained like any other; to leave "
                f'its pixels out, add "ignore_index": {number}'
            )


def common_white_level(images: Sequence[Path]) -> float:
    """The largest white level of a sample of images."""
    sample = images[:: max(1, len(images) // DEPTH_SAMPLES)]
    return max(white_level_of(read_raw(image)) for image in sample)


# --- pairing files ---


@dataclass(frozen=True)
class Listing:
    """The pairs of a folder by split, sorted by name, and the issues found."""

    pairs: dict[str, list[Pair]]
    issues: list[FileIssue]


def list_pairs(folder: Path) -> Listing:
    """Pairs the files of a data folder as far as possible, and lists the issues.

    No file is opened. Raises InputError if the folder does not exist.
    """
    if not folder.is_dir():
        raise data_folder_error(folder)
    listing = Listing({}, [])
    for name, part in parts_of(folder).items():
        listing.pairs[name] = pair_up(part, name, listing.issues)
    unread = [FileIssue("not read", "", str(path)) for path in unread_parts(folder)]
    return Listing(listing.pairs, listing.issues + unread)


def log_left_out(issues: Sequence[FileIssue]) -> None:
    """Logs what the splits have that is not read, a line for each folder."""
    folders: dict[Path, list[Path]] = {}
    for issue in issues:
        if issue.kind == "not read" and issue.split:
            path = Path(issue.name)
            folders.setdefault(path.parent, []).append(path)
    for folder, paths in folders.items():
        log.info(left_out(folder, paths))


def parts_of(folder: Path) -> dict[str, Path]:
    """Split -> its folder; a folder without splits is the training split."""
    parts = {name: folder / name for name in SPLITS if (folder / name).is_dir()}
    if not parts and (folder / "images").is_dir():
        return {"train": folder}
    return parts


def unread_parts(folder: Path) -> list[Path]:
    """Folders beside the splits that have images/ too, such as valid; none is read."""
    if not any((folder / name).is_dir() for name in SPLITS):
        return []
    return other_parts(folder)


def other_parts(folder: Path) -> list[Path]:
    """The folders that have images/ but not the name of a split, in order."""
    others = (path for path in folder.iterdir() if path.name not in SPLITS)
    return sorted(path for path in others if (path / "images").is_dir())


def find_pairs(folder: Path, seed: Optional[int]) -> dict[str, list[Pair]]:
    """Split -> pairs; without `val`, the training split is divided by `seed`, if any.

    Splits without images are left out. Raises InputError for the first issue of the
    folder, and if there are no images at all.
    """
    listing = list_pairs(folder)
    raise_first_error(listing.issues)
    log_left_out(listing.issues)
    found = with_validation(listing.pairs, folder, seed)
    if not found:
        others = [path.name for path in other_parts(folder)]
        raise no_images_error(folder, SPLITS, others)
    return found


def with_validation(
    found: dict[str, list], folder: Path, seed: Optional[int]
) -> dict[str, list]:
    """The splits that have images; without `val`, `train` is divided by `seed`, if any.

    A folder need not have `train`: a test split alone can be evaluated.
    """
    if seed is not None and found.get("train") and not found.get("val"):
        found = found | split_by_seed(found["train"], folder, seed)
    return {name: found[name] for name in SPLITS if found.get(name)}


def is_split_by_seed(folder: Path) -> bool:
    """Whether a seed decides which images of a folder are used for validation."""
    parts = parts_of(folder)
    val = parts.get("val", folder / "val") / "images"
    return "train" in parts and not (val.is_dir() and list_images(val))


def is_data_folder(folder: Path) -> bool:
    """Whether the folder, or one of its splits, contains images/ and their labels.

    These are masks/, instances/ or objects.json.
    """
    parts = [folder, *(folder / split for split in SPLITS)]
    return any(
        (part / "images").is_dir() and ((part / "masks").is_dir() or has_objects(part))
        for part in parts
    )


def has_objects(part: Path) -> bool:
    """Whether the labels of a split are objects: objects.json or instances/."""
    return (part / OBJECTS).is_file() or (part / "instances").is_dir()


def split_by_seed(
    pairs: list, folder: Path, seed: int, share: float = VAL_SHARE
) -> dict[str, list]:
    """Divides pairs into train and val at random; `share` of them become val."""
    if len(pairs) < 2:
        raise InputError(
            f"{folder}: only one image; training and validation need at least one each"
        )
    order = np.random.RandomState(seed).permutation(len(pairs))
    count = min(max(1, round(share * len(pairs))), len(pairs) - 1)
    missing = "its val split is empty" if (folder / "val").is_dir() else "no val split"
    log.info(
        f"{folder}: {missing}; {count} of {len(pairs)} images are used for "
        f"validation (chosen by --seed {seed})"
    )
    val, train = sorted(order[:count]), sorted(order[count:])
    return {"train": [pairs[i] for i in train], "val": [pairs[i] for i in val]}


def list_files(folder: Path, split: str, issues: list[FileIssue]) -> dict[str, Path]:
    """Stem -> image file of a folder; adds issues about equal stems and other files."""
    files, repeated = first_by_stem(folder)
    for path in repeated:
        error = same_stem_error(folder, repeated)
        issues.append(FileIssue("same stem", split, str(path), error=error))
    for path in list_folder(folder)[1]:
        issues.append(FileIssue("not read", split, str(path), kind_of_entry(path)))
    return files


def pair_up(part: Path, split: str, issues: list[FileIssue]) -> list[Pair]:
    """The pairs of a split; the issues of its files are added to `issues`."""

    def add_issue(kind: str, path: Path, error: str = "") -> None:
        issues.append(FileIssue(kind, split, str(path), error=error))

    present = [kind for kind in ("images", "masks") if (part / kind).is_dir()]
    for kind in ("images", "masks"):
        if kind not in present:
            text = f"{part}: folder {kind!r} is missing; images and masks are needed"
            add_issue("missing folder", part / kind, text)
    files: dict[str, dict[str, Path]] = {"images": {}, "masks": {}}
    for kind in reversed(present):
        files[kind] = list_files(part / kind, split, issues)
    images, masks = files["images"], files["masks"]
    spare = [path for stem, path in masks.items() if stem not in images]
    for stem, image in images.items():
        if stem not in masks:
            mask = part / "masks" / f"{image.stem}.png"
            hint = rename_hint(image.stem, spare)
            text = f"{image}: has no mask; {hint}add {mask} or remove the image"
            add_issue("no mask", image, text)
        elif is_lossy(masks[stem]):
            add_issue("lossy mask", masks[stem], lossy_error(masks[stem]))
    for stem in sorted(masks.keys() - images.keys()):
        add_issue("no image", masks[stem])
    return [Pair(split, images[stem], masks[stem]) for stem in images if stem in masks]

"""The one layout of folders: DIR/{train,val,test}/{images,masks}/ with equal stems.

Masks hold class ids, or colours that `classes.json` lists. Everything is looked at
once when the folder is opened, so that training does not fail an hour later.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.core.images import is_image, read_image, read_raw, white_level_of
from kseg.core.progress import in_parallel
from kseg.data.masks import (
    Classes,
    count_classes,
    first_by_stem,
    is_lossy,
    load_mask,
    lossy_refusal,
    read_classes,
    stem_refusal,
    to_class_ids,
)
from kseg.data.pairs import FileIssue, Pair, refuse, sound_pair
from kseg.data.sample import Dataset, Sample

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
DEPTH_SAMPLES = 16  # images, or up to twice as many, that tell what white is
VAL_SHARE = 0.2  # of a folder without splits


@dataclass(frozen=True)
class FolderSplit:
    """Pairs of files that have been found sound."""

    images: list[Path]
    masks: list[Path]
    sizes: list[tuple[int, int]]
    classes: Classes
    channels: int
    white: float

    @property
    def names(self) -> list[str]:
        return [path.name for path in self.images]

    @property
    def files(self) -> list[Path]:
        return [*self.images, *self.masks]

    def read(self, index: int) -> Sample:
        image = read_image(self.images[index], self.channels, self.white)
        mask = load_mask(self.masks[index], self.images[index])
        return Sample(image, to_class_ids(mask, self.masks[index], self.classes))


def open_folder(folder: Path, seed: int) -> Dataset:
    """A folder of the layout as Data. Raises InputError for the first fault found."""
    pairs = find_pairs(folder, seed)
    declared = read_classes(folder / "classes.json")
    listed = [pair for split in pairs.values() for pair in split]
    facts = in_parallel(lambda pair: sound_pair(pair, declared), listed, folder.name)
    classes = declared or count_classes([fact.ids for fact in facts])
    channels = 1 if all(fact.grey for fact in facts) else 3
    sample = pairs["train"][:: max(1, len(pairs["train"]) // DEPTH_SAMPLES)]
    white = max(white_level_of(read_raw(pair.image)) for pair in sample)
    if not declared:
        log.info(
            f"{folder}: no classes.json; {len(classes.names)} classes by their ids"
        )
    splits, start = {}, 0
    for name, split in pairs.items():
        sizes = [fact.size for fact in facts[start : start + len(split)]]
        start += len(split)
        images, masks = [pair.image for pair in split], [pair.mask for pair in split]
        splits[name] = FolderSplit(images, masks, sizes, classes, channels, white)
    return Dataset(str(folder), classes.names, classes.colors, splits, channels, white)


# --- which files belong together ---


@dataclass(frozen=True)
class Listing:
    """The pairs of a folder by split, in order of name, and what is wrong with it."""

    pairs: dict[str, list[Pair]]
    issues: list[FileIssue]


def list_pairs(folder: Path) -> Listing:
    """All that can be paired in a folder of the layout, however broken.

    No file is opened. Raises InputError where there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data folder; --data shapes needs none")
    listing = Listing({}, [])
    for name, part in parts_of(folder).items():
        listing.pairs[name] = pair_up(part, name, listing.issues)
    return listing


def parts_of(folder: Path) -> dict[str, Path]:
    """Split -> its folder; one without splits is all for training."""
    parts = {name: folder / name for name in SPLITS if (folder / name).is_dir()}
    if not parts and (folder / "images").is_dir():
        return {"train": folder}
    return parts


def find_pairs(folder: Path, seed: int) -> dict[str, list[Pair]]:
    """Split -> pairs; a folder without `val` is split by `seed`.

    Raises InputError for the first issue of the folder, and for one without images.
    """
    listing = list_pairs(folder)
    refuse(listing.issues)
    found = listing.pairs
    if not found.get("train"):
        raise InputError(
            f"{folder}: has no images in train/images (or images); the layout is "
            f"{folder}/train/images/NAME.jpg with {folder}/train/masks/NAME.png"
        )
    if not found.get("val"):
        found |= split_by_seed(found["train"], folder, seed)
    return {name: found[name] for name in SPLITS if found.get(name)}


def is_laid_out(folder: Path) -> bool:
    """Whether the folder, or a split in it, has images and masks."""
    places = [folder, *(folder / split for split in SPLITS)]
    return any((p / "images").is_dir() and (p / "masks").is_dir() for p in places)


def split_by_seed(
    pairs: list, folder: Path, seed: int, share: float = VAL_SHARE
) -> dict[str, list]:
    if len(pairs) < 2:
        raise InputError(f"{folder}: one image is too few to train and to validate")
    order = np.random.RandomState(seed).permutation(len(pairs))
    count = min(max(1, round(share * len(pairs))), len(pairs) - 1)
    log.info(
        f"{folder}: no val split; {count} of {len(pairs)} images, by --seed {seed}"
    )
    val, train = sorted(order[:count]), sorted(order[count:])
    return {"train": [pairs[i] for i in train], "val": [pairs[i] for i in val]}


def pair_up(part: Path, split: str, issues: list[FileIssue]) -> list[Pair]:
    """The pairs of a split; what is wrong with its files is added to `issues`."""

    def blame(kind: str, path: Path, refusal: str = "") -> None:
        issues.append(FileIssue(kind, split, str(path), refusal=refusal))

    there = [kind for kind in ("images", "masks") if (part / kind).is_dir()]
    for kind in ("images", "masks"):
        if kind not in there:
            text = f"{part}: has no folder {kind!r}; make it beside the other"
            blame("missing folder", part / kind, text)
    files: dict[str, dict[str, Path]] = {"images": {}, "masks": {}}
    for kind in reversed(there):
        files[kind], repeated = first_by_stem(part / kind)
        for path in repeated:
            blame("same stem", path, stem_refusal(part / kind, repeated))
        for path in sorted((part / kind).iterdir()):
            if not is_image(path) and not path.name.startswith("."):
                blame("not read", path)
    images, masks = files["images"], files["masks"]
    for stem, image in images.items():
        if stem not in masks:
            add = f"add {part / 'masks' / stem}.png or remove it"
            blame("no mask", image, f"{image}: has no mask; {add}")
        elif is_lossy(masks[stem]):
            blame("lossy mask", masks[stem], lossy_refusal(masks[stem]))
    for stem in sorted(masks.keys() - images.keys()):
        blame("no image", masks[stem])
    return [Pair(split, images[stem], masks[stem]) for stem in images if stem in masks]

"""The one layout of folders: DIR/{train,val,test}/{images,masks}/ with equal stems.

Masks hold class ids, or colours that `classes.json` lists. Everything is looked at
once when the folder is opened, so that training does not fail an hour later.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.core.images import read_image, read_raw, white_of
from edge.core.log import say
from kseg.core.progress import in_parallel
from kseg.data.masks import (
    LOSSY,
    Classes,
    by_stem,
    count_classes,
    load_mask,
    look_at,
    read_classes,
    to_class_ids,
)
from kseg.data.sample import Dataset, Sample

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
    facts = in_parallel(lambda pair: look_at(*pair, declared), listed, folder.name)
    classes = declared or count_classes([fact.ids for fact in facts])
    channels = 1 if all(fact.grey for fact in facts) else 3
    sample = pairs["train"][:: max(1, len(pairs["train"]) // DEPTH_SAMPLES)]
    white = max(white_of(read_raw(image)) for image, _ in sample)
    if not declared:
        say(f"{folder}: no classes.json; {len(classes.names)} classes by their ids")
    splits, start = {}, 0
    for name, split in pairs.items():
        sizes = [fact.size for fact in facts[start : start + len(split)]]
        start += len(split)
        images, masks = (list(paths) for paths in zip(*split, strict=True))
        splits[name] = FolderSplit(images, masks, sizes, classes, channels, white)
    return Dataset(str(folder), classes.names, classes.colors, splits, channels, white)


# --- which files belong together ---


def find_pairs(folder: Path, seed: int) -> dict[str, list[tuple[Path, Path]]]:
    """Split -> (image, mask) paths; a folder without `val` is split by `seed`."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data folder; --data shapes needs none")
    found = {s: pair_up(folder / s) for s in SPLITS if (folder / s).is_dir()}
    if not found and (folder / "images").is_dir():
        found = {"train": pair_up(folder)}
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
    say(f"{folder}: no val split; {count} of {len(pairs)} images, by --seed {seed}")
    val, train = sorted(order[:count]), sorted(order[count:])
    return {"train": [pairs[i] for i in train], "val": [pairs[i] for i in val]}


def pair_up(folder: Path) -> list[tuple[Path, Path]]:
    """The images of a split, each with the mask of the same stem."""
    for name in ("images", "masks"):
        if not (folder / name).is_dir():
            raise InputError(
                f"{folder}: has no folder {name!r}; make it beside the other"
            )
    masks = by_stem(folder / "masks")
    pairs = []
    for stem, image in by_stem(folder / "images").items():
        if stem not in masks:
            raise InputError(
                f"{image}: has no mask; add {folder / 'masks' / stem}.png or remove it"
            )
        if masks[stem].suffix.lower() in LOSSY:
            raise InputError(
                f"{masks[stem]}: JPEG and WebP blur class ids; save it as PNG"
            )
        pairs.append((image, masks[stem]))
    return pairs

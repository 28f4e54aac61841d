"""Which split each new image goes to, and which are there already.

A frame of a camera looks like those before and after it. A network must not be
validated on an image whose neighbour it was trained on, so images that look alike stay
in one split. Images look alike if their perceptual hashes differ by at most SIMILAR
bits, as for folds. New images that look alike, or are both like a third new one, are a
group. A group goes to test if one of it looks like an image of test, else to val if one
looks like an image of val, else to train if one looks like an image of train. A group
that looks like nothing there goes where the export has it; if it is divided there, to
test rather than val, and to val rather than train.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import NamedTuple, Sequence

import numpy as np

from edge.core.images import read_image
from kseg.core.remembered import checked
from kseg.data.checks.duplicates import (
    COPIED,
    SIMILAR,
    digest,
    distances,
    mark_copies,
    perceptual_hashes,
    thumbnail,
)
from kseg.data.chosen import image_files
from kseg.data.folds import connected
from kseg.data.sample import Dataset

HELD_BACK = ("test", "val", "train")  # the first of several splits is the place


class Look(NamedTuple):
    """What an image looks like: the digest of its pixels, its hashes (2, 4) uint64, of
    the image and of its mirror image, and a thumbnail (16, 16) uint8."""

    digest: bytes
    hashes: np.ndarray
    thumbnail: np.ndarray


class Looks(NamedTuple):
    """The looks of the images of a data set; `splits` and `names` tell which."""

    splits: list[str]
    names: list[str]
    looks: list[Look]

    def place(self, index: int) -> tuple[str, int]:
        """The split of an image, and its index there."""
        split = self.splits[index]
        return split, index - self.splits.index(split)

    @property
    def hashes(self) -> np.ndarray:
        """(n, 2, 4) uint64; zeros for images without a hash."""
        found = [look.hashes for look in self.looks]
        return np.stack(found) if found else np.zeros((0, 2, 4), np.uint64)

    @property
    def thumbnails(self) -> np.ndarray:
        """(n, 16, 16) uint8."""
        return np.stack([look.thumbnail for look in self.looks])


def looks_of(data: Dataset, channels: int, white_level: float) -> Looks:
    """What the images of a data folder look like, read as those of another folder."""

    def look(path) -> Look:
        image = read_image(path, channels, white_level)
        return Look(digest(image), perceptual_hashes(image), thumbnail(image))

    places = [(s, n) for s, split in data.splits.items() for n in split.names]
    files = [p for split in data.splits.values() for p in image_files(split) or ()]
    about = "merged looks", os.path.abspath(data.name), channels, white_level
    title = f"{data.name}, similar images"
    found = checked(look, files, title, about, lambda path: (path,))
    return Looks([s for s, _ in places], [n for _, n in places], found)


def already_there(new: Looks, old: Looks) -> dict[int, int]:
    """New image -> the image that it equals, pixel by pixel."""
    known = {look.digest: index for index, look in enumerate(old.looks)}
    return {
        index: known[look.digest]
        for index, look in enumerate(new.looks)
        if look.digest in known
    }


def copies(new: Looks, old: Looks) -> set[int]:
    """New images that are copies of one there, compressed, resized or mirrored."""
    if not (new.looks and old.looks):
        return set()
    hashes, thumbnails, found = old.hashes, old.thumbnails, set()
    known = has_hash(hashes)
    for index, look in enumerate(new.looks):
        if not look.hashes[0].any():
            continue
        bits = distances(look.hashes[None], hashes)[0]
        bits[~known] = np.iinfo(bits.dtype).max
        mark_copies(bits, look.thumbnail, thumbnails)
        if (bits == COPIED).any():
            found.add(index)
    return found


def has_hash(hashes: np.ndarray) -> np.ndarray:
    """Which of hashes (n, 2, 4) are those of an image that has one."""
    return hashes[:, 0].any(axis=1)


def places_of(new: Looks, old: Looks) -> list[str]:
    """The split that each new image goes to."""
    groups = connected(new.hashes)
    links: dict[int, set[str]] = defaultdict(set)
    own: dict[int, set[str]] = defaultdict(set)
    for index, group in enumerate(groups):
        own[group].add(new.splits[index])
        links[group] |= splits_alike(new.hashes[index], old)
    return [first_of(links[group] or own[group]) for group in groups]


def splits_alike(hashes: np.ndarray, old: Looks) -> set[str]:
    """The splits that have an image like one with the hashes (2, 4)."""
    if not (old.looks and hashes[0].any()):
        return set()
    bits = distances(hashes[None], old.hashes)[0]
    alike = np.flatnonzero((bits <= SIMILAR) & has_hash(old.hashes))
    return {old.splits[index] for index in alike}


def first_of(splits: Sequence[str] | set[str]) -> str:
    """The split that is held back most.

    >>> first_of({"train", "val"})
    'val'
    """
    return min(splits, key=HELD_BACK.index)


def only(looks: Looks, indices: Sequence[int]) -> Looks:
    """The looks of some of the images."""
    return Looks(*([column[i] for i in indices] for column in looks))


def moved_by_looks(new: Looks, places: Sequence[str]) -> dict[str, int]:
    """How many images go to another split than the export has them in, by split."""
    moved: dict[str, int] = {}
    for before, place in zip(new.splits, places, strict=True):
        if before != place:
            moved[place] = moved.get(place, 0) + 1
    return moved

"""A data set, its splits, and what identifies it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.resizing import limit_side
from kseg.core.progress import in_parallel


class Split(Protocol):
    """Labelled images: `sizes` are (height, width) of each, `names` for people.

    `files` are all that they are read from; none where they are procedural.
    """

    names: list[str]
    sizes: list[tuple[int, int]]
    files: list[Path]

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, channels) uint8 and mask (H, W) uint8, void being 255."""
        ...


@dataclass(frozen=True)
class Dataset:
    """A data set: its classes, what its images are like, its splits."""

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    splits: dict[str, Split]
    channels: int = 3
    white: float = 255.0
    task: str = "semantic"

    @property
    def num_classes(self) -> int:
        return len(self.names)

    @property
    def info(self) -> ModelInfo:
        """What a model trained on this data has to know of it."""
        return ModelInfo(names=self.names, colors=self.colors, white=self.white)

    def split(self, name: str) -> Split:
        if name not in self.splits:
            have = ", ".join(self.splits)
            raise InputError(f"{self.name}: has no split {name!r}; it has {have}")
        return self.splits[name]


CROP = 320  # the largest default crop
STEP_OF_CROP = 32
DIGITS = 16  # of 64: no two data sets of one person share them


def fingerprint(data: Dataset) -> str:
    """Hexadecimal digits that change with any file of any split, and with the classes.

    Of the files' names and contents (SHA-256), not of where the folder is. Procedural
    scenes have no files: theirs changes with their number alone.
    """
    total = hashlib.sha256(repr((data.names, data.colors)).encode())
    for name, split in data.splits.items():
        digests = in_parallel(digest, split.files, f"{name}, fingerprint")
        files = [path.name for path in split.files]
        total.update(repr((name, split.names, files, digests)).encode())
    return total.hexdigest()[:DIGITS]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def typical_size(data: Dataset, max_side: int) -> tuple[int, int]:
    """The most frequent size of the validation images as the network sees them."""
    sizes = (limit_side(size, max_side) for size in data.split("val").sizes)
    return Counter(sizes).most_common(1)[0][0]


def default_crop(data: Dataset, max_side: int) -> tuple[int, int]:
    """The images' own size in whole steps of 32, up to 320 a side."""
    size = typical_size(data, max_side)
    height, width = (
        min(CROP, max(STEP_OF_CROP, side // STEP_OF_CROP * STEP_OF_CROP))
        for side in size
    )
    return height, width

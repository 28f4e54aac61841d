"""A data set, its splits, and what identifies it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Optional, Protocol, Union

import numpy as np

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.resizing import limit_side
from kseg.core.progress import in_parallel

CROP = 320  # the largest default crop
STEP_OF_CROP = 32
DIGITS = 16  # of 64: no two data sets of one person share them


@dataclass(frozen=True)
class Objects:
    """The labelled objects of one image.

    `boxes` (N, 4) float32 are x0, y0, x1, y1 in pixels, right and bottom edges
    exclusive; `class_ids` (N,) int32 from 0; `crowd` (N,) bool says what stands for
    many at once. Each of the N bool `masks` is cut to its box: its shape is
    (ceil(y1) - floor(y0), ceil(x1) - floor(x0)); None where boxes are all there is.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    crowd: np.ndarray
    masks: Optional[tuple[np.ndarray, ...]] = None


Target = Union[np.ndarray, Objects]


class Sample(NamedTuple):
    """A labelled image: (H, W, channels) uint8, and what is to be predicted of it.

    The target of the semantic task is a mask (H, W) uint8 of class ids, void 255.
    """

    image: np.ndarray
    target: Target


class Split(Protocol):
    """Labelled images: `sizes` are (height, width) of each, `names` for people.

    `files` are all that they are read from; none where they are procedural.
    """

    names: list[str]
    sizes: list[tuple[int, int]]
    files: list[Path]

    def read(self, index: int) -> Sample:
        """One labelled image. Raises InputError for a file that cannot be read."""
        ...


@dataclass(frozen=True)
class Dataset:
    """A data set: its task and classes, what its images are like, its splits."""

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
        return ModelInfo(
            class_names=self.names,
            colors=self.colors,
            task=self.task,
            white_level=self.white,
        )

    def split(self, name: str) -> Split:
        """A split by its name. Raises InputError for one that is not there."""
        if name not in self.splits:
            have = ", ".join(self.splits)
            raise InputError(f"{self.name}: has no split {name!r}; it has {have}")
        return self.splits[name]

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with any file of any split, and the classes.

        Of the files' names and contents (SHA-256), not of where the folder is.
        Procedural scenes have no files: theirs changes with their number alone. The
        files are read the first time that it is asked for.
        """
        total = hashlib.sha256(repr((self.names, self.colors)).encode())
        for name, split in self.splits.items():
            digests = in_parallel(digest, split.files, f"{name}, fingerprint")
            files = [path.name for path in split.files]
            total.update(repr((name, split.names, files, digests)).encode())
        return total.hexdigest()[:DIGITS]

    def typical_size(self, max_side: int) -> tuple[int, int]:
        """The most frequent size of the validation images as the network sees them."""
        sizes = (limit_side(size, max_side) for size in self.split("val").sizes)
        return Counter(sizes).most_common(1)[0][0]

    def default_crop(self, max_side: int) -> tuple[int, int]:
        """The images' own size in whole steps of 32, up to 320 a side."""
        height, width = (
            min(CROP, max(STEP_OF_CROP, side // STEP_OF_CROP * STEP_OF_CROP))
            for side in self.typical_size(max_side)
        )
        return height, width


def digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

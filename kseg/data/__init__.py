"""Data by name: `open_data("shapes")` or `open_data("path/to/folder")`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.video import scenes

SHAPES_SCENES = {"train": 800, "val": 100, "test": 100}


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
class Data:
    """A data set: its classes, what its images are like, its splits."""

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    splits: dict[str, Split]
    channels: int = 3
    white: float = 255.0

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


@dataclass(frozen=True)
class ShapesSplit:
    """Procedural scenes 0 to count - 1 of one seed."""

    seed: int
    count: int

    @property
    def names(self) -> list[str]:
        return [f"scene {index}" for index in range(self.count)]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [scenes.SIZE] * self.count

    @property
    def files(self) -> list[Path]:
        return []

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return scenes.scene(self.seed, index)


def open_shapes() -> Data:
    counts = enumerate(SHAPES_SCENES.items())
    splits = {name: ShapesSplit(seed, count) for seed, (name, count) in counts}
    return Data("shapes", scenes.CLASSES, scenes.COLORS, splits)


def open_data(name: str, seed: int = 0) -> Data:
    """`shapes`, or the folder called `name`, checked file by file.

    `seed` splits a folder that has no splits. Raises InputError for the first fault.
    """
    if name == "shapes":
        return open_shapes()
    from kseg.data.folder import open_folder

    return open_folder(Path(name), seed)

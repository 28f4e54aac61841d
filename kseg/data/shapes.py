"""The data set `shapes`, made of procedural scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.video import scenes
from kseg.data.sample import Dataset, Sample

SHAPES_SCENES = {"train": 800, "val": 100, "test": 100}


@dataclass(frozen=True)
class ShapesSplit:
    """Procedural scenes 0 to `count` - 1 of a seed."""

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

    def read(self, index: int) -> Sample:
        return Sample(*scenes.scene(self.seed, index))


def open_shapes() -> Dataset:
    """Opens the data set of procedural scenes; each split has a seed of its own."""
    counts = enumerate(SHAPES_SCENES.items())
    splits = {name: ShapesSplit(seed, count) for seed, (name, count) in counts}
    return Dataset("shapes", scenes.CLASSES, scenes.COLORS, splits)

"""The data set `shapes`, made of procedural scenes, for every task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

from edge.video import scenes
from kseg.data.objects import objects_of_map
from kseg.data.sample import Dataset, Objects, Sample

SHAPES_SCENES = {"train": 800, "val": 100, "test": 100}
OBJECT_SCENES = {"train": 3200, "val": 200, "test": 200}
LEAST_AREA = 16  # visible pixels of an object; smaller ones are not labelled
ATTEMPTS = 20  # scenes tried until all of a fixed number of objects are visible


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


@dataclass(frozen=True)
class ObjectShapesSplit(ShapesSplit):
    """Scenes with their objects; with `masks` False only their boxes.

    `objects` is their number in each scene, or 0 for a random one. A scene in which
    some of a fixed number are hidden is replaced, at most ATTEMPTS times.
    """

    masks: bool = True
    objects: int = 0

    @property
    def names(self) -> list[str]:
        if not self.objects:
            return super().names
        return [f"{name} of {self.objects}" for name in super().names]

    def read(self, index: int) -> Sample:
        sample = self.drawn(index)
        for attempt in range(1, ATTEMPTS if self.objects else 1):
            if len(sample.target.boxes) == self.objects:
                break
            sample = self.drawn(index + attempt * self.count)
        return sample

    def drawn(self, index: int) -> Sample:
        """Scene `index` and its visible objects."""
        image, instances, class_ids = scenes.scene_objects(
            self.seed, index, count=self.objects
        )
        found = objects_of_map(instances, class_ids, LEAST_AREA)
        if not self.masks:
            found = Objects(found.boxes, found.class_ids, found.crowd)
        return Sample(image, found)


def open_shapes() -> Dataset:
    """Opens the data set of procedural scenes; each split has a seed of its own."""
    counts = enumerate(SHAPES_SCENES.items())
    splits = {name: ShapesSplit(seed, count) for seed, (name, count) in counts}
    return Dataset("shapes", scenes.CLASSES, scenes.COLORS, splits)


def open_object_shapes(task: str, masks: bool, objects: int = 0) -> Dataset:
    """Opens the scenes with their objects; they have classes without a background.

    `objects` is their number in each scene, or 0 for a random one.
    """
    splits = {
        name: ObjectShapesSplit(seed, count, masks, objects)
        for seed, (name, count) in enumerate(OBJECT_SCENES.items())
    }
    return Dataset("shapes", scenes.CLASSES[1:], scenes.COLORS[1:], splits, task=task)


# Task -> function that opens the scenes for it.
SHAPES: dict[str, Callable[..., Dataset]] = {
    "semantic": open_shapes,
    "instance": partial(open_object_shapes, "instance", True),
    "detection": partial(open_object_shapes, "detection", False),
}

"""Splits made of some images of other splits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

from kseg.data.folder import FolderSplit
from kseg.data.object_folder import ObjectSplit, SemanticSplit
from kseg.data.sample import Sample, Split

OF_LISTS = (FolderSplit, ObjectSplit)  # they hold a list of images and what is theirs
Part = tuple[Split, Sequence[int]]


@dataclass(frozen=True)
class SomeImages:
    """The images of a split at `indices`."""

    split: Split
    indices: list[int]

    @property
    def names(self) -> list[str]:
        return [self.split.names[index] for index in self.indices]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [self.split.sizes[index] for index in self.indices]

    @property
    def files(self) -> list[Path]:
        return self.split.files

    def read(self, index: int) -> Sample:
        return self.split.read(self.indices[index])


@dataclass(frozen=True)
class ChosenSplit:
    """The images of other splits at their indices, in this order."""

    parts: tuple[Part, ...]

    @cached_property
    def places(self) -> list[tuple[Split, int]]:
        return [(split, index) for split, indices in self.parts for index in indices]

    @property
    def names(self) -> list[str]:
        return [n for split, i in self.parts for n in picked(split.names, i)]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [s for split, i in self.parts for s in picked(split.sizes, i)]

    @property
    def files(self) -> list[Path]:
        """All files of the splits, as it is not known which images they belong to."""
        return list(dict.fromkeys(f for split, _ in self.parts for f in split.files))

    def read(self, index: int) -> Sample:
        split, own = self.places[index]
        return split.read(own)


def choose_images(parts: Sequence[Part]) -> Split:
    """One split of the images at `indices` of each (split, indices), in this order.

    Of splits of files it has their type, as some functions read only what they need of
    such a split.
    """
    first = parts[0][0]
    if isinstance(first, SemanticSplit):
        inner: Any = parts
        return SemanticSplit(choose_images([(split.objects, i) for split, i in inner]))
    if not isinstance(first, OF_LISTS):
        return ChosenSplit(tuple((split, tuple(i)) for split, i in parts))
    lists: dict[str, Any] = {
        item.name: [
            x for split, i in parts for x in picked(getattr(split, item.name), i)
        ]
        for item in fields(first)
        if isinstance(getattr(first, item.name), list)
    }
    return replace(first, **lists)


def image_files(split: Split) -> Optional[list[Path]]:
    """The image files of a split, in the order of its images; None if it has none."""
    inner = split.objects if isinstance(split, SemanticSplit) else split
    return inner.images if isinstance(inner, OF_LISTS) else None


def picked(values: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    """The values at some indices.

    >>> picked("abc", [2, 0])
    ['c', 'a']
    """
    return [values[index] for index in indices]

"""Counts of what a data folder holds, for the result of `kseg prepare`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Optional


@dataclass(frozen=True)
class ObjectCounts:
    """The objects of a data folder: how many of each class, without `crowds`.

    `empty` counts images without objects; `skipped` and `changed` count labels that
    were left out or corrected, by the reason. `images` counts the images of each class,
    `bare` has the splits without any object.
    """

    classes: dict[str, int]
    crowds: int = 0
    empty: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    bare: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.classes.values())


@dataclass(frozen=True)
class MaskCounts:
    """The masks of a data folder: images and pixels of each class, and void pixels.

    `only_void` names the images whose masks have no labelled pixel. `skipped` counts
    shapes of the labels that are not in the masks, each under a text that says why.
    `one_class` has the splits whose labelled pixels are all of one class, and which.
    """

    images: dict[str, int]
    pixels: dict[str, int]
    void: int = 0
    only_void: tuple[str, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    one_class: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MergeCounts:
    """What was added to a data folder.

    `added` counts the new images of each split, `moved` those of them that went to a
    split because they look like its images. `present` counts images that were there
    already, `relabelled` those of them that have other labels now, which are not taken,
    and `kept` are their files in the data folder.
    `copies` counts images left out because one that was there is a copy. `renamed` maps
    SPLIT/NAME in the export to the new name.
    """

    added: dict[str, int]
    moved: dict[str, int]
    present: int = 0
    relabelled: int = 0
    copies: int = 0
    kept: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProposalCounts:
    """The proposals of a split: `hits` of its `objects` overlap one by half or more."""

    images: int
    boxes: int
    objects: int
    hits: int

    @property
    def recall(self) -> Optional[float]:
        """The share of the objects that a proposal finds; None without any object."""
        return self.hits / self.objects if self.objects else None

    @property
    def boxes_per_image(self) -> float:
        return self.boxes / max(1, self.images)

    def record(self) -> dict[str, Any]:
        """The content of --json."""
        return {**asdict(self), "recall": self.recall}

    def __str__(self) -> str:
        found = "no object" if self.recall is None else f"recall {self.recall:.3f}"
        return (
            f"{self.boxes_per_image:.0f} proposals an image in {self.images} images; "
            f"{found} at IoU 0.5"
        )

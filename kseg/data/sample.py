"""A data set, its splits and its fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Optional, Protocol, Union

import numpy as np

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.resizing import limit_side
from kseg.core.remembered import checked

MAX_CROP = 320  # the largest default crop
CROP_STEP = 32
DIGITS = 16  # of 64 hexadecimal digits; enough to tell data sets apart


@dataclass(frozen=True)
class Objects:
    """The labelled objects of one image.

    `boxes` (N, 4) float32 are x0, y0, x1, y1 in pixels, right and bottom edges
    exclusive; `class_ids` (N,) int32 start at 0; `crowd` (N,) bool marks regions that
    contain many objects. Each of the N bool `masks` is cropped to its box: its shape is
    (ceil(y1) - floor(y0), ceil(x1) - floor(x0)). `masks` is None if only boxes are
    labelled. `proposals` (M, 4) float32 are boxes that may hold an object, for networks
    that need them; see kseg.data.proposals.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    crowd: np.ndarray
    masks: Optional[tuple[np.ndarray, ...]] = None
    proposals: Optional[np.ndarray] = None


Target = Union[np.ndarray, Objects]


class Sample(NamedTuple):
    """A labelled image (H, W, channels) uint8 and its target.

    The target of the semantic task is a mask (H, W) uint8 of class ids, void 255.
    """

    image: np.ndarray
    target: Target


class Split(Protocol):
    """Labelled images. `sizes` are their (height, width), `names` are for display.

    `files` are all files that they are read from; none for procedural images.
    """

    names: list[str]
    sizes: list[tuple[int, int]]
    files: list[Path]

    def read(self, index: int) -> Sample:
        """One labelled image. Raises InputError for a file that cannot be read."""
        ...


@dataclass(frozen=True)
class Dataset:
    """A data set: its task, classes and splits, and the format of its images.

    `white_level` is the value of 16-bit images that is displayed as white. `whole` is
    the data set that this one has some images of, if not all.
    """

    name: str
    class_names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    splits: dict[str, Split]
    channels: int = 3
    white_level: float = 255.0
    task: str = "semantic"
    whole: Optional[Dataset] = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def info(self) -> ModelInfo:
        """The information stored with a model that is trained on this data set."""
        return ModelInfo(
            class_names=self.class_names,
            colors=self.colors,
            task=self.task,
            white_level=self.white_level,
        )

    def split(self, name: str) -> Split:
        """Returns a split by its name. Raises InputError if it does not exist."""
        if name not in self.splits:
            known = ", ".join(self.splits)
            are = "splits are" if len(self.splits) > 1 else "only split is"
            needed = f"; add {self.name}/{name}/images and their labels"
            raise InputError(
                f"{self.name}: no split {name!r}; the {are} {known}"
                f"{needed if name == 'train' else ''}"
            )
        return self.splits[name]

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the classes and the files of all splits.

        A SHA-256 of the classes, and of the names and contents of the files; it does
        not depend on the path of the folder. For procedural scenes, which have no
        files, it depends on their number. Files are read on first access, unless their
        digests are remembered. Some images have the fingerprint of all.
        """
        if self.whole is not None:
            return self.whole.fingerprint
        total = hashlib.sha256(repr((self.class_names, self.colors)).encode())
        for name, split in self.splits.items():
            about = "sha256", os.path.abspath(self.name), name
            text = f"content of {name}"
            digests = checked(digest, split.files, text, about, lambda path: (path,))
            files = [path.name for path in split.files]
            total.update(repr((name, split.names, files, digests)).encode())
        return total.hexdigest()[:DIGITS]

    def typical_size(self, max_side: int) -> tuple[int, int]:
        """The most frequent size of the validation images, limited to `max_side`."""
        sizes = (limit_side(size, max_side) for size in self.split("val").sizes)
        return Counter(sizes).most_common(1)[0][0]

    def default_crop(self, max_side: int) -> tuple[int, int]:
        """The typical size rounded down to multiples of 32, from 32 to 320 a side."""
        height, width = (
            min(MAX_CROP, max(CROP_STEP, side // CROP_STEP * CROP_STEP))
            for side in self.typical_size(max_side)
        )
        return height, width


def with_white_level(data: Dataset, level: float) -> Dataset:
    """The data set with images of 16 bits read so that `level` is white.

    A model must see the images of any folder as those it was trained on.
    """

    def changed(split: Any) -> Any:
        names = [item.name for item in fields(split)] if is_dataclass(split) else []
        if "white_level" in names:
            return replace(split, white_level=level)
        inner = {n: getattr(split, n) for n in ("split", "objects") if n in names}
        parts = {n: changed(part) for n, part in inner.items() if is_dataclass(part)}
        return replace(split, **parts) if parts else split

    splits = {name: changed(split) for name, split in data.splits.items()}
    return replace(data, splits=splits, white_level=level)


def digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

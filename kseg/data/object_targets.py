"""Where the objects of one image are stored: in `objects.json`, or as a map of ids."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional, Union

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.data.masks import (
    check_ids,
    colors_to_ids,
    is_lossy,
    load_mask,
    load_upright,
    lossy_error,
)
from kseg.data.object_classes import MOST, ObjectClasses
from kseg.data.objects import objects_of_map
from kseg.data.objects_file import LabelledImage, boxes_of, objects_of
from kseg.data.sample import Objects

SAME_CLASS = 0.99  # of an object's pixels must have one class
LARGEST_ID = 65535  # of 16 bits


class TargetError(InputError):
    """The labels of one image are wrong. `kind` groups such errors.

    `detail` describes the error, `advice` what to do; both are in the message.
    """

    def __init__(self, kind: str, path: Path, detail: str, advice: str):
        super().__init__(f"{path}: {detail}; {advice}")
        self.kind = kind
        self.detail = detail


class FileTarget(NamedTuple):
    """Objects that are listed in `file`, objects.json."""

    file: Path
    labelled: LabelledImage

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    def check(
        self, image: Path, size: tuple[int, int], classes: Optional[ObjectClasses]
    ) -> int:
        """The number of classes that are needed at least.

        Raises TargetError if the image file has another size than is listed.
        """
        if self.labelled.size != size:
            raise TargetError(
                "sizes",
                image,
                f"the image is {format_size(size)}, but {self.file.name} has it as "
                f"{format_size(self.labelled.size)}",
                "export the image and its objects again",
            )
        return 1 + max((each.class_id for each in self.labelled.objects), default=-1)

    @property
    def without_outline(self) -> int:
        """The number of objects that have only a box; crowds do not count."""
        objects = self.labelled.objects
        return sum(not each.outlined and not each.crowd for each in objects)

    def read(
        self, image: Path, classes: Optional[ObjectClasses], masks: bool
    ) -> Objects:
        """The objects, with or without masks; boxes alone are those of the file."""
        return objects_of(self.labelled) if masks else boxes_of(self.labelled)


class MapTarget(NamedTuple):
    """Objects as a map of ids, and a mask of their classes or None for one class."""

    instances: Path
    mask: Optional[Path]

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.instances, self.mask) if self.mask else (self.instances,)

    def check(
        self, image: Path, size: tuple[int, int], classes: Optional[ObjectClasses]
    ) -> int:
        """As `FileTarget.check`; raises InputError for all other errors as well."""
        _, class_ids = self.load(image, classes, size)
        return 1 + int(class_ids.max(initial=-1))

    @property
    def without_outline(self) -> int:
        return 0

    def read(
        self, image: Path, classes: Optional[ObjectClasses], masks: bool
    ) -> Objects:
        """The objects, with or without masks; boxes are tight."""
        instances, class_ids = self.load(image, classes)
        found = objects_of_map(instances, class_ids)
        if masks:
            return found
        return Objects(found.boxes, found.class_ids, found.crowd)

    def load(
        self,
        image: Path,
        classes: Optional[ObjectClasses],
        size: Optional[tuple[int, int]] = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The map (H, W) uint16 and the class of each id from 1 on, (N,) int32.

        Raises InputError for files that cannot be read, are of another size than
        `size`, by default that of the map, or have objects without a class.
        """
        instances = load_instances(self.instances, image)
        size = size or instances.shape
        check_size(self.instances, instances.shape, size)
        if self.mask is None:
            return instances, np.zeros(int(instances.max(initial=0)), np.int32)
        if is_lossy(self.mask):
            raise InputError(lossy_error(self.mask))
        mask = load_mask(self.mask, image)
        check_size(self.mask, mask.shape[:2], size)
        if mask.ndim == 3:
            colors = classes.file_colors if classes else {}
            mask = colors_to_ids(mask, self.mask, colors)
        limit = len(classes.names) if classes else MOST
        return instances, classes_of(instances, mask, limit, self.mask)


Target = Union[FileTarget, MapTarget]


def load_instances(path: Path, image: Path) -> np.ndarray:
    """Reads a map of ids, upright: (H, W) uint16, 0 for none, k for object k.

    Raises InputError if it cannot be read or is not grey.
    """
    if is_lossy(path):
        raise InputError(lossy_error(path))
    ids = load_upright(path, image)
    if ids.ndim == 3:
        raise TargetError(
            "ids", path, "has colours instead of ids", "save it as 16-bit grey PNG"
        )
    check_ids(ids, path, LARGEST_ID)
    return ids.astype(np.uint16)


def check_size(path: Path, size: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises TargetError if a map or mask has another size than its image."""
    if size != expected:
        raise TargetError(
            "sizes",
            path,
            f"is {format_size(size)}, but its image is {format_size(expected)}",
            "export it at the image's size",
        )


def classes_of(
    instances: np.ndarray, mask: np.ndarray, limit: int, path: Path
) -> np.ndarray:
    """The class of each id of a map (H, W), from a mask (H, W) of 0 to `limit`.

    Mask id k + 1 is class k, 0 is no class. Returns (N,) int32 for ids 1 to N, 0 for
    absent ids. Raises TargetError for an object that has no class or several.
    """
    result = np.zeros(int(instances.max(initial=0)), np.int32)
    inside = instances > 0
    present, places = np.unique(instances[inside], return_inverse=True)
    codes = places.ravel() * 256 + mask[inside]
    counts = np.bincount(codes, minlength=256 * len(present)).reshape(-1, 256)
    for number, row in zip(present.tolist(), counts, strict=True):
        found = int(row.argmax())
        share = row[found] / row.sum()
        if share < SAME_CLASS:
            second = int(np.argsort(row, kind="stable")[-2])
            raise TargetError(
                "object classes",
                path,
                f"object {number} has the ids {found} ({share:.0%}) and {second}",
                "give all its pixels the id of its class",
            )
        if not 1 <= found <= limit:
            raise TargetError(
                "object classes",
                path,
                f"object {number} has the id {found}",
                f"give it the id of a class, 1 to {limit}",
            )
        result[number - 1] = found - 1
    return result

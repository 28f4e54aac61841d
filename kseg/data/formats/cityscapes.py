"""Cityscapes: leftImg8bit/SPLIT/CITY/ and gtFine/SPLIT/CITY/NAME_gtFine_labelIds.png.

Of the 34 ids of labelIds, 19 are the classes that are evaluated; the others are void.
Without labelIds, labelTrainIds are read, which hold the 19 ids. gtCoarse is read if
there is no gtFine. Objects are in instanceIds: 8 of the classes have some, and regions
of several are crowds.

CVAT's "Cityscapes 1.0" has its images in imgsFine/leftImg8bit/, and the classes of the
task in label_colors.txt: their colours are in NAME_gtFine_color.png.

Reference: https://github.com/mcordts/cityscapesScripts
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.images import is_image
from kseg.data.formats.camvid import COLORS, read_colors
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.formats.objects import of_mask
from kseg.data.formats.source import (
    Color,
    SourceDataset,
    SourceObjects,
    SourcePair,
    split_of,
)
from kseg.data.masks import INVALID, Classes, load_upright

DESCRIPTION = "leftImg8bit/ with gtFine/**/NAME_gtFine_labelIds.png (Cityscapes)"
LABELS = ("gtFine", "gtCoarse")
KINDS = ("labelIds", "labelTrainIds")
COLORED = "color"
INSTANCES = "instanceIds"
IMAGE = re.compile(r"(.+)_leftImg8bit\.\w+")
IDS = 34
PER_CLASS = 1000  # an object's id is that of its class times 1000, and its number


class CityClass(NamedTuple):
    """A class: its id in labelIds, its colour, and whether it has objects."""

    id: int
    color: Color
    things: bool = False


CLASSES: dict[str, CityClass] = {
    "road": CityClass(7, (128, 64, 128)),
    "sidewalk": CityClass(8, (244, 35, 232)),
    "building": CityClass(11, (70, 70, 70)),
    "wall": CityClass(12, (102, 102, 156)),
    "fence": CityClass(13, (190, 153, 153)),
    "pole": CityClass(17, (153, 153, 153)),
    "traffic light": CityClass(19, (250, 170, 30)),
    "traffic sign": CityClass(20, (220, 220, 0)),
    "vegetation": CityClass(21, (107, 142, 35)),
    "terrain": CityClass(22, (152, 251, 152)),
    "sky": CityClass(23, (70, 130, 180)),
    "person": CityClass(24, (220, 20, 60), True),
    "rider": CityClass(25, (255, 0, 0), True),
    "car": CityClass(26, (0, 0, 142), True),
    "truck": CityClass(27, (0, 0, 70), True),
    "bus": CityClass(28, (0, 60, 100), True),
    "train": CityClass(31, (0, 80, 100), True),
    "motorcycle": CityClass(32, (0, 0, 230), True),
    "bicycle": CityClass(33, (119, 11, 32), True),
}
THINGS = tuple(name for name, one in CLASSES.items() if one.things)


def matches(folder: Path) -> bool:
    """Whether a folder has masks of labelIds or labelTrainIds in one of LABELS."""
    return any(mask_files(folder, kind) for kind in KINDS)


def mask_files(folder: Path, kind: str) -> list[Path]:
    """The files of a kind, in folders of cities, of the first of LABELS with some."""
    for name in LABELS:
        roots = folder.glob(f"{name}*/")
        found = [p for root in roots for p in root.rglob(f"*_{name}_{kind}.png")]
        if found:
            return sorted(found)
    return []


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all masks of classes."""
    kind, classes = read_classes(folder)
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    for path, image, split in pairs_of(export, folder, kind):
        mask = partial(read_class_mask, path, image, classes)
        pair = SourcePair(image.stem, image, mask, origin=str(path))
        export.splits[split].append(pair)
    return export


def read_classes(folder: Path) -> tuple[str, Classes]:
    """The kind of masks that are read, and what their ids or colours mean."""
    own = folder / COLORS
    if own.is_file():
        kind = COLORED if mask_files(folder, COLORED) else KINDS[0]
        return kind, read_colors(own)
    kind = next(kind for kind in KINDS if mask_files(folder, kind))
    return kind, classes_of(kind)


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all files of objects.

    Raises InputError if there are none, or their classes are not those of Cityscapes.
    """
    if (folder / COLORS).is_file():
        raise InputError(
            f"{folder / COLORS}: names classes of its own, whose objects are not read; "
            "use --task semantic, or export it as COCO"
        )
    colors = tuple(CLASSES[name].color for name in THINGS)
    export = SourceDataset(skip_missing, THINGS, colors)
    for path, image, split in pairs_of(export, folder, INSTANCES):
        objects = partial(read_image_objects, path, image)
        pair = SourcePair(image.stem, image, objects=objects, origin=str(path))
        export.splits[split].append(pair)
    if not mask_files(folder, INSTANCES):
        raise InputError(
            f"{folder}: has no *_{INSTANCES}.png that tell objects apart; use --task "
            "semantic"
        )
    return export


READERS = {"semantic": read, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    return "semantic"


def pairs_of(
    export: SourceDataset, folder: Path, kind: str
) -> list[tuple[Path, Path, str]]:
    """The files of a kind, each with its image and split; others are counted."""
    images = images_of(folder)
    found = []
    for path in mask_files(folder, kind):
        frame, label = path.stem.removesuffix(f"_{kind}").rsplit("_", 1)
        image = images.pop(frame, None)
        if image is None:
            export.add_missing(
                folder / "leftImg8bit" / f"{frame}_leftImg8bit.png", path
            )
            continue
        found.append((path, image, split_in(path.relative_to(folder))))
    export.unlabelled = len(images)
    return found


def images_of(folder: Path) -> dict[str, Path]:
    """The frame that a file's name states -> the image, of all leftImg8bit folders."""
    found: dict[str, Path] = {}
    roots = [*folder.glob("leftImg8bit*/"), *folder.glob("imgsFine/leftImg8bit*/")]
    for root in sorted(roots):
        for path in sorted(filter(is_image, root.rglob("*"))):
            name = IMAGE.fullmatch(path.name)
            if name:
                found.setdefault(name[1], path)
    return found


def split_in(path: Path) -> str:
    """The split that one of the folders of a path names; train_extra is train."""
    return next(filter(None, map(split_of, path.parts[:-1])), "")


def classes_of(kind: str) -> Classes:
    """The 19 classes, and the table from the ids of a kind of masks to their ids."""
    table = np.full(256, INVALID)
    table[IGNORE_INDEX] = IGNORE_INDEX
    if kind == KINDS[0]:
        table[:IDS] = IGNORE_INDEX
        table[[one.id for one in CLASSES.values()]] = np.arange(len(CLASSES))
    else:
        table[: len(CLASSES)] = np.arange(len(CLASSES))
    colors = tuple(one.color for one in CLASSES.values())
    return Classes(tuple(CLASSES), colors, table, source=f"Cityscapes' {kind}")


def read_image_objects(path: Path, image: Path) -> SourceObjects:
    """The objects of instanceIds; an id below 1000 is a region of several."""
    ids = load_upright(path, image)
    if ids.ndim != 2:
        raise InputError(f"{path}: must be a grey PNG of 16 bits; copy it again")
    numbers = {CLASSES[name].id: index for index, name in enumerate(THINGS)}
    found = []
    for value in np.unique(ids).tolist():
        class_id = class_of(value, numbers)
        if class_id is not None:
            found.append(of_mask(class_id, ids == value, crowd=value < PER_CLASS))
    return SourceObjects(ids.shape, tuple(one for one in found if one))


def class_of(value: int, numbers: dict[int, int]) -> Optional[int]:
    """The class id of an object's id; None for classes without objects.

    >>> class_of(26003, {26: 2}), class_of(26, {26: 2}), class_of(7, {26: 2})
    (2, 2, None)
    """
    return numbers.get(value // PER_CLASS if value >= PER_CLASS else value)

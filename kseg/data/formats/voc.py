"""Pascal VOC, and CVAT's "Segmentation mask 1.1", which has the same layout.

JPEGImages/NAME.jpg, SegmentationClass/NAME.png, ImageSets/Segmentation/SPLIT.txt.
CVAT's masks are RGB, with the colours listed in labelmap.txt; VOC's hold ids with a
palette, where 255 is the border between objects.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-smask
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.core.images import is_image
from kseg.data.formats.source import (
    BACKGROUND,
    BLACK,
    Color,
    SourceDataset,
    SourcePair,
    classes_of,
    is_background,
    read_text,
    split_of,
)
from kseg.data.masks import Classes, load_mask, to_class_ids

DESCRIPTION = "SegmentationClass/ with JPEGImages/ and ImageSets/ (Pascal VOC, CVAT)"
LABELMAP = "labelmap.txt"
IMAGES = "JPEGImages"
MASKS = "SegmentationClass"
NAMES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable "
    "dog horse motorbike person pottedplant sheep sofa train tvmonitor void"
).split()
BORDER: Color = (224, 224, 192)  # colour 255 of VOC's palette


def matches(folder: Path) -> bool:
    return (folder / MASKS).is_dir()


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads the pairs listed in ImageSets; without lists, all masks."""
    path = folder / LABELMAP
    classes = read_labelmap(path) if path.is_file() else voc_classes(folder)
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    images = find_images(folder / IMAGES)
    for name, split in list_names(folder).items():
        mask = folder / MASKS / f"{name}.png"
        if not mask.is_file():  # CVAT lists frames without labels too
            export.unlabelled += 1
        elif name not in images:
            export.add_missing(folder / IMAGES / f"{name}.jpg", mask)
        else:
            image = images[name]
            reader = partial(read_mask, mask, image, classes)
            export.splits[split].append(SourcePair(image.stem, image, reader))
    return export


def read_mask(path: Path, image: Path, classes: Classes) -> np.ndarray:
    """Reads a mask of ids, or of labelmap.txt's colours: (H, W) uint8, upright."""
    colored = classes.source == LABELMAP
    return to_class_ids(load_mask(path, image, colored), path, classes)


def voc_classes(folder: Path) -> Classes:
    """The 21 classes of VOC, by id and by colour."""
    ids = [*range(len(NAMES) - 1), IGNORE_INDEX]
    colors = [*palette(len(NAMES) - 1), BORDER]
    labels = dict(zip(ids, zip(NAMES, colors, strict=True), strict=True))
    return classes_of(labels, folder / MASKS)


def read_labelmap(path: Path) -> Classes:
    """Reads lines `label:R,G,B:parts:actions`.

    Black is background, even if it is not listed. If no line has a colour, the colours
    are VOC's in order. Raises InputError for an invalid line.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    labels = [read_label(line, path) for line in lines if line and line[0] != "#"]
    if labels and not any(color for _, color in labels):
        names = [name for name, _ in labels]
        labels = list(zip(names, palette(len(names)), strict=True))
    for name, color in labels:
        if color is None:
            raise InputError(
                f"{path}: the label {name!r} has no colour; write {name}:R,G,B::"
            )
    if not any(is_background(*label) for label in labels):
        labels.insert(0, (BACKGROUND, BLACK))
    if len(labels) > 256:
        raise InputError(f"{path}: {len(labels)} labels; the maximum is 256")
    return classes_of(dict(enumerate(labels)), path)


def read_label(line: str, path: Path) -> tuple[str, Optional[Color]]:
    name, *rest = line.rsplit(":", 3)
    try:
        color = tuple(int(value) for value in rest[0].split(",")) if rest[0] else None
        if len(rest) != 3 or color and (len(color) != 3 or not in_bytes(color)):
            raise ValueError
    except (ValueError, IndexError):
        raise InputError(
            f"{path}: invalid line {line!r}; expected NAME:R,G,B::, such as "
            "road:128,64,128::"
        ) from None
    return name, color


def in_bytes(color: tuple[int, ...]) -> bool:
    return 0 <= min(color) <= max(color) <= 255


def list_names(folder: Path) -> dict[str, str]:
    """Name -> split; empty for names that only other files (default.txt) list."""
    lists = sorted((folder / "ImageSets" / "Segmentation").glob("*.txt"))
    names: dict[str, str] = {}
    for path in sorted(lists, key=lambda path: not split_of(path.stem)):
        lines = (line.strip() for line in read_text(path).splitlines())
        split = split_of(path.stem)
        for name in filter(None, lines):
            names.setdefault(name, split)
    if not lists:
        masks = sorted(filter(is_image, (folder / MASKS).rglob("*.png")))
        names = {key_of(path, folder / MASKS): "" for path in masks}
    return names


def find_images(folder: Path) -> dict[str, Path]:
    """Name, with its folders and without suffix -> image file."""
    found: dict[str, Path] = {}
    for path in sorted(filter(is_image, folder.rglob("*"))):
        other = found.setdefault(key_of(path, folder), path)
        if other != path:
            raise InputError(
                f"{path}: {other.name} has the same stem; keep one of them"
            )
    return found


def key_of(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()

"""Pascal VOC, and CVAT's "Segmentation mask 1.1", which has the same layout.

JPEGImages/NAME.jpg, SegmentationClass/NAME.png, ImageSets/Segmentation/SPLIT.txt.
CVAT's masks are RGB, with the colours listed in labelmap.txt; VOC's hold ids with a
palette, where 255 is the border between objects. Those of labelme's exporter hold the
ids of the lines of class_names.txt; older ones are in SegmentationClassPNG/.
SegmentationObject/NAME.png tells the objects apart; boxes are in Annotations/NAME.xml.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-smask
"""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError, quoted, shortened
from edge.core.images import is_image
from kseg.data.formats import voc_boxes
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.formats.frames import same_keys
from kseg.data.formats.labels import BACKGROUND, means_background
from kseg.data.formats.source import (
    BLACK,
    Color,
    SourceDataset,
    SourceObjects,
    SourcePair,
    classes_of,
    read_text,
    without_background,
)
from kseg.data.formats.voc_boxes import ANNOTATIONS
from kseg.data.formats.voc_instances import BORDER, objects_of_maps
from kseg.data.formats.voc_lists import (
    check_listed,
    find_images,
    key_of,
    list_names,
    log_unlisted,
)
from kseg.data.masks import Classes, load_mask
from kseg.data.objects_file import BOXES_ONLY

DESCRIPTION = "SegmentationClass/ with JPEGImages/ and ImageSets/ (Pascal VOC, CVAT)"
LABELMAP = "labelmap.txt"
NAME_LISTS = ("class_names.txt", "labels.txt", "classes.txt")  # a name in each line
IMAGES = "JPEGImages"
MASKS = "SegmentationClass"
OBJECTS = "SegmentationObject"
LABELME_VOID = "__ignore__"
PNG = "PNG"  # after these two, where labelme wrote arrays into the folders without
VOC_NAME = re.compile(r"(\d{4}_)?\d{6}")
NAMES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable "
    "dog horse motorbike person pottedplant sheep sofa train tvmonitor void"
).split()


log = logging.getLogger(__name__)


def matches(folder: Path) -> bool:
    return (folder / MASKS).is_dir()


def folder_of(folder: Path, name: str) -> Path:
    """The folder of the masks, or of the objects, that holds PNG files."""
    older = folder / f"{name}{PNG}"
    return older if older.is_dir() else folder / name


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads the pairs listed in ImageSets; without lists, all masks."""
    classes = read_classes(folder)
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    names = names_of(folder)
    images = same_keys(find_images(folder / IMAGES), names)
    masks = same_keys(mask_files(folder), names)
    check_listed(names, masks, folder / MASKS)
    log_unlisted(names, masks, folder / MASKS)
    for name, split in names.items():
        mask = masks.get(name)
        if mask is None:  # CVAT lists frames without labels too
            export.unlabelled += 1
        elif name not in images:
            export.add_missing(folder / IMAGES / f"{name}.jpg", mask)
        else:
            image = images[name]
            reader = partial(read_mask, mask, image, classes)
            objects = partial(read_image_objects, folder, mask, image, classes)
            pair = SourcePair(image.stem, image, reader, objects=objects)
            export.splits[split].append(pair)
    return export


def names_of(folder: Path) -> dict[str, str]:
    """Name -> split, of the lists, or without lists of all masks."""
    names = list_names(sorted((folder / "ImageSets" / "Segmentation").glob("*.txt")))
    if names is None:
        names = dict.fromkeys(mask_files(folder), "")
    return names


def mask_files(folder: Path) -> dict[str, Path]:
    """Name, with its folders and without suffix -> mask; a PNG before another file."""
    inside = folder_of(folder, MASKS)
    found = sorted(filter(is_image, inside.rglob("*")))
    masks: dict[str, Path] = {}
    for path in sorted(found, key=lambda path: path.suffix.lower() != ".png"):
        masks.setdefault(key_of(path, inside), path)
    return dict(sorted(masks.items()))


def read_boxes(folder: Path, skip_missing: bool) -> SourceDataset:
    """The boxes of Annotations/; without these, the boxes of the instances."""
    if voc_boxes.matches(folder):
        return voc_boxes.read(folder, skip_missing)
    return read_instances(folder, skip_missing)


def read_instances(folder: Path, skip_missing: bool) -> SourceDataset:
    """The objects of SegmentationObject/, whose classes are in SegmentationClass/."""
    if not folder_of(folder, OBJECTS).is_dir():
        raise InputError(
            f"{folder}: has no {OBJECTS}/ that tells objects of one class apart; "
            + (BOXES_ONLY if voc_boxes.matches(folder) else "use --task semantic")
        )
    return without_background(read(folder, skip_missing))


READERS = {"semantic": read, "detection": read_boxes, "instance": read_instances}


def default_task(folder: Path) -> str:
    return "semantic"


def read_mask(path: Path, image: Path, classes: Classes) -> np.ndarray:
    """Reads a mask of ids, or of labelmap.txt's colours: (H, W) uint8, upright."""
    return read_class_mask(path, image, classes, colored=classes.source == LABELMAP)


def read_image_objects(
    folder: Path, mask: Path, image: Path, classes: Classes
) -> SourceObjects:
    """The objects of an image; a `difficult` one of its XML file is a crowd."""
    name = mask.relative_to(folder_of(folder, MASKS))
    path = folder_of(folder, OBJECTS) / name
    instances = load_mask(path, image)
    class_ids = read_mask(mask, image, classes)
    annotation = folder / ANNOTATIONS / name.with_suffix(".xml")
    listed = voc_boxes.scan(annotation).objects if annotation.is_file() else ()
    names = classes.names[1:]
    return objects_of_maps(instances, class_ids, names, listed, path)


def read_classes(folder: Path) -> Classes:
    """The classes of the file that names them; without any, those of VOC."""
    path = folder / LABELMAP
    if path.is_file():
        return read_labelmap(path)
    lists = [folder / name for name in NAME_LISTS if (folder / name).is_file()]
    if lists:
        return read_names(lists[0])
    if not all(VOC_NAME.fullmatch(name) for name in names_of(folder)):
        log.warning(
            f"{folder}: has neither {LABELMAP} nor {NAME_LISTS[0]}; its ids are taken "
            "for the 21 classes of Pascal VOC: 0 background, 1 aeroplane, 2 bicycle, …"
        )
    return voc_classes(folder)


def read_names(path: Path) -> Classes:
    """The classes of a list of names; a line's number is the id, from 0.

    A list for labelme's exporter begins with `__ignore__`, whose id is -1, and the
    background. Colours of masks are VOC's. Raises InputError for a list that is not of
    classes.
    """
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if len(names) > 1 and names[0] == LABELME_VOID and means_background(names[1]):
        del names[0]
    if path.name != NAME_LISTS[0] and not any(map(means_background, names)):
        raise InputError(
            f"{path}: names no background, so its first name may be id 0 or id 1; "
            f"write {NAME_LISTS[0]} with a name for each id from 0"
        )
    if len(names) > IGNORE_INDEX:
        raise InputError(
            f"{path}: {len(names)} names; the maximum is {IGNORE_INDEX}, as 255 is void"
        )
    colors = palette(len(names))
    labels = dict(enumerate(zip(names, colors, strict=True)))
    return classes_of({**labels, IGNORE_INDEX: ("void", BORDER)}, path)


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
                f"{path}: the label {quoted(name)} has no colour; write "
                f"{shortened(name)}:R,G,B::"
            )
    if not any(means_background(name) or color == BLACK for name, color in labels):
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
            f"{path}: invalid line {quoted(line)}; expected NAME:R,G,B::, such as "
            "road:128,64,128::"
        ) from None
    return name, color


def in_bytes(color: tuple[int, ...]) -> bool:
    return 0 <= min(color) <= max(color) <= 255

"""Boxes as in Pascal VOC: one XML file for each image.

Annotations/NAME.xml with JPEGImages/NAME.jpg and ImageSets/Main/SPLIT.txt, or NAME.xml
beside NAME.jpg, also in {train,valid,test}/ (labelImg, Roboflow), or in a folder beside
images/ or data/ (FiftyOne).

VOC counts pixels from 1, and the last pixel is inside: the box is xmin - 1, ymin - 1,
xmax, ymax. Objects marked `difficult` are crowds, which do not count as errors.

Reference: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.core.images import list_images
from kseg.core.progress import in_parallel
from kseg.data.formats.frames import same_keys
from kseg.data.formats.labels import labels_of
from kseg.data.formats.objects import check_sides, of_box
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    check_names,
    check_size,
    split_above,
    without_background,
)
from kseg.data.formats.voc_lists import (
    check_listed,
    find_images,
    key_of,
    list_names,
    log_unlisted,
)
from kseg.data.formats.xml_file import Element, has_root, number, read_xml
from kseg.data.masks import files_by_stem, inspect_image, open_image, stored_size
from kseg.data.objects_file import BOXES_ONLY, Box
from kseg.data.outlines import are_shares, not_pixels

DESCRIPTION = "Annotations/NAME.xml, or NAME.xml next to NAME.jpg (boxes as in VOC)"
ANNOTATIONS = "Annotations"
IMAGES = ("JPEGImages", "images", "data")  # the last is FiftyOne's


def matches(folder: Path) -> bool:
    """Whether a folder, two levels inside it or Annotations/ have XML files as in VOC.

    A folder of several of VOC's is none itself.
    """
    near = xml_files(folder) if (folder / ANNOTATIONS).is_dir() else ()
    near = near or [*folder.glob("*.xml"), *folder.glob("*/*.xml")]
    deeper = (p for p in folder.glob("*/*/*.xml") if p.parent.name != ANNOTATIONS)
    return any(has_root(path, "annotation") for path in chain(near, deeper))


def xml_files(folder: Path) -> list[Path]:
    """The XML files below Annotations/; without this folder, all."""
    inside = folder / ANNOTATIONS
    return sorted((inside if inside.is_dir() else folder).rglob("*.xml"))


@dataclass(frozen=True)
class VocObject:
    """An object of an XML file; `box` is None if it has none."""

    name: str
    box: Optional[Box]
    difficult: bool


@dataclass(frozen=True)
class Scan:
    """What is kept of an XML file; `size` is (height, width), None if not stated."""

    path: Path
    size: Optional[Size]
    objects: tuple[VocObject, ...]


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads the XML files listed in ImageSets/Main; without lists, all of them."""
    files = [path for path in xml_files(folder) if has_root(path, "annotation")]
    scans = in_parallel(scan, files, folder.name)
    found = [[one.name for one in each.objects] for each in scans]
    labels = labels_of(found, folder, alphabetical=True)
    names = labels.names
    check_names(list(names), folder)
    export = SourceDataset(skip_missing, names, palette(len(names)))
    ids = {name: index - 1 for name, index in labels.ids.items()}
    if (folder / ANNOTATIONS).is_dir():
        add_listed(export, scans, ids, folder)
    else:
        add_beside(export, scans, ids, folder)
    return without_background(export)


def refuse(folder: Path, skip_missing: bool) -> SourceDataset:
    """Raises InputError for a task that needs outlines."""
    raise InputError(f"{folder}: has {BOXES_ONLY}")


READERS = {"semantic": refuse, "detection": read, "instance": refuse}


def default_task(folder: Path) -> str:
    """The task without --task."""
    return "detection"


def add_listed(
    export: SourceDataset, scans: list[Scan], ids: dict[str, int], folder: Path
) -> None:
    """Adds the images of JPEGImages/ or images/, by the names in the lists."""
    root = next((folder / n for n in IMAGES if (folder / n).is_dir()), folder)
    images = find_images(root)
    by_name = {key_of(each.path, folder / ANNOTATIONS): each for each in scans}
    lists = sorted((folder / "ImageSets" / "Main").glob("*.txt"))
    # cat_train.txt lists the images of one class.
    listed = list_names([path for path in lists if "_" not in path.stem])
    names = listed or dict.fromkeys(by_name, "")
    by_name, images = same_keys(by_name, names), same_keys(images, names)
    check_listed(names, by_name, folder / ANNOTATIONS)
    log_unlisted(names, by_name, folder / ANNOTATIONS)
    for name, split in names.items():
        if name not in by_name:  # CVAT lists frames without labels too
            export.unlabelled += 1
            continue
        add_image(export, by_name[name], images.get(name), split, ids, root)


def add_beside(
    export: SourceDataset, scans: list[Scan], ids: dict[str, int], folder: Path
) -> None:
    """Adds the images of `image_folder`; a folder's name is the split."""
    folders = {each.path.parent: list[Scan]() for each in scans}
    for each in scans:
        folders[each.path.parent].append(each)
    spare: dict[Path, set[Path]] = {}  # images without an XML file, by folder
    for parent, inside in folders.items():
        split = split_above(parent, folder)
        beside = image_folder(parent, folder)
        images = same_keys(files_by_stem(beside), [one.path.stem for one in inside])
        for each in inside:
            image = images.get(each.path.stem)
            add_image(export, each, image, split, ids, beside)
        labelled = {images[s] for one in inside if (s := one.path.stem) in images}
        spare.setdefault(beside, {*images.values()}).difference_update(labelled)
    export.unlabelled += sum(map(len, spare.values()))


def image_folder(parent: Path, folder: Path) -> Path:
    """Where the images of XML files are: beside them, or in images/ beside that folder.

    Then XML files in labels/train/ have theirs in images/train/, else in images/. The
    folder is inside the export `folder`; without images anywhere it is `parent`.
    """
    roots = [parent.parent / name for name in IMAGES]
    roots += [parent.parent.parent / name / parent.name for name in IMAGES]
    roots += [parent.parent.parent / name for name in IMAGES]
    choices = [parent, *(root for root in roots if folder in root.parents)]
    found = (one for one in choices if one.is_dir() and list_images(one))
    return next(found, parent)


def add_image(
    export: SourceDataset,
    one: Scan,
    image: Optional[Path],
    split: str,
    ids: dict[str, int],
    root: Path,
) -> None:
    if image is None:
        export.add_missing(root / f"{one.path.stem}.jpg", one.path)
        return
    reader = partial(objects_of, one, image, ids)
    origin = str(one.path)
    pair = SourcePair(image.stem, image, objects=reader, origin=origin)
    export.splits[split].append(pair)


# --- one XML file ---


def objects_of(one: Scan, image: Path, ids: dict[str, int]) -> SourceObjects:
    """The objects of an image. Raises InputError for an image of another size."""
    if one.size:
        with open_image(image) as file:
            size = check_size(image, stored_size(file), one.size)
    else:
        size, _ = inspect_image(image)
    boxed = [each for each in one.objects if each.box]
    check_pixels([each.box for each in boxed if each.box], size, one.path)
    skipped = Counter({"objects without a box": len(one.objects) - len(boxed)})
    objects = (of_box(ids[each.name], each.box, each.difficult) for each in boxed)
    return SourceObjects(size, tuple(objects), +skipped)


def check_pixels(boxes: Sequence[Box], size: Size, path: Path) -> None:
    """Raises InputError for boxes that are all shares of the image's sides."""
    corners = np.reshape(boxes, (-1, 4)) + (1, 1, 0, 0)  # as in the file
    if len(boxes) and are_shares(corners, size):
        raise InputError(f"{path}: has boxes {not_pixels(size)}")


def scan(path: Path) -> Scan:
    """Reads an XML file. Raises InputError for one that is not as in VOC."""
    root = read_xml(path)
    size = size_of(root, path)
    objects = []
    for element in root.iterfind("object"):
        name = (element.findtext("name") or "").strip()
        if not name:
            raise InputError(f"{path}: an object has no name; add one")
        box, place = element.find("bndbox"), f"{path}: {name}"
        if box is not None:
            x0, y0, x1, y1 = (
                number(box, side, place) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            corners: Optional[Box] = check_sides((x0 - 1, y0 - 1, x1, y1), place)
        elif element.find("polygon/pt") is not None:
            raise InputError(
                f"{path}: has polygons of LabelMe's XML, which are not read; export it "
                "as COCO, or in CVAT as 'CVAT for images 1.1'"
            )
        difficult = (element.findtext("difficult") or "").strip() == "1"
        objects.append(VocObject(name, corners if box is not None else None, difficult))
    return Scan(path, size, tuple(objects))


def size_of(root: Element, path: Path) -> Optional[Size]:
    """(height, width) of the labels; None if it is not stated, or 0."""
    element = root.find("size")
    sides = ("height", "width")
    if element is None or not all(
        (element.findtext(side) or "").strip().isdecimal() for side in sides
    ):
        return None
    height, width = (int(number(element, side, str(path))) for side in sides)
    return (height, width) if height and width else None

"""CVAT's own XML, "CVAT for images 1.1".

annotations.xml with the images in images/. Shapes with the same label and the same
group_id are parts of one object. A box that is rotated becomes a polygon.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from itertools import chain, count
from pathlib import Path, PureWindowsPath
from typing import Iterator, Optional

from edge.core.constants import palette
from edge.core.errors import InputError, shortened
from edge.core.images import SUFFIXES
from kseg.data.formats.cvat_shapes import SHAPES, label_of, objects_of, rotation_of
from kseg.data.formats.frames import count_unlisted, find_image
from kseg.data.formats.labels import labels_of
from kseg.data.formats.objects import painted
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    check_names,
    check_size,
    split_above,
    split_of,
    without_background,
)
from kseg.data.formats.xml_file import Element, has_root, number, read_xml
from kseg.data.masks import open_image, stored_size

DESCRIPTION = "annotations.xml with images/ (CVAT for images)"


def matches(folder: Path) -> bool:
    """Whether a folder or its subfolders have an XML file of CVAT."""
    return bool(annotation_files(folder))


def annotation_files(folder: Path) -> list[Path]:
    """The XML files of CVAT in a folder and its subfolders."""
    found = sorted([*folder.glob("*.xml"), *folder.glob("*/*.xml")])
    return [path for path in found if path.is_file() and has_root(path, "annotations")]


def read_masks(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with masks painted from their outlines."""
    return painted(read_pairs(folder, skip_missing))


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with their objects, whose classes have no background."""
    return without_background(read_pairs(folder, skip_missing))


READERS = {"semantic": read_masks, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    """Detection if a box is labelled that is not rotated, else instance."""
    roots = (read_xml(path) for path in annotation_files(folder))
    boxes = (box for root in roots for box in root.iter("box"))
    upright = any(rotation_of(box, str(folder)) == 0 for box in boxes)
    return "detection" if upright else "instance"


def read_pairs(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all XML files; the labels of a task are its classes, in their order."""
    roots = {path: read_xml(path) for path in annotation_files(folder)}
    for path, root in roots.items():
        if root.find("track") is not None:
            raise InputError(
                f"{path}: has tracks of a video; export it as CVAT for images 1.1"
            )
    named = {path: label_names(root) for path, root in roots.items()}
    listed = [listed for listed, _ in named.values()]
    used = [used for _, used in named.values()]
    labels = labels_of([*listed, *used], folder)
    check_names(list(labels.names), folder)
    export = SourceDataset(skip_missing, labels.names, palette(len(labels.names)))
    ids = {name: index - 1 for name, index in labels.ids.items()}
    taken: dict[str, set[str]] = defaultdict(set)
    for path, root in roots.items():
        add_file(export, path, root, folder, ids, taken)
    export.unlabelled = count_unlisted(export)
    return export


def label_names(root: Element) -> tuple[list[str], list[str]]:
    """The labels in the order of the task, and those that only shapes have."""
    listed = [
        str(label.findtext("name")).strip()
        for label in root.iterfind("meta//labels/label")
        if label.find("parent") is None  # else it is a part of a skeleton
    ]
    found = {label_of(shape) for shape in shapes_of(root)}
    return listed, sorted(found - set(listed))


def shapes_of(root: Element) -> Iterator[Element]:
    """The shapes of all images that can become objects."""
    return (
        shape for image in root.iter("image") for shape in image if shape.tag in SHAPES
    )


def add_file(
    export: SourceDataset,
    path: Path,
    root: Element,
    folder: Path,
    ids: dict[str, int],
    taken: dict[str, set[str]],
) -> None:
    """Adds the images of one XML file; images of one name stay apart.

    `ids` are the class ids of the labels, `taken` the stems that each split has
    already.
    """
    above = split_above(path.parent, folder)
    for element in root.iter("image"):
        name = str(element.get("name"))
        image = image_of(element, name, path, folder)
        if image is None:
            export.add_missing(path.parent / "images" / name, path)
            continue
        split = split_of(element.get("subset") or "") or above
        reader = partial(read_image_objects, element, image, ids, path)
        stem = free_stem(taken[split], image.stem, element)
        taken[split].add(stem)
        origin = f"image {shortened(element.get('id'))} of {path}"
        pair = SourcePair(stem, image, objects=reader, origin=origin)
        export.splits[split].append(pair)


def image_of(element: Element, name: str, path: Path, folder: Path) -> Optional[Path]:
    """The file of an image: below images/, and there in the folder of its subset.

    The names of a video's frames have no suffix.
    """
    subset = element.get("subset") or ""
    roots = [base / "images" for base in dict.fromkeys((path.parent, folder))]
    folders = [root / subset for root in roots] if subset else []
    folders += [*roots, path.parent, folder]
    suffixes = ("", *SUFFIXES, *(suffix.upper() for suffix in SUFFIXES))
    found = (find_image(name + suffix, folders) for suffix in suffixes)
    return next((image for image in found if image), None)


def free_stem(taken: set[str], stem: str, element: Element) -> str:
    """A stem that is not taken, made of the image's folders or its id if it must be.

    Frames of several tasks often have the same name.
    """
    folders = PureWindowsPath(str(element.get("name"))).parts[:-1]
    numbered = (f"{stem}_{element.get('id')}_{number}" for number in count(2))
    choices = (stem, "_".join((*folders, stem)), f"{stem}_{element.get('id')}")
    return next(name for name in chain(choices, numbered) if name not in taken)


def read_image_objects(
    element: Element, image: Path, ids: dict[str, int], path: Path
) -> SourceObjects:
    """The objects of an <image>. Raises InputError for invalid shapes."""
    place = f"{path}: image {shortened(element.get('name'))}"
    labelled: Size = (
        int(number(element, "height", place)),
        int(number(element, "width", place)),
    )
    with open_image(image) as file:
        size = check_size(image, stored_size(file), labelled)
    skipped: Counter[str] = Counter()
    return objects_of(element, size, ids, place, skipped)

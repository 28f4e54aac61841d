"""Supervisely's projects: meta.json, and data sets DS with DS/img/ and DS/ann/.

DS/ann/NAME.jpg.json, in older projects NAME.json, has the objects of DS/img/NAME.jpg.
Data sets may be in folders of others. An image is of the split that its tag names, else
of the one that its data set or a folder above names. In masks, later objects are drawn
on earlier ones.

Reference: https://developer.supervisely.com/getting-started/supervisely-annotation-format
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Iterator, Optional

from edge.core.constants import palette
from edge.core.errors import InputError, quoted
from edge.core.images import list_images
from kseg.core.progress import in_parallel
from kseg.data.formats.frames import find_image
from kseg.data.formats.labels import labels_of
from kseg.data.formats.objects import painted
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    check_names,
    check_size,
    ends_of,
    read_json,
    split_above,
    split_of,
    without_background,
)
from kseg.data.formats.supervisely_shapes import BOX, label_of, object_of, type_of
from kseg.data.masks import open_image, stored_size

DESCRIPTION = "meta.json with DS/img/ and DS/ann/NAME.jpg.json (Supervisely)"
DEEPEST = 6  # folders in folders; a link may make them endless
META, IMAGES, LABELS = "meta.json", "img", "ann"


def matches(folder: Path) -> bool:
    """Whether a folder has a project's meta.json and a data set."""
    meta = folder / META
    return b'"classes"' in ends_of(meta) and any(True for _ in datasets(folder))


def datasets(folder: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """The data sets of a project: folders with img/ and ann/, also in other folders."""
    if (folder / IMAGES).is_dir() and (folder / LABELS).is_dir():
        yield folder
        folder = folder / "datasets"  # of a data set, those inside it
    if not depth:
        return
    for inside in sorted(
        p for p in folder.glob("*/") if p.name not in (IMAGES, LABELS)
    ):
        yield from datasets(inside, depth - 1)


def read_masks(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with masks painted from their objects, the later ones on top."""
    return painted(read_pairs(folder, skip_missing), in_order=True)


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with their objects, whose classes have no background."""
    return without_background(read_pairs(folder, skip_missing))


READERS = {"semantic": read_masks, "detection": read_objects, "instance": read_objects}


@dataclass(frozen=True)
class Scan:
    """What is kept of a file of labels: its labels and split, and its image, if any."""

    path: Path
    labels: tuple[str, ...]
    boxes: bool
    split: str
    image: Optional[Path]


def default_task(folder: Path) -> str:
    """Detection if an object is only a box, else semantic."""
    found = in_parallel(scan, label_files(folder), folder.name)
    return "detection" if any(one.boxes for one in found) else "semantic"


def label_files(folder: Path) -> list[Path]:
    """The files of labels of all data sets."""
    return [
        p for one in datasets(folder) for p in sorted((one / LABELS).glob("*.json"))
    ]


def read_pairs(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all data sets; the classes of meta.json are those of the project."""
    scans = in_parallel(scan, label_files(folder), folder.name)
    listed = class_names(folder / META)
    labels = labels_of([listed, *(one.labels for one in scans)], folder)
    known = {labels.ids[name] for name in listed}
    check_names(list(labels.names), folder / META)
    export = SourceDataset(skip_missing, labels.names, palette(len(labels.names)))
    ids = {name: index - 1 for name, index in labels.ids.items()}
    for one in scans:
        unknown = next((n for n in one.labels if labels.ids[n] not in known), None)
        if unknown is not None:
            raise InputError(
                f"{one.path}: the class {quoted(unknown)} is not in {folder / META}; "
                "export the project again"
            )
        add_file(export, one, ids, folder)
    labelled = {one.image for one in scans}
    images = (p for one in datasets(folder) for p in list_images(one / IMAGES))
    export.unlabelled = sum(path not in labelled for path in images)
    return export


def class_names(path: Path) -> list[str]:
    """The titles of the classes in meta.json. Raises InputError if it has none."""
    classes = read_json(path).get("classes")
    if not isinstance(classes, list) or not all(
        isinstance(one, dict) and isinstance(one.get("title"), str) for one in classes
    ):
        raise InputError(
            f"{path}: 'classes' must be a list of objects with a title; export it again"
        )
    return [one["title"].strip() for one in classes]


def scan(path: Path) -> Scan:
    """Reads a file of labels. Raises InputError for an invalid one."""
    content = read_json(path)
    found = objects_in(content, path)
    labels = tuple(dict.fromkeys(label_of(one, path) for one in found))
    boxes = any(type_of(one) == BOX for one in found)
    folder = path.parent.parent / IMAGES
    image = find_image(path.stem, [folder]) or image_of_stem(folder, path.stem)
    return Scan(path, labels, boxes, split_of_tags(content), image)


def image_of_stem(folder: Path, stem: str) -> Optional[Path]:
    """The only image of older projects, where files of labels have its stem."""
    found = [path for path in list_images(folder) if path.stem == stem]
    return found[0] if len(found) == 1 else None


def objects_in(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The objects of a file. Raises InputError if it has no list of them."""
    found = content.get("objects")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(
            f"{path}: not a file of Supervisely (no list 'objects'); export it again"
        )
    return found


def split_of_tags(content: dict[str, Any]) -> str:
    """The split that the tags of an image name, if exactly one does."""
    tags = content.get("tags")
    listed = tags if isinstance(tags, list) else []
    names = (tag.get("name") if isinstance(tag, dict) else tag for tag in listed)
    splits = {split_of(name) for name in names if isinstance(name, str)} - {""}
    return splits.pop() if len(splits) == 1 else ""


def add_file(
    export: SourceDataset, one: Scan, ids: dict[str, int], folder: Path
) -> None:
    """Adds the pair of a file of labels, of the project in `folder`."""
    dataset = one.path.parent.parent
    if one.image is None:
        export.add_missing(dataset / IMAGES / one.path.stem, one.path)
        return
    reader = partial(read_image_objects, one.path, one.image, ids)
    pair = SourcePair(one.image.stem, one.image, objects=reader, origin=str(one.path))
    export.splits[one.split or split_above(dataset, folder)].append(pair)


def read_image_objects(path: Path, image: Path, ids: dict[str, int]) -> SourceObjects:
    """The objects of a file of labels. Raises InputError for invalid ones."""
    content = read_json(path)
    size = size_of(content, path, image)
    found, skipped = [], Counter[str]()
    for one in objects_in(content, path):
        made = object_of(one, ids[label_of(one, path)], size, path, skipped)
        found += [made] if made else []
    return SourceObjects(size, tuple(found), skipped)


def size_of(content: dict[str, Any], path: Path, image: Path) -> Size:
    """(height, width) of the coordinates, which is that of the image."""
    with open_image(image) as file:
        stored = stored_size(file)
    size = content.get("size")
    given = [size.get(k) for k in ("height", "width")] if isinstance(size, dict) else []
    if not given or not all(isinstance(side, int) for side in given):
        raise InputError(
            f"{path}: 'size' must have the height and width of the image; export it "
            "again"
        )
    return check_size(image, stored, (given[0], given[1]))

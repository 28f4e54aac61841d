"""The labels of new images, written as those of a data folder are."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import (
    Any,
    Callable,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.images import write_mask
from kseg.core.runs import write_json
from kseg.data.folder import FolderSplit, parts_of
from kseg.data.masks import Classes
from kseg.data.merging.classes import file_ids
from kseg.data.merging.moves import Move
from kseg.data.objects_checks import id_of, read_content
from kseg.data.objects_file import OBJECTS
from kseg.data.sample import Dataset, Objects

PIXEL = 1.0  # by which boxes of the same object may differ


@dataclass(frozen=True)
class Addition:
    """A new image: where it is in the converted export, and what it becomes.

    `split` and `index` are its place in `new`; `target` is its new split, `name` the
    name of its file there.
    """

    split: str
    index: int
    image: Path
    target: str
    name: str


@dataclass(frozen=True)
class Labels:
    """What is needed to write labels: both data sets and the numbers of the classes."""

    new: Dataset
    old: Dataset
    numbers: Mapping[int, Optional[int]]
    folder: Path
    converted: Path


def mask_moves(labels: Labels, additions: Sequence[Addition], part: Path) -> list[Move]:
    """Masks of new images, written into `part`, in the ids of the folder's files."""
    classes = classes_of_masks(labels.old)
    stored, void = stored_ids(classes)
    table = np.uint8(file_ids(labels.numbers, stored, void))
    colors = palette_of(classes, stored)
    moves = []
    for number, each in enumerate(additions):
        mask = labels.new.splits[each.split].read(each.index).target
        file = part / f"{number}.png"
        write_mask(file, table[mask], colors)
        name = f"{Path(each.name).stem}.png"
        moves.append(Move(file, labels.folder / each.target / "masks" / name))
    return moves


def classes_of_masks(data: Dataset) -> Classes:
    """The classes of a folder's mask files."""
    split = next(iter(data.splits.values()))
    assert isinstance(split, FolderSplit)
    return split.classes


def stored_ids(classes: Classes) -> tuple[dict[int, int], int]:
    """Class id -> the id in files, and the id in files that is void."""
    ids = np.asarray(classes.table).tolist()
    stored = {c: ids.index(c) for c in range(len(classes.names))}
    return stored, len(ids) - 1 - ids[::-1].index(IGNORE_INDEX)


def palette_of(classes: Classes, stored: Mapping[int, int]) -> list[list[int]]:
    """The colours of the ids in files."""
    colors = [[0, 0, 0] for _ in range(IGNORE_INDEX + 1)]
    colors[IGNORE_INDEX] = [255, 255, 255]
    for index, color in enumerate(classes.colors):
        colors[stored[index]] = list(color)
    return colors


def object_moves(
    labels: Labels, additions: Sequence[Addition], part: Path
) -> list[Move]:
    """The objects.json of each split with the new images, written into `part`."""
    found = {
        split: read_converted(labels.converted / split / OBJECTS, labels)
        for split in {each.split for each in additions}
    }
    moves = []
    for target in dict.fromkeys(each.target for each in additions):
        path = labels.folder / target / OBJECTS
        content = content_of(path, labels.old.class_names)
        numbers = Numbers(*(count(next_id(content[key])) for key in Numbers._fields))
        for each in additions:
            if each.target == target:
                add_image(content, each, labels, found[each.split], numbers)
        file = part / f"{target}.json"
        write_json(file, content, indent=None)
        moves.append(Move(file, path))
    return moves


class Numbers(NamedTuple):
    """Ids that no image and no annotation of an objects.json has."""

    images: Iterator[int]
    annotations: Iterator[int]


class Converted(NamedTuple):
    """The objects.json of a split of the export: the images by the names of their
    files, the annotations by the ids of their images, new class ids by category."""

    images: Mapping[str, dict[str, Any]]
    annotations: Mapping[Any, list[dict[str, Any]]]
    class_ids: Mapping[Any, int]


def read_converted(path: Path, labels: Labels) -> Converted:
    """Reads the objects.json of a split of the export."""
    content = json.loads(path.read_bytes())
    annotations = defaultdict(list)
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    index = labels.new.class_names.index
    return Converted(
        {entry["file_name"]: entry for entry in content["images"]},
        annotations,
        {category["id"]: index(category["name"]) for category in content["categories"]},
    )


def content_of(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The content of an objects.json; without images if the file is not there."""
    if path.is_file():
        read_content(path)  # its checks
        return json.loads(path.read_bytes())
    categories = [{"id": k, "name": name} for k, name in enumerate(names, start=1)]
    return {"images": [], "annotations": [], "categories": categories}


def add_image(
    content: dict[str, Any],
    each: Addition,
    labels: Labels,
    found: Converted,
    numbers: Numbers,
) -> None:
    """Adds a new image and its objects; one of the same name is replaced.

    That one has no image file: it is left of a merge that was killed.
    """
    entry = found.images[each.image.name]
    remove_image(content, each.name)
    number = next(numbers.images)
    content["images"].append({**entry, "id": number, "file_name": each.name})
    for annotation in found.annotations.get(entry["id"], ()):
        class_id = labels.numbers[found.class_ids[annotation["category_id"]]]
        assert class_id is not None  # `class_numbers` refuses others
        category = category_of(content, labels.old.class_names[class_id])
        own = {"id": next(numbers.annotations), "image_id": number}
        content["annotations"].append({**annotation, **own, "category_id": category})


def remove_image(content: dict[str, Any], name: str) -> None:
    """Removes the image of a file name and its annotations, if it is listed."""
    gone = {id_of(e["id"]) for e in content["images"] if e["file_name"] == name}
    if gone:
        content["images"] = [e for e in content["images"] if id_of(e["id"]) not in gone]
        content["annotations"] = [
            a for a in content["annotations"] if id_of(a["image_id"]) not in gone
        ]


def next_id(entries: Sequence[Mapping[str, Any]]) -> int:
    """A number over all ids of entries; ids that are texts count if they are numbers.

    >>> next_id([{"id": 3}, {"id": "7"}, {"id": "a"}])
    8
    """
    texts = [id_of(entry["id"]) for entry in entries if "id" in entry]
    return 1 + max((int(text) for text in texts if text.isdecimal()), default=0)


def category_of(content: dict[str, Any], name: str) -> Any:
    """The id of the category of a name, which is added if it is missing."""
    for category in content["categories"]:
        if str(category["name"]) == name:
            return category["id"]
    number = next_id(content["categories"])
    content["categories"].append({"id": number, "name": name})
    return number


# --- labels in a form that nothing can be added to ---


def check_masks(folder: Path) -> None:
    """Raises InputError for masks whose classes have no names."""
    if not (folder / "classes.json").is_file():
        raise InputError(
            f"{folder}: has no classes.json, so its classes have no names; add one"
        )


def check_objects(folder: Path) -> None:
    """Raises InputError for objects that are maps of numbers."""
    parts = parts_of(folder).values()
    maps = next((part for part in parts if (part / "instances").is_dir()), None)
    if maps:
        raise InputError(
            f"{maps}: has its objects in instances/, and objects are added to "
            "objects.json only; write them as objects.json"
        )


# --- the same image with other labels ---


def same_masks(new: np.ndarray, old: np.ndarray, numbers: Mapping) -> bool:
    """Whether two masks of class ids are the same."""
    ids = {number: number for number in range(IGNORE_INDEX)}
    table = np.uint8(file_ids(numbers, ids, IGNORE_INDEX))
    return bool(np.array_equal(table[new], old))


def same_objects(new: Objects, old: Objects, numbers: Mapping) -> bool:
    """Whether two images have the same objects: their classes, boxes and areas."""
    if len(new.boxes) != len(old.boxes):
        return False
    ids = [numbers[int(class_id)] for class_id in new.class_ids]
    rows = [sorted_rows(ids, new), sorted_rows(old.class_ids, old)]
    return bool(np.allclose(*rows, atol=PIXEL))


def sorted_rows(class_ids: Sequence[Any], objects: Objects) -> np.ndarray:
    """(N, 6) class, box and area in pixels of each object, sorted; without masks 0."""
    masks = objects.masks or [np.zeros(1)] * len(objects.boxes)
    areas = [np.count_nonzero(mask) for mask in masks]
    rows = zip(class_ids, objects.boxes.round().tolist(), areas, strict=True)
    table = [[int(class_id), *box, area] for class_id, box, area in rows]
    return np.array(sorted(table), np.float64).reshape(-1, 6)


# Task -> what writes its labels, what compares those of the same image, and what checks
# that labels can be added to a data folder.
MOVES: dict[str, Callable[[Labels, Sequence[Addition], Path], list[Move]]] = {
    "semantic": mask_moves,
    "instance": object_moves,
    "detection": object_moves,
}
FORMS: dict[str, Callable[[Path], None]] = {
    "semantic": check_masks,
    "instance": check_objects,
    "detection": check_objects,
}
SAME: dict[str, Callable[[Any, Any, Mapping], bool]] = {
    "semantic": same_masks,
    "instance": same_objects,
    "detection": same_objects,
}

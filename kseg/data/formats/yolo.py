"""YOLO's text files: boxes and polygons in parts of the image's width and height.

images/train/NAME.jpg with labels/train/NAME.txt, or train/images/ with train/labels/,
or images/ with labels/; or the splits that data.yaml declares. The classes are `names`
in data.yaml, or the lines of classes.txt (Label Studio, labelImg). A line is
`CLASS CX CY W H`, or for a polygon `CLASS X1 Y1 X2 Y2 X3 Y3 ...`; a file may have both.

Reference: https://docs.ultralytics.com/datasets/segment
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Iterator

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError, quoted
from edge.core.images import list_images
from kseg.data.formats.frames import same_keys
from kseg.data.formats.labels import labels_of
from kseg.data.formats.objects import of_box, of_polygons, painted
from kseg.data.formats.source import (
    SourceDataset,
    SourceObjects,
    SourcePair,
    check_names,
    read_text,
    split_above,
    without_background,
)
from kseg.data.formats.yolo_yaml import (
    NAMES,
    Declared,
    declared_splits,
    names_file,
    read_names,
)
from kseg.data.masks import files_by_stem, inspect_image
from kseg.data.objects_file import LabelledObject

DESCRIPTION = "images/ and labels/NAME.txt with data.yaml (YOLO)"
IMAGES, LABELS = "images", "labels"
BOX_NUMBERS = 5  # class, centre x and y, width, height
LEAST_NUMBERS = 7  # class, x and y of 3 points
OVERSHOOT = 0.5  # values farther outside 0 to 1 are errors, such as pixels
CLIPPED = "objects with values outside 0 to 1, clipped"

Line = tuple[int, np.ndarray]  # class id, numbers


def matches(folder: Path) -> bool:
    """Whether there are labels beside images; NAME.txt or data.yaml makes it YOLO's.

    With images in labels/ and no text files, these are masks.
    """
    parts = parts_of(folder)
    if any(text_files(labels) for _, labels in parts):
        return True
    masks = any(labels.is_dir() and list_images(labels) for _, labels in parts)
    return bool(parts and names_file(folder)) and not masks


def parts_of(folder: Path) -> list[tuple[Path, Path]]:
    """The folders of images, each with its folder of labels."""
    found = []
    for root in (folder, *sorted(path for path in folder.glob("*/") if path.is_dir())):
        images, labels = root / IMAGES, root / LABELS
        if not (images.is_dir() and labels.is_dir()):
            continue
        inside = sorted(path for path in images.rglob("*/") if path.is_dir())
        parts = [(part, labels / part.relative_to(images)) for part in inside]
        parts = [(part, texts) for part, texts in parts if holds_any(part, texts)]
        found += parts
        if list_images(images) or not parts and text_files(labels):
            found.append((images, labels))
    return found


def holds_any(images: Path, labels: Path) -> bool:
    """Whether there are images or labels in the two folders."""
    return bool(list_images(images) or text_files(labels))


def text_files(labels: Path) -> list[Path]:
    """The files of labels in a folder."""
    texts = (path for path in labels.glob("*.*") if path.suffix.lower() == ".txt")
    return sorted(path for path in texts if path.name != NAMES)


def read_masks(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with masks painted from their polygons."""
    return painted(read_pairs(folder, skip_missing))


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """The images with their objects, whose classes have no background."""
    return without_background(read_pairs(folder, skip_missing))


READERS = {"semantic": read_masks, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    """Instance if all labels are polygons, else detection."""
    texts = (path for _, labels in parts_of(folder) for path in text_files(labels))
    lines = (line for path in texts for line in read_text(path).splitlines())
    counts = (len(line.split()) for line in lines)
    shortest = min((count for count in counts if count), default=0)
    return "instance" if shortest > BOX_NUMBERS else "detection"


def read_pairs(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all images; one without a text file has no objects."""
    names = read_names(folder)
    found = labels_of([names], folder)
    check_names([*found.names[:1], *kept_names(names, found.ids)], folder)
    export = SourceDataset(skip_missing, found.names, palette(len(found.names)))
    ids = [found.ids[name] - 1 for name in names]
    parts = parts_of(folder)
    labelled = (image for images, _ in parts for image in list_images(images))
    declared = declared_splits(folder, labelled, export)
    for images, labels in parts:
        add_folder(export, images, labels, folder, ids, declared)
    declared.report()
    return export


def kept_names(names: list[str], ids: dict[str, int]) -> list[str]:
    """The names that are classes, repeated ones too."""
    return [name for name in names if 0 < ids[name] < IGNORE_INDEX]


def add_folder(
    export: SourceDataset,
    folder: Path,
    labels: Path,
    source: Path,
    ids: list[int],
    declared: Declared,
) -> None:
    """Adds the images of a folder, in the split that data.yaml declares.

    Without one, its name or that of one above it is the split. `ids` are the class ids
    of the numbers in the files.
    """
    images = files_by_stem(folder)
    by_folder = split_above(folder, source)
    texts = same_keys({path.stem: path for path in text_files(labels)}, images)
    for stem, image in images.items():
        path = texts.pop(stem, labels / f"{stem}.txt")
        split = declared.split(image, by_folder)
        if split is not None:
            reader = partial(read_labels, path, image, ids)
            export.splits[split].append(SourcePair(stem, image, objects=reader))
    for stem, path in texts.items():
        export.add_missing(folder / f"{stem}.jpg", path)


# --- one text file ---


def read_labels(path: Path, image: Path, ids: list[int]) -> SourceObjects:
    """The objects of an image. Raises InputError, naming the line, for invalid ones."""
    size, _ = inspect_image(image)
    scale = np.array([size[1], size[0]])
    changed: Counter[str] = Counter()
    found = []
    for number, numbers in lines_of(path, len(ids)) if path.is_file() else ():
        points = points_of(numbers)
        inside = np.clip(points, 0, 1)
        changed[CLIPPED] += bool((inside != points).any())
        found.append(object_of(ids[number], inside * scale))
    return SourceObjects(size, tuple(found), changed=+changed)


def points_of(numbers: np.ndarray) -> np.ndarray:
    """The two corners of a box, or the points of a polygon: (n, 2) x, y.

    >>> points_of(np.array([0.5, 0.5, 0.2, 0.4])).tolist()
    [[0.4, 0.3], [0.6, 0.7]]
    """
    if len(numbers) + 1 > BOX_NUMBERS:
        return numbers.reshape(-1, 2)
    middle, half = numbers[:2], numbers[2:] / 2
    return np.stack([middle - half, middle + half])


def object_of(class_id: int, points: np.ndarray) -> LabelledObject:
    """The object of the two corners of a box, or of a polygon."""
    if len(points) == 2:
        (x0, y0), (x1, y1) = points.tolist()
        return of_box(class_id, (x0, y0, x1, y1))
    return of_polygons(class_id, [points])


def lines_of(path: Path, classes: int) -> Iterator[Line]:
    """The lines of a text file that are not empty."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield read_line(line.split(), f"{path}, line {number}", classes)


def whole(text: str) -> int:
    """A class number, which some tools write as 1.0. Raises ValueError for others.

    >>> whole("1"), whole("1.0")
    (1, 1)
    """
    if float(text) != int(float(text)):
        raise ValueError
    return int(float(text))


def read_line(words: list[str], place: str, classes: int) -> Line:
    """Raises InputError for a wrong count, an unknown class and values far outside."""
    count = len(words)
    if count != BOX_NUMBERS and (count < LEAST_NUMBERS or count % 2 == 0):
        raise InputError(
            f"{place}: has {count} numbers; it must be a class and cx cy w h, or a "
            "class and x y of at least 3 points"
        )
    try:
        class_id, numbers = whole(words[0]), np.array(words[1:], np.float64)
    except (ValueError, OverflowError):
        shown = " ".join(islice(words, 6))
        raise InputError(
            f"{place}: {quoted(shown)} are not a class id and numbers; export it again"
        ) from None
    if not 0 <= class_id < classes:
        raise InputError(
            f"{place}: class {class_id} is not one of the {classes} of data.yaml; add "
            "its name or correct the line"
        )
    wrong = numbers[~(np.abs(numbers - 0.5) <= 0.5 + OVERSHOOT)]
    if len(wrong):
        raise InputError(
            f"{place}: the value {wrong[0]:g} is not in 0 to 1; values are fractions "
            "of the image's width and height, not pixels"
        )
    if count == BOX_NUMBERS and min(numbers[2:]) < 0:
        raise InputError(
            f"{place}: the box has a negative side: width {numbers[2]:g}, height "
            f"{numbers[3]:g}; correct or remove it"
        )
    return class_id, numbers

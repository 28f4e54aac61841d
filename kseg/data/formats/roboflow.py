"""Roboflow's "Semantic Segmentation Masks".

{train,valid,test}/NAME.jpg with NAME_mask.png, whose values _classes.csv names: lines
`Pixel Value, Class` under a header.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.core.images import list_images
from kseg.data.formats.source import (
    Pair,
    SourceDataset,
    classes_of,
    read_text,
    split_of,
)
from kseg.data.masks import Classes, load_mask, to_class_ids

DESCRIPTION = (
    "NAME_mask.png beside NAME.jpg and _classes.csv in train/ (Roboflow masks)"
)
CLASSES = "_classes.csv"
MASK = "_mask"


def recognises(folder: Path) -> bool:
    return any(any(path.parent.glob(f"*{MASK}.png")) for path in class_files(folder))


def class_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{CLASSES}"))


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """The pictures of each folder that has a _classes.csv; these must agree."""
    files = class_files(folder)
    labels = read_classes(files[0])
    for path in files[1:]:
        if read_classes(path) != labels:
            raise InputError(
                f"{path}: names other classes than {files[0]}; export both at once"
            )
    given = {value: (name, None) for value, name in labels.items()}
    classes = classes_of(given, files[0])
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    for path in files:
        add_folder(export, path.parent, classes)
    return export


def add_folder(export: SourceDataset, folder: Path, classes: Classes) -> None:
    paths = list_images(folder)
    masks = {p.stem.removesuffix(MASK): p for p in paths if is_mask(p)}
    pictures = [path for path in paths if not is_mask(path)]
    for picture in pictures:
        mask = masks.get(picture.stem)
        if mask is None:
            export.unlabelled += 1
            continue
        reader = partial(read_mask, mask, picture, classes)
        pair = Pair(picture.stem, picture, reader)
        export.splits[split_of(folder.name)].append(pair)
    for stem in sorted(masks.keys() - {path.stem for path in pictures}):
        export.lacks(folder / f"{stem}.jpg", masks[stem])


def is_mask(path: Path) -> bool:
    return path.name.endswith(f"{MASK}.png")


def read_mask(path: Path, picture: Path, classes: Classes) -> np.ndarray:
    return to_class_ids(load_mask(path, picture), path, classes)


def read_classes(path: Path) -> dict[int, str]:
    """Value -> class name, in order of the values.

    Raises InputError for other lines.
    """
    rows = list(csv.reader(read_text(path).splitlines(), skipinitialspace=True))
    labels: dict[int, str] = {}
    for row in filter(None, rows[1:]):
        try:
            value, name = int(row[0]), row[1].strip()
            if not 0 <= value <= 255 or value in labels:
                raise ValueError
        except (ValueError, IndexError):
            raise InputError(
                f"{path}: the line {', '.join(row)!r} is no value from 0 to 255 with a "
                "class of its own; write it as 1, road"
            ) from None
        labels[value] = name
    return dict(sorted(labels.items()))

"""Roboflow's "Semantic Segmentation Masks".

{train,valid,test}/NAME.jpg with NAME_mask.png. The classes of the mask's values are in
_classes.csv: a header and lines `Pixel Value, Class`.
"""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from pathlib import Path

from edge.core.errors import InputError, quoted
from edge.core.images import list_images
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.formats.frames import same_keys
from kseg.data.formats.source import (
    SourceDataset,
    SourcePair,
    classes_of,
    read_text,
    split_of,
)
from kseg.data.masks import Classes, same_stem_error

DESCRIPTION = (
    "NAME_mask.png next to NAME.jpg and _classes.csv in train/ (Roboflow masks)"
)
CLASSES = "_classes.csv"
MASK = "_mask"


def matches(folder: Path) -> bool:
    return any(any(path.parent.glob(f"*{MASK}.png")) for path in class_files(folder))


def class_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{CLASSES}"))


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads each folder that has a _classes.csv; all of these must be equal."""
    files = class_files(folder)
    labels = read_classes(files[0])
    for path in files[1:]:
        if read_classes(path) != labels:
            raise InputError(
                f"{path}: the classes differ from those in {files[0]}; export both "
                "splits together"
            )
    given = {value: (name, None) for value, name in labels.items()}
    classes = classes_of(given, files[0])
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    for path in files:
        add_folder(export, path.parent, classes)
    return export


READERS = {"semantic": read}


def default_task(folder: Path) -> str:
    return "semantic"


def add_folder(export: SourceDataset, folder: Path, classes: Classes) -> None:
    paths = list_images(folder)
    masks = {p.stem.removesuffix(MASK): p for p in paths if is_mask(p)}
    images = [path for path in paths if not is_mask(path)]
    counts = Counter(path.stem for path in images)
    repeated = [path for path in images if counts[path.stem] > 1][1:]
    if repeated:
        raise InputError(same_stem_error(folder, repeated))
    masks = same_keys(masks, [path.stem for path in images])
    for image in images:
        mask = masks.get(image.stem)
        if mask is None:
            export.unlabelled += 1
            continue
        reader = partial(read_class_mask, mask, image, classes)
        pair = SourcePair(image.stem, image, reader, origin=str(mask))
        export.splits[split_of(folder.name)].append(pair)
    for stem in sorted(masks.keys() - {path.stem for path in images}):
        export.add_missing(folder / f"{stem}.jpg", masks[stem])


def is_mask(path: Path) -> bool:
    return path.name.endswith(f"{MASK}.png")


def read_classes(path: Path) -> dict[int, str]:
    """Value -> class name, in order of the values; a header may be missing.

    Raises InputError for an invalid line.
    """
    rows = list(csv.reader(read_text(path).splitlines(), skipinitialspace=True))
    labels: dict[int, str] = {}
    headed = bool(rows and rows[0]) and not rows[0][0].strip().isdecimal()
    for row in filter(None, rows[headed:]):
        try:
            value, name = int(row[0]), row[1].strip()
            if not 0 <= value <= 255 or value in labels:
                raise ValueError
        except (ValueError, IndexError):
            raise InputError(
                f"{path}: invalid line {quoted(', '.join(row))}; expected a value from "
                "0 to 255, used once, and a class name, such as 1, road"
            ) from None
        labels[value] = name
    return dict(sorted(labels.items()))

"""CamVid in the layout of the SegNet tutorial, and CVAT's "CamVid 1.0".

train/NAME.png with trainannot/NAME.png, the same for val and test. SegNet's masks hold
ids: 11 classes, and void is 11. CVAT's hold the colours listed in label_colors.txt.

Reference: http://mi.eng.cam.ac.uk/projects/segnet/tutorial.html
"""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError, quoted
from edge.core.images import list_images
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.formats.frames import same_keys
from kseg.data.formats.source import (
    BLACK,
    Color,
    SourceDataset,
    SourcePair,
    classes_of,
    read_text,
    split_of,
)
from kseg.data.masks import Classes, files_by_stem

DESCRIPTION = "train/ with trainannot/ (CamVid in SegNet's layout)"
ANNOTATED = "annot"
COLORS = "label_colors.txt"
FRAME = re.compile(r"(\d{4}|Seq\d\d)\w\w_")  # as CamVid names its frames
# In the order of the ids in SegNet's masks, with CamVid's colours.
CAMVID: dict[str, Color] = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
    "void": BLACK,
}

log = logging.getLogger(__name__)


def matches(folder: Path) -> bool:
    return bool(annotated(folder))


def annotated(folder: Path) -> list[Path]:
    """The folders of masks whose folder of images exists."""
    found = sorted(folder.glob(f"*{ANNOTATED}"))
    return [path for path in found if path.is_dir() and images_of(path).is_dir()]


def images_of(masks: Path) -> Path:
    return masks.with_name(masks.name.removesuffix(ANNOTATED) or "images")


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    path = folder / COLORS
    if path.is_file():
        classes = read_colors(path)
    else:
        classes = classes_of(dict(enumerate(CAMVID.items())), folder)
        warn_of_names(folder)
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    for masks in annotated(folder):
        add_folder(export, masks, classes)
    return export


def warn_of_names(folder: Path) -> None:
    """Logs that CamVid's classes are assumed, if the names are not of its frames."""
    names = (path.stem for one in annotated(folder) for path in list_images(one))
    if not all(map(FRAME.match, names)):
        log.warning(
            f"{folder}: has no {COLORS}; its ids are taken for the 11 classes of "
            "CamVid: 0 sky, 1 building, 2 pole, …"
        )


READERS = {"semantic": read}


def default_task(folder: Path) -> str:
    return "semantic"


def add_folder(export: SourceDataset, folder: Path, classes: Classes) -> None:
    masks = files_by_stem(folder)
    images = same_keys(files_by_stem(images_of(folder)), masks)
    split = split_of(folder.name.removesuffix(ANNOTATED))
    for stem, mask in masks.items():
        if stem not in images:
            export.add_missing(images_of(folder) / mask.name, mask)
            continue
        reader = partial(read_mask, mask, images[stem], classes)
        export.splits[split].append(SourcePair(stem, images[stem], reader))
    export.unlabelled += len(images.keys() - masks.keys())


def read_mask(path: Path, image: Path, classes: Classes) -> np.ndarray:
    return read_class_mask(path, image, classes, colored=classes.source == COLORS)


def read_colors(path: Path) -> Classes:
    """Reads lines `R G B label`, or only `label` for VOC's colours in order."""
    lines = [line.split() for line in read_text(path).splitlines()]
    rows = [words for words in lines if words and not words[0].startswith("#")]
    if all(len(words) == 1 for words in rows):
        names = [words[0] for words in rows]
        labels = list(zip(names, palette(len(names)), strict=True))
    else:
        labels = [read_label(words, path) for words in rows]
    if len(labels) > 256:
        raise InputError(f"{path}: {len(labels)} labels; the maximum is 256")
    return classes_of(dict(enumerate(labels)), path)


def read_label(words: list[str], path: Path) -> tuple[str, Color]:
    try:
        red, green, blue = (int(word) for word in words[:3])
        if (
            not words[3:]
            or not 0 <= min(red, green, blue) <= max(red, green, blue) < 256
        ):
            raise ValueError
    except ValueError:
        raise InputError(
            f"{path}: invalid line {quoted(' '.join(words))}; expected R G B NAME, "
            "such as 128 64 128 road"
        ) from None
    return " ".join(words[3:]), (red, green, blue)

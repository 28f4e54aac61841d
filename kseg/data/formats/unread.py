"""Exports that are recognised but not read, and the program that converts each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Callable, Optional

from edge.core.errors import InputError
from edge.core.images import list_images
from kseg.data.formats.source import ends_of, json_files

# A class and four numbers from 0 to 1.
DARKNET = re.compile(rb"\s*\d+(\s+[01]?\.?\d+(e-\d+)?){4}\s")
MOST_FILES = 100  # that are looked at, of those deeper in a folder


def datumaro(name: str) -> str:
    """How datumaro converts a format that has this name there."""
    return (
        "convert it with datumaro (pip install datumaro): datum convert -i {folder} "
        f"-if {name} -f voc -o OUT -- --save-media; then: kseg prepare OUT DIR"
    )


@dataclass(frozen=True)
class Unread:
    """An export that is not read: its name, how it is recognised, and what to do.

    `bridge` may name its {folder}.
    """

    name: str
    matches: Callable[[Path], bool]
    bridge: str


def in_json(*groups: tuple[bytes, ...]) -> Callable[[Path], bool]:
    """Whether a JSON file has all texts of one of the groups near an end.

    Files in folders of folders are looked at too, as far as they are few.
    """

    def found(folder: Path) -> bool:
        deeper = islice(folder.rglob("*.json"), MOST_FILES)
        contents = map(ends_of, [*json_files(folder), *deeper])
        return any(all(t in ends for t in g) for ends in contents for g in groups)

    return found


def is_mapillary(folder: Path) -> bool:
    """A config file, and the labels of a split, in v1.2/ or v2.0/ of newer versions."""
    configs = any(folder.glob("config*.json"))
    return configs and any(
        any(folder.glob(f"{split}/{labels}/"))
        for split in ("training", "validation")
        for labels in ("labels", "v1.2/labels", "v2.0/labels")
    )


def is_via(folder: Path) -> bool:
    """JSON or CSV of VIA, whose project files have keys that begin with _via_."""
    tables = [*folder.glob("*.csv"), *folder.glob("*/*.csv")]
    return any(b"region_shape_attributes" in ends_of(path) for path in tables) or (
        in_json(
            (b'"_via_',),
            (b'"shape_attributes"', b'"region_attributes"'),
            (b'"file_attributes"', b'"regions"'),  # nothing is labelled
            (b"VGG Image Annotator",),  # VIA 3
        )(folder)
    )


def is_brush(folder: Path) -> bool:
    """PNG files or arrays of a label each, as Label Studio names them."""
    return any(
        any(folder.glob(f"{depth}task-*annotation-*-tag-*.{suffix}"))
        for depth in ("", "*/")
        for suffix in ("png", "npy")
    )


def is_whole_ade20k(folder: Path) -> bool:
    """NAME_seg.png in folders of scenes."""
    return any(folder.glob("images/ADE/training/*/*/*_seg.png")) or any(
        folder.glob("images/training/?/*/*_seg.png")
    )


def is_darknet(folder: Path) -> bool:
    """YOLO's text files beside the images: of CVAT (obj.names), Roboflow, labelImg."""
    if any(folder.glob("*.names")) or any(folder.glob("*/_darknet.labels")):
        return True
    texts = islice([*folder.glob("*.txt"), *folder.glob("*/*.txt")], MOST_FILES)
    return any(
        DARKNET.match(ends_of(path)) and path.with_suffix(suffix).is_file()
        for path in texts
        for suffix in (".jpg", ".jpeg", ".png")
    )


def lacks_images(folder: Path) -> bool:
    """YOLO's text files in labels/, without a folder images/ beside it."""
    roots = [one.parent for one in (*folder.glob("labels/"), *folder.glob("*/labels/"))]
    alone = [root for root in roots if not (root / "images").is_dir()]
    texts = (path for root in alone for path in (root / "labels").rglob("*.txt"))
    return any(DARKNET.match(ends_of(path)) for path in islice(texts, MOST_FILES))


def has_masks_as_labels(folder: Path) -> bool:
    """Images of the same names in images/ and labels/."""
    for root in (folder, *folder.glob("*/")):
        images, labels = root / "images", root / "labels"
        if images.is_dir() and labels.is_dir():
            stems = {path.stem for path in list_images(images)}
            if any(path.stem in stems for path in list_images(labels)):
                return True
    return False


def is_table(folder: Path) -> bool:
    """A table of boxes, as of TensorFlow, RetinaNet and Roboflow."""
    tables = [*folder.glob("*.csv"), *folder.glob("*/*.csv")]
    return any(b"xmin" in first_line(path) for path in tables)


def first_line(path: Path) -> bytes:
    """The first line of a table, in small letters."""
    return ends_of(path).partition(b"\n")[0].lower()


UNREAD: tuple[Unread, ...] = (
    Unread(
        "YOLO with text files beside the images (darknet)",
        is_darknet,
        "put the images into images/ and the text files into labels/, and add a "
        "data.yaml with the names of the classes, such as names: [cat, dog]",
    ),
    Unread(
        "YOLO without its images",
        lacks_images,
        "put the images into images/, beside labels/",
    ),
    Unread(
        "images with masks in labels/",
        has_masks_as_labels,
        "rename labels/ to masks/, and it is a data folder for kseg train",
    ),
    Unread(
        "boxes in a table (CSV)",
        is_table,
        "export it as COCO or YOLO, and put the images beside it",
    ),
    Unread(
        "VGG Image Annotator (VIA)",
        is_via,
        "in VIA use Annotation > Export Annotations (COCO format) and put the images "
        "beside the file",
    ),
    Unread(
        "V7 Darwin",
        in_json(
            (b"darwin", b'"schema_ref"'),
            (b'"slots"', b'"annotations"', b'"item"'),
            (b'"workview_url"', b'"annotations"'),
        ),
        "convert it with darwin-py (pip install darwin-py): darwin convert coco "
        "{folder} OUT; then put the images into OUT/images",
    ),
    Unread(
        "Datumaro",
        in_json((b'"categories"', b'"items"', b'"label_id"')),
        datumaro("datumaro"),
    ),
    Unread("Mapillary Vistas", is_mapillary, datumaro("mapillary_vistas")),
    Unread("ADE20K with all its classes", is_whole_ade20k, datumaro("ade20k2020")),
    Unread(
        "Label Studio with brush strokes (RLE)",
        lambda folder: is_brush(folder) or in_json((b'"brushlabels"',))(folder),
        "in Label Studio export it as 'Brush labels to COCO' and put the images beside "
        "the file",
    ),
    Unread(
        "Label Studio's own JSON",
        in_json(
            (b'"from_name"', b'"to_name"'),
            (b'"polygonlabels"',),
            (b'"rectanglelabels"',),
        ),
        "in Label Studio export it as 'COCO with Images'",
    ),
)


def unread_error(folder: Path) -> Optional[InputError]:
    """The error for an export that is recognised but not read; None for others."""
    for one in UNREAD:
        if one.matches(folder):
            bridge = one.bridge.format(folder=shlex.quote(str(folder)))
            return InputError(
                f"{folder}: is an export of {one.name}, which kseg does not read; "
                f"{bridge}"
            )
    return None

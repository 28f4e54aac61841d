"""labelme's JSON files, one for each image, which may be embedded in it.

SRC/*.json, or SRC/{train,val,test}/*.json. In masks, later shapes are drawn on top of
earlier ones, in the same way as by labelme's own exporters. The order of the classes is
that of labels.txt if it exists, else alphabetical.

Reference: https://github.com/wkentaro/labelme (labelme/_utils/shape.py)
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Optional

import numpy as np
from PIL import Image

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError, quoted
from edge.core.images import is_image, list_images
from kseg.core.progress import in_parallel
from kseg.data.formats.frames import find_image
from kseg.data.formats.labelme_shapes import draw, objects_of, shapes_of
from kseg.data.formats.labels import Labels, labels_of
from kseg.data.formats.objects import NO_PIXEL
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    Tally,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    read_text,
    split_above,
    without_background,
)
from kseg.data.masks import inspect_image, open_image, stored_size

DESCRIPTION = "NAME.json next to NAME.jpg (labelme)"
LABELS = "labels.txt"
IMAGES = "images"
EMBEDDED = {"/9j/": ".jpg", "iVBOR": ".png"}  # start of the base64 text of such files


def matches(folder: Path) -> bool:
    """Whether a folder, its subfolders, or those of labels/ have files of labelme."""
    files = [*json_files(folder), *json_files(folder / "labels")]
    return any(is_labelme(path) for path in files)


def is_labelme(path: Path) -> bool:
    ends = ends_of(path)
    return b'"shapes"' in ends and b'"categories"' not in ends


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads every JSON file of the folder and its subfolders; all must be labelme's.

    Of those in folders of folders, only labelme's are read.
    """
    near = json_files(folder)
    deeper = {*folder.glob("*/*/**/*.json")} - {*near}
    files = [*near, *sorted(p for p in deeper if is_labelme(p) and p.name[0] != ".")]
    scans = in_parallel(scan, files, folder.name)
    labels = classes_of([one.labels for one in scans], folder)
    check_names(list(labels.names), folder)
    export = SourceDataset(skip_missing, labels.names, palette(len(labels.names)))
    for one in scans:
        add_file(export, one, labels.ids, folder)
    labelled = {one.image.resolve() for one in scans}
    folders = {one.path.parent for one in scans} | {i.parent for i in labelled}
    images = {path.resolve() for inside in folders for path in list_images(inside)}
    export.unlabelled = len(images - labelled)
    return export


def read_objects(folder: Path, skip_missing: bool) -> SourceDataset:
    """The same images with their objects."""
    return without_background(read(folder, skip_missing))


READERS = {"semantic": read, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    return "semantic"


@dataclass(frozen=True)
class Scan:
    """What is kept of a JSON file, without its shapes and its embedded image.

    `suffix` is that of the embedded image, empty if there is none.
    """

    path: Path
    labels: frozenset[str]
    image: Path
    suffix: str


def scan(path: Path) -> Scan:
    content = read_json(path)
    labels = frozenset(shape["label"] for shape in shapes_of(content, path))
    name = str(content.get("imagePath") or path.stem)
    stated = path.parent / PureWindowsPath(name).as_posix()
    image = find_image(name, image_folders(path)) or stated
    data = str(content.get("imageData") or "")
    suffix = next((s for start, s in EMBEDDED.items() if data.startswith(start)), "")
    return Scan(path, labels, image, suffix)


def image_folders(path: Path) -> list[Path]:
    """Where the image of a JSON file may be: beside it, or in images/ beside labels/.

    >>> [str(one) for one in image_folders(Path("d/labels/val/a.json"))[:3:2]]
    ['d/labels/val', 'd/images/val']
    """
    here = path.parent
    return [here, here.parent / IMAGES, here.parent.parent / IMAGES / here.name]


def classes_of(found: list[frozenset[str]], folder: Path) -> Labels:
    """The classes of the labels in the files, in the order of labels.txt.

    Raises InputError for a label that labels.txt does not list.
    """
    path = folder / LABELS
    if not path.is_file():
        return labels_of(found, folder, alphabetical=True)
    listed = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    labels = labels_of([listed, *found], folder)
    known = {0, IGNORE_INDEX, *(labels.ids[name] for name in listed)}
    for name in sorted(set().union(*found)):
        if labels.ids[name] not in known:
            raise InputError(
                f"{path}: the label {quoted(name)} of some shapes is missing; add it"
            )
    return labels


def add_file(
    export: SourceDataset, one: Scan, ids: dict[str, int], folder: Path
) -> None:
    """Adds the pair of one JSON file; without an image file, of its embedded image."""
    path, image = one.path, one.image
    split = split_above(path.parent, folder)
    if image.is_file() and is_image(image):
        mask = partial(read_mask, path, image, ids, export.unpainted)
        objects = partial(read_file_objects, path, image, ids)
        pair = SourcePair(path.stem, image, mask, objects=objects, origin=str(path))
    elif one.suffix:
        mask = partial(read_mask, path, None, ids, export.unpainted)
        content = partial(embedded, path)
        objects = partial(read_file_objects, path, None, ids)
        pair = SourcePair(path.stem, path, mask, content, one.suffix, objects)
    else:
        export.add_missing(image, path)
        return
    export.splits[split].append(pair)


def embedded(path: Path) -> bytes:
    """The bytes of the image embedded in a JSON file."""
    try:
        return base64.b64decode(read_json(path)["imageData"], validate=True)
    except (ValueError, TypeError):
        raise InputError(
            f"{path}: imageData is not valid base64; save it again in labelme"
        ) from None


def read_mask(
    path: Path, image: Optional[Path], ids: dict[str, int], unpainted: Tally
) -> np.ndarray:
    """Draws the shapes of a JSON file as (H, W) uint8 class ids, void 255.

    Those wholly outside the image are counted in `unpainted`.
    """
    content = read_json(path)
    canvas = Image.new("L", size_of(content, path, image)[::-1])
    drawn = [
        draw(canvas, shape, ids[shape["label"]], path)
        for shape in shapes_of(content, path)
    ]
    unpainted.add(Counter({NO_PIXEL: drawn.count(False)}))
    return np.array(canvas)


def read_file_objects(
    path: Path, image: Optional[Path], ids: dict[str, int]
) -> SourceObjects:
    """The objects of a JSON file."""
    content = read_json(path)
    size = size_of(content, path, image)
    return objects_of(shapes_of(content, path), size, ids, path)


def size_of(content: dict[str, Any], path: Path, image: Optional[Path]) -> Size:
    """(height, width) of the coordinates of the shapes."""
    labelled = content.get("imageHeight"), content.get("imageWidth")
    given = all(isinstance(side, int) for side in labelled)
    if image and not given:
        return inspect_image(image)[0]
    if image:
        with open_image(image) as file:
            return check_size(image, stored_size(file), labelled)
    try:
        with Image.open(io.BytesIO(embedded(path))) as file:
            stored = file.height, file.width
    except OSError:
        raise InputError(
            f"{path}: imageData is not an image; save it again in labelme"
        ) from None
    return check_size(path, stored, labelled) if given else stored

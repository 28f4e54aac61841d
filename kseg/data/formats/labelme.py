"""labelme's JSON files, one for each image, which may be embedded in it.

SRC/*.json, or SRC/{train,val,test}/*.json. In masks, later shapes are drawn on top of
earlier ones, in the same way as by labelme's own exporters. The order of the classes is
that of labels.txt if it exists, else alphabetical.

Reference: https://github.com/wkentaro/labelme (labelme/_utils/shape.py)
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Optional

import numpy as np
from PIL import Image

from edge.core.constants import palette
from edge.core.errors import InputError, quoted
from edge.core.images import is_image, list_images
from kseg.core.progress import in_parallel
from kseg.data.formats.labelme_shapes import SPECIAL, draw, objects_of, shapes_of
from kseg.data.formats.source import (
    BACKGROUND,
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    read_text,
    split_of,
    without_background,
)
from kseg.data.masks import inspect_image, open_image, stored_size

DESCRIPTION = "NAME.json next to NAME.jpg (labelme)"
LABELS = "labels.txt"
EMBEDDED = {"/9j/": ".jpg", "iVBOR": ".png"}  # start of the base64 text of such files


def matches(folder: Path) -> bool:
    return any(is_labelme(path) for path in json_files(folder))


def is_labelme(path: Path) -> bool:
    ends = ends_of(path)
    return b'"shapes"' in ends and b'"categories"' not in ends


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads every JSON file of the folder and its subfolders; all must be labelme's."""
    scans = in_parallel(scan, json_files(folder), folder.name)
    found = set().union(*(shapes.labels for shapes in scans))
    names = [BACKGROUND, *order_of(found, folder / LABELS)]
    check_names(names, folder)
    export = SourceDataset(skip_missing, tuple(names), palette(len(names)))
    ids = {name: i for i, name in enumerate(names)} | SPECIAL
    for one in scans:
        add_file(export, one, ids, folder)
    labelled = {one.image.resolve() for one in scans}
    folders = {one.path.parent for one in scans}
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
    name = PureWindowsPath(str(content.get("imagePath") or path.stem)).as_posix()
    paths = path.parent / name, path.parent / Path(name).name  # as stated, or moved
    image = next((path for path in paths if path.is_file()), paths[0])
    data = str(content.get("imageData") or "")
    suffix = next((s for start, s in EMBEDDED.items() if data.startswith(start)), "")
    return Scan(path, labels, image, suffix)


def order_of(found: set[str], path: Path) -> list[str]:
    """The classes in order, without background and ignored labels."""
    found = found - SPECIAL.keys()
    if not path.is_file():
        return sorted(found)
    lines = (line.strip() for line in read_text(path).splitlines())
    listed = [line for line in dict.fromkeys(lines) if line and line not in SPECIAL]
    for name in sorted(found - set(listed)):
        raise InputError(
            f"{path}: the label {quoted(name)} of some shapes is missing; add it"
        )
    return listed


def add_file(
    export: SourceDataset, one: Scan, ids: dict[str, int], folder: Path
) -> None:
    """Adds the pair of one JSON file; without an image file, of its embedded image."""
    path, image = one.path, one.image
    split = split_of(path.parent.name) if path.parent != folder else ""
    if image.is_file() and is_image(image):
        mask = partial(read_mask, path, image, ids)
        objects = partial(read_file_objects, path, image, ids)
        pair = SourcePair(path.stem, image, mask, objects=objects)
    elif one.suffix:
        mask, content = partial(read_mask, path, None, ids), partial(embedded, path)
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


def read_mask(path: Path, image: Optional[Path], ids: dict[str, int]) -> np.ndarray:
    """Draws the shapes of a JSON file as (H, W) uint8 class ids, void 255."""
    content = read_json(path)
    canvas = Image.new("L", size_of(content, path, image)[::-1])
    for shape in shapes_of(content, path):
        draw(canvas, shape, ids[shape["label"]], path)
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

"""labelme's JSON files, one for each image, which may be embedded in it.

SRC/*.json, or SRC/{train,val,test}/*.json. Later shapes are drawn on top of earlier
ones, in the same way as by labelme's own exporters. The order of the classes is that of
labels.txt if it exists, else alphabetical.

Reference: https://github.com/wkentaro/labelme (labelme/_utils/shape.py)
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Callable, Optional

import numpy as np
from PIL import Image, ImageDraw

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.core.images import is_image, list_images
from kseg.core.progress import in_parallel
from kseg.data.formats.source import (
    BACKGROUND,
    Size,
    SourceDataset,
    SourcePair,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    read_text,
    split_of,
)
from kseg.data.masks import inspect_image, open_image, stored_size

DESCRIPTION = "NAME.json next to NAME.jpg (labelme)"
LABELS = "labels.txt"
SPECIAL = {"_background_": 0, BACKGROUND: 0, "__ignore__": IGNORE_INDEX}
EMBEDDED = {"/9j/": ".jpg", "iVBOR": ".png"}  # start of the base64 text of such files

Points = list[tuple[float, float]]


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
            f"{path}: the label {name!r} of some shapes is missing; add it"
        )
    return listed


def add_file(
    export: SourceDataset, one: Scan, ids: dict[str, int], folder: Path
) -> None:
    """Adds the pair of one JSON file; without an image file, of its embedded image."""
    path, image = one.path, one.image
    split = split_of(path.parent.name) if path.parent != folder else ""
    if image.is_file() and is_image(image):
        pair = SourcePair(path.stem, image, partial(read_mask, path, image, ids))
    elif one.suffix:
        mask, content = partial(read_mask, path, None, ids), partial(embedded, path)
        pair = SourcePair(path.stem, path, mask, content, one.suffix)
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


def shapes_of(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The shapes of a JSON file. Raises InputError if it has none, or one no label."""
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise InputError(
            f"{path}: not a labelme file (no list 'shapes'); move it out of the folder"
        )
    for shape in shapes:
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise InputError(f"{path}: a shape has no label; add one in labelme")
    return shapes


# --- drawing, as labelme does ---


def draw(canvas: Image.Image, shape: dict[str, Any], value: int, path: Path) -> None:
    """Draws one shape into `canvas`. Raises InputError for a type without an area."""
    kind = shape.get("shape_type") or "polygon"
    if kind not in SHAPE_TYPES:
        raise InputError(
            f"{path}: a shape {shape['label']!r} is a {kind}, which has no area; "
            f"draw it as one of {', '.join(SHAPE_TYPES)}"
        )
    min_points, function = SHAPE_TYPES[kind]
    points = points_of(shape, min_points, kind, path)
    if kind == "mask":
        draw_mask(canvas, shape, points, value, path)
    else:
        function(ImageDraw.Draw(canvas), points, {"fill": value, "outline": value})


def points_of(shape: dict[str, Any], min_points: int, kind: str, path: Path) -> Points:
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if len(points) < min_points or not np.isfinite(points).all():
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: a {kind} {shape['label']!r} has fewer than {min_points} valid "
            "points; draw it again or delete it"
        ) from None
    return points


def rectangle(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    xs, ys = zip(*points, strict=True)
    pen.rectangle((min(xs), min(ys), max(xs), max(ys)), **paint)


def circle(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    """The first point is the centre, the second lies on the circle."""
    (x, y), radius = points[0], math.dist(points[0], points[1])
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), **paint)


def polygon(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    pen.polygon(points, **paint)


def draw_mask(
    canvas: Image.Image, shape: dict[str, Any], points: Points, value: int, path: Path
) -> None:
    """Draws a shape given as an image, whose upper left corner is the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as file:
            stencil = file.convert("L").point(lambda v: 255 * (v > 0))
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: a mask {shape['label']!r} is not an image; draw it again"
        ) from None
    corner = tuple(int(v) for v in np.round(points[0]))
    canvas.paste(value, (*corner, *np.add(corner, stencil.size).tolist()), stencil)


# Shape type -> its minimum number of points, and the function that draws it.
SHAPE_TYPES: dict[str, tuple[int, Callable]] = {
    "polygon": (3, polygon),
    "rectangle": (2, rectangle),
    "oriented_rectangle": (4, polygon),
    "circle": (2, circle),
    "mask": (1, draw_mask),
}

"""labelme's JSON files, one beside each picture or with the picture inside.

SRC/*.json, or SRC/{train,val,test}/*.json. A later shape lies on top of an earlier
one, and shapes are drawn as labelme's own exporters draw them. labels.txt, where it
is there, gives the order of the classes; otherwise it is that of the alphabet.

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
    Pair,
    Size,
    SourceDataset,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    read_text,
    split_of,
)
from kseg.data.masks import look_at_image, opened, stored_size

DESCRIPTION = "NAME.json beside NAME.jpg (labelme)"
LABELS = "labels.txt"
SPECIAL = {"_background_": 0, BACKGROUND: 0, "__ignore__": IGNORE_INDEX}
EMBEDDED = {"/9j/": ".jpg", "iVBOR": ".png"}  # how base64 of such a picture starts

Points = list[tuple[float, float]]


def recognises(folder: Path) -> bool:
    return any(looks_so(path) for path in json_files(folder))


def looks_so(path: Path) -> bool:
    ends = ends_of(path)
    return b'"shapes"' in ends and b'"categories"' not in ends


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Every JSON file of the folder and of those in it; each must be labelme's."""
    scans = in_parallel(scan, json_files(folder), folder.name)
    found = set().union(*(shapes.labels for shapes in scans))
    names = [BACKGROUND, *order_of(found, folder / LABELS)]
    check_names(names, folder)
    export = SourceDataset(skip_missing, tuple(names), palette(len(names)))
    ids = {name: i for i, name in enumerate(names)} | SPECIAL
    for one in scans:
        add_file(export, one, ids, folder)
    used = {one.picture.resolve() for one in scans}
    places = {one.path.parent for one in scans}
    pictures = {p.resolve() for place in places for p in list_images(place)}
    export.unlabelled = len(pictures - used)
    return export


@dataclass(frozen=True)
class Scan:
    """What is kept of a JSON file: not its shapes, nor the picture inside it.

    `suffix` is of the picture inside, empty where there is none.
    """

    path: Path
    labels: frozenset[str]
    picture: Path
    suffix: str


def scan(path: Path) -> Scan:
    content = read_json(path)
    labels = frozenset(shape["label"] for shape in shapes_of(content, path))
    name = PureWindowsPath(str(content.get("imagePath") or path.stem)).as_posix()
    places = path.parent / name, path.parent / Path(name).name  # as said, or moved here
    picture = next((place for place in places if place.is_file()), places[0])
    inside = str(content.get("imageData") or "")
    suffix = next((s for start, s in EMBEDDED.items() if inside.startswith(start)), "")
    return Scan(path, labels, picture, suffix)


def order_of(found: set[str], path: Path) -> list[str]:
    """The classes but for background and what is ignored."""
    found = found - SPECIAL.keys()
    if not path.is_file():
        return sorted(found)
    lines = (line.strip() for line in read_text(path).splitlines())
    listed = [line for line in dict.fromkeys(lines) if line and line not in SPECIAL]
    for name in sorted(found - set(listed)):
        raise InputError(f"{path}: lacks the label {name!r}, which shapes have; add it")
    return listed


def add_file(
    export: SourceDataset, one: Scan, ids: dict[str, int], folder: Path
) -> None:
    """Adds the pair of one JSON file, of the picture inside where there is no other."""
    path, picture = one.path, one.picture
    split = split_of(path.parent.name) if path.parent != folder else ""
    if picture.is_file() and is_image(picture):
        pair = Pair(path.stem, picture, partial(read_mask, path, picture, ids))
    elif one.suffix:
        mask, content = partial(read_mask, path, None, ids), partial(embedded, path)
        pair = Pair(path.stem, path, mask, content, one.suffix)
    else:
        export.lacks(picture, path)
        return
    export.splits[split].append(pair)


def embedded(path: Path) -> bytes:
    """The bytes of the picture inside a JSON file."""
    try:
        return base64.b64decode(read_json(path)["imageData"], validate=True)
    except (ValueError, TypeError):
        raise InputError(f"{path}: imageData is no base64; save it again") from None


def read_mask(path: Path, picture: Optional[Path], ids: dict[str, int]) -> np.ndarray:
    """The shapes of a JSON file as (H, W) uint8 class ids, 255 where to ignore."""
    content = read_json(path)
    canvas = Image.new("L", size_of(content, path, picture)[::-1])
    for shape in shapes_of(content, path):
        draw(canvas, shape, ids[shape["label"]], path)
    return np.array(canvas)


def size_of(content: dict[str, Any], path: Path, picture: Optional[Path]) -> Size:
    """(height, width) that the shapes were drawn on."""
    labelled = content.get("imageHeight"), content.get("imageWidth")
    given = all(isinstance(side, int) for side in labelled)
    if picture and not given:
        return look_at_image(picture)[0]
    if picture:
        with opened(picture) as image:
            return check_size(picture, stored_size(image), labelled)
    try:
        with Image.open(io.BytesIO(embedded(path))) as image:
            stored = image.height, image.width
    except OSError:
        raise InputError(f"{path}: imageData is no picture; save it again") from None
    return check_size(path, stored, labelled) if given else stored


def shapes_of(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Its shapes, each found to have a label. Raises InputError for other files."""
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise InputError(
            f"{path}: is no file of labelme (no shapes); move it elsewhere"
        )
    for shape in shapes:
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise InputError(f"{path}: a shape has no label; give it one in labelme")
    return shapes


# --- drawing, the way labelme does it ---


def draw(canvas: Image.Image, shape: dict[str, Any], value: int, path: Path) -> None:
    """Draws one shape into `canvas`. Raises InputError for one that has no area."""
    kind = shape.get("shape_type") or "polygon"
    if kind not in DRAWN:
        raise InputError(
            f"{path}: a shape of {shape['label']!r} is a {kind}, which has no area; "
            f"draw it as one of {', '.join(DRAWN)}"
        )
    least, function = DRAWN[kind]
    points = points_of(shape, least, kind, path)
    if kind == "mask":
        draw_mask(canvas, shape, points, value, path)
    else:
        function(ImageDraw.Draw(canvas), points, {"fill": value, "outline": value})


def points_of(shape: dict[str, Any], least: int, kind: str, path: Path) -> Points:
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if len(points) < least or not np.isfinite(points).all():
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: a {kind} of {shape['label']!r} has fewer than {least} points "
            "that are numbers; draw it again or delete it"
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
    """A picture of the shape, whose upper left corner is its first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
            stencil = image.convert("L").point(lambda v: 255 * (v > 0))
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: a mask of {shape['label']!r} is no picture; draw it again"
        ) from None
    corner = tuple(int(v) for v in np.round(points[0]))
    canvas.paste(value, (*corner, *np.add(corner, stencil.size).tolist()), stencil)


# Kind of shape -> its least number of points, and what draws it.
DRAWN: dict[str, tuple[int, Callable]] = {
    "polygon": (3, polygon),
    "rectangle": (2, rectangle),
    "oriented_rectangle": (4, polygon),
    "circle": (2, circle),
    "mask": (1, draw_mask),
}

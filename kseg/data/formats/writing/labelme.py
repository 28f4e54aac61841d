"""labelme: NAME.json beside each image, and labels.txt for `labelme --labels`.

Parts of an object have one `group_id`. Later shapes are on top. Pillow, with which
labelme draws masks, loses a few pixels beside some of the cuts to holes.

Reference: https://github.com/wkentaro/labelme (labelme/_label_file.py)
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, Iterator

from edge.core.files import write_json, write_text
from kseg.data.formats.writing.export import Export, copy_images
from kseg.data.objects_file import LabelledImage, LabelledObject

TOOL = "labelme"
VERSION = "5.5.0"  # of the format
FIRST = ("__ignore__", "_background_")  # of labels.txt, for labelme's exporters


def write(folder: Path, export: Export) -> None:
    """Writes the export into an empty folder."""
    copy_images(export, folder)
    names = [*FIRST, *export.class_names]
    write_text(folder / "labels.txt", "".join(f"{name}\n" for name in names))
    for _, labelled in export.images:
        path = folder / f"{Path(labelled.file_name).stem}.json"
        write_json(path, content_of(labelled, export.class_names))


def content_of(labelled: LabelledImage, names: tuple[str, ...]) -> dict[str, Any]:
    """The content of the file of an image."""
    groups = count(1)
    shapes = [
        shape
        for each in labelled.objects
        for shape in shapes_of(each, names[each.class_id], groups)
    ]
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": labelled.file_name,
        "imageData": None,
        "imageHeight": labelled.size[0],
        "imageWidth": labelled.size[1],
    }


def shapes_of(
    each: LabelledObject, label: str, groups: Iterator[int]
) -> Iterator[dict[str, Any]]:
    """The shapes of an object: polygons, or a rectangle."""
    group = next(groups) if len(each.polygons) > 1 else None
    x0, y0, x1, y1 = each.box
    corners = [[[x0, y0], [x1, y1]]] if not each.polygons else []
    for points in (*(part.tolist() for part in each.polygons), *corners):
        yield {
            "label": label,
            "points": points,
            "group_id": group,
            "description": "",
            "shape_type": "polygon" if each.polygons else "rectangle",
            "flags": {},
            "mask": None,
        }

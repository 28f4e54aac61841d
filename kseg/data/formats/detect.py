"""The known export formats, and how a folder's format is detected."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Optional

from kseg.data.formats import (
    ade20k,
    bowl,
    camvid,
    cityscapes,
    coco,
    cvat,
    labelme,
    roboflow,
    supervisely,
    voc,
    voc_boxes,
    yolo,
)

# Each module has DESCRIPTION, matches(folder), READERS: task -> reader(folder,
# skip_missing), and default_task(folder), the task without --task. They are tried in
# this order: formats known by file names before those known by JSON content, and masks
# before objects.
FORMATS: dict[str, ModuleType] = {
    "voc": voc,
    "roboflow": roboflow,
    "segnet": camvid,
    "cityscapes": cityscapes,
    "ade20k": ade20k,
    "supervisely": supervisely,
    "labelme": labelme,
    "coco": coco,
    "bowl": bowl,
    "yolo": yolo,
    "cvat": cvat,
    "voc-boxes": voc_boxes,
}


def detect_format(folder: Path) -> Optional[str]:
    """The format of the export in a folder; None if it is not one of FORMATS."""
    return next((name for name, f in FORMATS.items() if f.matches(folder)), None)

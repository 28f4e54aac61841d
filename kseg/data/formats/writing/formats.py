"""The formats that `kseg prelabel` writes, by name."""

from __future__ import annotations

from types import ModuleType

from kseg.data.formats.writing import coco, cvat, labelme, yolo

# Each module has write(folder, export) and TOOL, what people correct its files in.
WRITTEN: dict[str, ModuleType] = {
    "coco": coco,
    "cvat": cvat,
    "labelme": labelme,
    "yolo": yolo,
}

# Format -> tasks whose polygons follow the centres of pixels, as labelme draws masks.
CENTRES: dict[str, tuple[str, ...]] = {"labelme": ("semantic",)}

# Formats whose tool saves corrections in the folder that was written.
IN_PLACE = ("labelme",)

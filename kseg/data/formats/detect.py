"""Exports of other tools, each read by the module that is named after it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Optional

from kseg.data.formats import camvid, coco, labelme, roboflow, voc

# Each has DESCRIPTION, recognises(folder) and read(folder, skip_missing). The order is
# that of asking: what a folder's names tell goes before what its JSON files tell.
FORMATS: dict[str, ModuleType] = {
    "voc": voc,
    "roboflow": roboflow,
    "segnet": camvid,
    "labelme": labelme,
    "coco": coco,
}


def detect_format(folder: Path) -> Optional[str]:
    """The format whose export a folder holds; None where it is none of FORMATS."""
    return next((name for name, f in FORMATS.items() if f.recognises(folder)), None)

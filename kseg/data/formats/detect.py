"""The known export formats, and how a folder's format is detected."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Optional

from kseg.data.formats import camvid, coco, labelme, roboflow, voc

# Each module has DESCRIPTION, matches(folder) and read(folder, skip_missing). They are
# tried in this order: formats known by file names before those known by JSON content.
FORMATS: dict[str, ModuleType] = {
    "voc": voc,
    "roboflow": roboflow,
    "segnet": camvid,
    "labelme": labelme,
    "coco": coco,
}


def detect_format(folder: Path) -> Optional[str]:
    """The format of the export in a folder; None if it is not one of FORMATS."""
    return next((name for name, f in FORMATS.items() if f.matches(folder)), None)

"""COCO: annotations/instances_default.json and images/, as CVAT has it.

Parts of an object are several polygons of one annotation.

Reference: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from edge.core.files import make_folder
from kseg.data.formats.writing.export import Export, copy_images
from kseg.data.objects_file import write_objects

TOOL = "CVAT, Label Studio or Roboflow"


def write(folder: Path, export: Export) -> None:
    """Writes the export into an empty folder."""
    copy_images(export, folder / "images")
    make_folder(folder / "annotations")
    path = folder / "annotations" / "instances_default.json"
    write_objects(path, export.class_names, images_of(export))


def images_of(export: Export) -> Sequence:
    return [labelled for _, labelled in export.images]

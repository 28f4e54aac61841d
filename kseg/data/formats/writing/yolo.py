"""YOLO: images/train/, labels/train/NAME.txt, train.txt and data.yaml, as CVAT has it.

An object is one line: its parts are joined by cuts of no width.

Reference: https://docs.ultralytics.com/datasets/segment,
https://docs.cvat.ai/docs/dataset_management/formats/format-yolo-ultralytics
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from edge.core.files import make_folder, write_text
from kseg.data.formats.writing.export import Export, copy_images
from kseg.data.formats.writing.outlines import of_parts
from kseg.data.objects_file import LabelledObject

TOOL = "CVAT or Roboflow"


def write(folder: Path, export: Export) -> None:
    """Writes the export into an empty folder."""
    copy_images(export, folder / "images" / "train")
    labels = make_folder(folder / "labels" / "train")
    for _, labelled in export.images:
        lines = (line_of(each, labelled.size) for each in labelled.objects)
        path = labels / f"{Path(labelled.file_name).stem}.txt"
        write_text(path, "".join(f"{line}\n" for line in lines))
    names = dict(enumerate(export.class_names))
    content = {"path": "./", "train": "train.txt", "names": names}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_text(folder / "data.yaml", text)
    files = (labelled.file_name for _, labelled in export.images)
    listed = "".join(f"images/train/{name}\n" for name in files)
    write_text(folder / "train.txt", listed)


def line_of(each: LabelledObject, size: tuple[int, int]) -> str:
    """The line of an object of an image of `size` (height, width).

    >>> line_of(LabelledObject(1, (0, 2, 4, 4)), (8, 8))
    '1 0.250000 0.375000 0.500000 0.250000'
    """
    sides = np.array(size[::-1], np.float64)
    if each.polygons:
        values = of_parts(each.polygons) / sides
    else:
        low, high = np.reshape(each.box, (2, 2)) / sides
        values = np.stack([(low + high) / 2, high - low])
    return " ".join([str(each.class_id), *(f"{v:.6f}" for v in values.ravel())])

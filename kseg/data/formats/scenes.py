"""The scenes of `shapes` as an export, so that they can be written as a data folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from edge.video.scenes import SIZE
from kseg.data.formats.objects import of_mask
from kseg.data.formats.source import SourceDataset, SourceObjects, SourcePair
from kseg.data.objects_file import LabelledObject
from kseg.data.sample import Objects, Split
from kseg.data.shapes import SHAPES

NAME = "shapes"


def read_scenes(task: str, count: int, val_share: float) -> SourceDataset:
    """`count` scenes for train and a share of as many others for val, at least one.

    They are the first scenes of these splits in `kseg train --data shapes`.
    """
    data = SHAPES[task]()
    export = SourceDataset(False, data.class_names, data.colors)
    counts = {"train": count, "val": max(1, round(val_share * count))}
    for name, number in counts.items():
        split = data.split(name)
        export.splits[name] = [PAIRS[task](split, index) for index in range(number)]
    return export


def masked_pair(split: Split, index: int) -> SourcePair:
    """A scene with the class of each pixel."""
    return scene_pair(split, index, mask=lambda: split.read(index).target)


def object_pair(split: Split, index: int) -> SourcePair:
    """A scene with its objects."""
    return scene_pair(split, index, objects=partial(objects_of, split, index))


def scene_pair(split: Split, index: int, **labels: Callable) -> SourcePair:
    image = partial(png_of, split, index)
    stem = f"scene{index:05d}"
    return SourcePair(stem, Path(NAME), content=image, suffix=".png", **labels)


PAIRS = {"semantic": masked_pair, "instance": object_pair, "detection": object_pair}


def png_of(split: Split, index: int) -> bytes:
    """The image of a scene as a PNG file, without loss."""
    image = split.read(index).image
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def objects_of(split: Split, index: int) -> SourceObjects:
    """The objects of a scene, with the outlines of those that have masks."""
    found = split.read(index).target
    return SourceObjects(
        SIZE, tuple(labelled(found, number) for number in range(len(found.boxes)))
    )


def labelled(found: Objects, number: int) -> LabelledObject:
    """Object `number` of a scene."""
    class_id, box = int(found.class_ids[number]), found.boxes[number]
    if found.masks is None:
        x0, y0, x1, y1 = box.tolist()
        return LabelledObject(class_id, (x0, y0, x1, y1))
    left, top, right, bottom = box.astype(int)
    whole = np.zeros(SIZE, bool)
    whole[top:bottom, left:right] = found.masks[number]
    outlined = of_mask(class_id, whole)
    assert outlined is not None  # an object has at least one pixel
    return outlined

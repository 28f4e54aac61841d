"""The objects of Pascal VOC's SegmentationObject/."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX
from kseg.data.formats.objects import of_mask
from kseg.data.formats.source import SourceObjects, size_error
from kseg.data.formats.voc_boxes import VocObject

BORDER = (224, 224, 192)  # colour 255 of VOC's palette
VOID = -1


def objects_of_maps(
    instances: np.ndarray,
    class_ids: np.ndarray,
    names: Sequence[str],
    listed: Sequence[VocObject],
    path: Path,
) -> SourceObjects:
    """Makes the objects of a map of instances and a mask (H, W) of class ids.

    `instances` is (H, W) ids or (H, W, 3) RGB; 0 and black are none, 255 and VOC's
    border colour are void. An object has the class of most of its pixels. Object k is
    the k-th of `listed`, from the XML file, if their classes agree. Raises InputError
    for maps of different sizes.
    """
    if instances.shape[:2] != class_ids.shape:
        raise size_error(path, instances.shape[:2], class_ids.shape)
    ids = ids_of(instances)
    found, skipped = [], Counter[str]()
    for value in np.unique(ids[ids > 0]).tolist():
        inside = ids == value
        class_id = most_frequent(class_ids[inside])
        if class_id is None:
            skipped["objects without a class"] += 1
            continue
        crowd = is_difficult(listed, value - 1, names[class_id - 1])
        one = of_mask(class_id - 1, inside, crowd)
        found += [one] if one else []
    return SourceObjects(class_ids.shape, tuple(found), skipped)


def ids_of(instances: np.ndarray) -> np.ndarray:
    """(H, W) int: 0 for none, VOID for void, else an id; colours are numbered."""
    if instances.ndim == 2:
        ids = instances.astype(np.int64)
        return np.where(ids == IGNORE_INDEX, VOID, ids)
    weights = np.array([1 << 16, 1 << 8, 1])
    codes = instances.astype(np.int64) @ weights
    return np.where(codes == int(weights @ np.array(BORDER)), VOID, codes)


def most_frequent(class_ids: np.ndarray) -> Optional[int]:
    """The most frequent class id that is not background or void; None without any.

    >>> most_frequent(np.uint8([0, 0, 0, 2, 255])), most_frequent(np.uint8([0, 255]))
    (2, None)
    """
    votes = np.bincount(class_ids.ravel(), minlength=IGNORE_INDEX + 1)
    votes[[0, IGNORE_INDEX]] = 0
    return int(votes.argmax()) if votes.any() else None


def is_difficult(listed: Sequence[VocObject], index: int, name: str) -> bool:
    """Whether the object at `index` is listed with this class, and as difficult."""
    if index >= len(listed) or listed[index].name != name:
        return False
    return listed[index].difficult

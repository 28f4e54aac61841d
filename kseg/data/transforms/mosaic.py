"""Crops made of several images: four beside each other, or objects pasted from another.

Mosaic: Bochkovskiy et al., "YOLOv4" (2020), section 3.3. Pasting: Ghiasi et al.,
"Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation"
(CVPR 2021).
"""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from edge.core.constants import PADDING
from kseg.data.objects import label_map, mask_window, trimmed
from kseg.data.sample import Objects, Sample
from kseg.data.transforms.boxes import LEAST_AREA, LEAST_SHARE

Crop = Callable[[tuple[int, int]], Sample]  # size -> a random crop of a random image
CENTER = (0.3, 0.7)  # the corner that four images share, as a share of the crop


def mosaic(
    random: np.random.Generator, size: tuple[int, int], channels: int, crop: Crop
) -> Sample:
    """Four crops around a random point: image (h, w, C) uint8 and its objects."""
    image = np.full((*size, channels), PADDING, np.uint8)
    middle = [round(side * random.uniform(*CENTER)) for side in size]
    parts = []
    for top, bottom in ((0, middle[0]), (middle[0], size[0])):
        for left, right in ((0, middle[1]), (middle[1], size[1])):
            part = crop((bottom - top, right - left))
            image[top:bottom, left:right] = part.image
            assert isinstance(part.target, Objects)
            parts.append(shifted(part.target, left, top))
    return Sample(image, joined(parts))


def shifted(objects: Objects, left: int, top: int) -> Objects:
    """The objects moved to the right by `left` and down by `top` pixels."""
    boxes = objects.boxes + np.float32([left, top, left, top])
    return Objects(boxes, objects.class_ids, objects.crowd, objects.masks)


def joined(parts: Sequence[Objects]) -> Objects:
    """The objects of several parts of one image."""
    masks = None
    if all(part.masks is not None for part in parts):
        masks = tuple(mask for part in parts for mask in part.masks or ())
    return Objects(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.crowd for part in parts]),
        masks,
    )


def paste(random: np.random.Generator, onto: Sample, other: Sample) -> Sample:
    """Pastes a random half of the objects of one crop onto another of the same size.

    Both need masks. What is behind a pasted object is cut from the others; those of
    which too little is left become crowds. Crowds are not pasted.
    """
    below, above = onto.target, other.target
    assert isinstance(below, Objects) and isinstance(above, Objects)
    chosen = np.flatnonzero((random.random(len(above.boxes)) < 0.5) & ~above.crowd)
    if not len(chosen):
        return onto
    assert above.masks is not None
    pasted = Objects(
        above.boxes[chosen],
        above.class_ids[chosen],
        above.crowd[chosen],
        tuple(above.masks[index] for index in chosen),
    )
    covered = label_map(pasted, onto.image.shape[:2]) > 0
    image = np.where(covered[..., None], other.image, onto.image)
    return Sample(image, joined([without(below, covered), pasted]))


def without(objects: Objects, covered: np.ndarray) -> Objects:
    """The objects without the pixels `covered` (H, W) bool; boxes stay tight."""
    assert objects.masks is not None
    boxes, kept, crowd, masks = [], [], [], []
    for index, mask in enumerate(objects.masks):
        top, bottom, left, right = mask_window(objects.boxes[index])
        left_over = mask & ~covered[top:bottom, left:right]
        part = trimmed(left_over, left, top)
        if part is None:
            continue
        area, before = np.count_nonzero(left_over), np.count_nonzero(mask)
        changed = area < before
        enough = area >= LEAST_SHARE * before and area >= LEAST_AREA
        boxes.append(part[0])
        masks.append(part[1])
        crowd.append(bool(objects.crowd[index]) or (changed and not enough))
        kept.append(index)
    return Objects(
        np.float32(boxes).reshape(-1, 4),
        objects.class_ids[kept],
        np.array(crowd, bool),
        tuple(masks),
    )

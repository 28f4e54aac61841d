"""The targets of networks that propose regions: sampled anchors, boxes and masks.

Which anchors are trained depends on the labels alone, so it is decided here. Which
proposals are trained depends on the network; its loss chooses them with the random
numbers of the target. A resumed run therefore gets the same choice.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import cv2
import numpy as np

from edge.predict.boxes import iou_matrix
from edge.predict.region_anchors import region_anchors, region_deltas
from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.data.loading.box_targets import MOST_OBJECTS, BoxTargets
from kseg.data.loading.cell_targets import crop_of
from kseg.data.sample import Dataset, Objects

POSITIVE, NEGATIVE = 0.7, 0.3  # IoU of an anchor with an object
ANCHORS = 256  # sampled of an image, at most half of them positive
CROWD_SHARE = 0.5  # of an anchor's area in a crowd, with which it does not count
MASK_SIDE = 56  # cells: twice the side of the masks that are predicted
CELLS = MASK_SIDE + 2  # with a border


class RegionTargets(BoxTargets):
    """Makes lists of objects as `BoxTargets`, and

    - `anchors` (ANCHORS,) int32: indices of sampled anchors, -1 for none;
    - `anchor_labels` (ANCHORS,) float32: 1 for those of an object, else 0;
    - `anchor_deltas` (ANCHORS, 4) float32: from the anchor to its object.

    With `noise` also so many random numbers `noise` (N,) float32 in [0, 1). With
    `masks` also

    - `masks` (limit, CELLS, CELLS) uint8: the mask of each object, 255 inside, with a
      border of one cell;
    - `mask_spans` (limit, 4) float32: the box x0, y0, x1, y1 that its cells cover.

    Objects of up to MASK_SIDE pixels a side keep each pixel. A cell of a larger one is
    the mean of its pixels; it is at most half as long as a cell of a predicted mask of
    the whole object, so that the mean of such a cell stays what it is.
    """

    def __init__(
        self,
        size: tuple[int, int],
        strides: tuple[int, ...],
        scale: float,
        noise: int = 0,
        masks: bool = False,
        limit: int = MOST_OBJECTS,
    ):
        """`strides` are those of all levels with anchors of `scale` strides."""
        super().__init__(size, limit)
        self.grid = region_anchors(size, strides, scale)
        self.noise, self.masks = noise, masks

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without objects, before any choice."""
        target = super().blank()
        target["anchors"] = np.full(ANCHORS, -1, np.int32)
        target["anchor_labels"] = np.zeros(ANCHORS, np.float32)
        target["anchor_deltas"] = np.zeros((ANCHORS, 4), np.float32)
        if self.noise:
            target["noise"] = np.zeros(self.noise, np.float32)
        if self.masks:
            shape = (self.limit, CELLS, CELLS)
            target["masks"] = np.zeros(shape, np.uint8)
            target["mask_spans"] = np.zeros((self.limit, 4), np.float32)
        return target

    def of(
        self, objects: Objects, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The target of a crop's objects; `random` makes every choice."""
        chosen = self.chosen(objects, random)
        target = self.filled(objects, chosen)
        self.add_anchors(target, objects, chosen, random)
        if self.noise:
            target["noise"] = random.random(self.noise, np.float32)
        if self.masks:
            assert objects.masks is not None
            for place, index in enumerate(chosen):
                mask, box = objects.masks[index], objects.boxes[index]
                cells, span = mask_cells(mask, box, self.size)
                target["masks"][place] = cells
                target["mask_spans"][place] = span
        return target

    def add_anchors(
        self,
        target: dict[str, np.ndarray],
        objects: Objects,
        chosen: np.ndarray,
        random: np.random.Generator,
    ) -> None:
        """Adds the sampled anchors: at most half of them of objects."""
        crowd = objects.crowd[chosen]
        boxes = objects.boxes[chosen]
        owner = match_anchors(self.grid, boxes[~crowd], boxes[crowd])
        positive = random.permutation(np.flatnonzero(owner >= 0))[: ANCHORS // 2]
        negative = random.permutation(np.flatnonzero(owner == NO_OBJECT))
        negative = negative[: ANCHORS - len(positive)]
        sampled, count = np.concatenate([positive, negative]), len(positive)
        target["anchors"][: len(sampled)] = sampled
        target["anchor_labels"][:count] = 1
        truth = boxes[~crowd][owner[positive]]
        deltas = region_deltas(truth, self.grid[positive])
        target["anchor_deltas"][:count] = deltas


NO_OBJECT, BETWEEN = -1, -2  # anchors that are negative, and that do not count


def match_anchors(
    anchors: np.ndarray, boxes: np.ndarray, crowds: np.ndarray
) -> np.ndarray:
    """The object (A,) of each anchor, NO_OBJECT or BETWEEN.

    An anchor belongs to the object (N, 4) with which it has the largest IoU if that is
    POSITIVE or more, or if no anchor has a larger one with some object. Under NEGATIVE
    it has no object, unless CROWD_SHARE of it is in a crowd (M, 4).
    """
    owner = np.full(len(anchors), NO_OBJECT, np.int64)
    if len(boxes):
        iou = iou_matrix(boxes, anchors)
        nearest, best = iou.argmax(axis=0), iou.max(axis=0)
        owner[best >= NEGATIVE] = BETWEEN
        largest = iou.max(axis=1, keepdims=True)
        kept = (best >= POSITIVE) | ((iou == largest) & (largest > 0)).any(axis=0)
        owner[kept] = nearest[kept]
    if len(crowds):
        inside = shares(anchors, crowds).max(axis=1) >= CROWD_SHARE
        owner[inside & (owner == NO_OBJECT)] = BETWEEN
    return owner


def shares(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The share (N, M) of the area of boxes (N, 4) that is inside regions (M, 4)."""
    low = np.maximum(boxes[:, None, :2], regions[:, :2])
    high = np.minimum(boxes[:, None, 2:], regions[:, 2:])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.prod(np.maximum(high - low, 0), axis=2) / area[:, None]


def mask_cells(
    mask: np.ndarray, box: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A bool mask (h, w) as cells (CELLS, CELLS) uint8, and the box (4,) of the cells.

    A mask that fits keeps its pixels, at the upper left; a longer side is reduced to
    MASK_SIDE cells. The border is outside of the mask, except where the mask ends at
    the border of the image of `size`: there it goes on. The box is x0, y0, x1, y1.
    """
    height, width = (min(side, MASK_SIDE) for side in mask.shape)
    scale_y, scale_x = mask.shape[0] / height, mask.shape[1] / width
    whole = mask.astype(np.uint8) * 255
    if (height, width) != mask.shape:
        whole = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    x0, y0 = np.floor(box[:2])
    x1, y1 = np.ceil(box[2:])
    cells = np.zeros((CELLS, CELLS), np.uint8)
    cells[1 : height + 1, 1 : width + 1] = whole
    if y0 <= 0:
        cells[0] = cells[1]
    if y1 >= size[0]:
        cells[height + 1] = cells[height]
    if x0 <= 0:
        cells[:, 0] = cells[:, 1]
    if x1 >= size[1]:
        cells[:, width + 1] = cells[:, width]
    x, y = x0 - scale_x, y0 - scale_y
    return cells, np.float32([x, y, x + CELLS * scale_x, y + CELLS * scale_y])


class RegionForm(NamedTuple):
    """The sizes of a network of regions and of its training.

    `counts` and `training_counts` are the proposals of each level before suppression
    and of the image after it; `sampled` of them are trained.
    """

    strides: tuple[int, ...]
    scale: float
    counts: tuple[int, int]
    training_counts: tuple[int, int]
    sampled: int

    @property
    def levels(self) -> tuple[int, ...]:
        """The strides of all levels; the network adds one to `strides`."""
        return (*self.strides, 2 * max(self.strides))


# Longest side of the training crops in pixels, up to which a form is used. The last is
# that of the papers and of torchvision.
FORMS: dict[float, RegionForm] = {
    191: RegionForm((4, 8, 16), 4.0, (300, 100), (300, 100), 64),
    511: RegionForm((4, 8, 16, 32), 8.0, (600, 200), (1000, 300), 128),
    inf: RegionForm((4, 8, 16, 32), 8.0, (1000, 1000), (2000, 2000), 512),
}


def region_form(config: TrainConfig, data: Dataset) -> RegionForm:
    """The form for the crops of a run, with the strides of --strides."""
    side = max(crop_of(config, data))
    form = next(form for longest, form in FORMS.items() if side <= longest)
    return form._replace(strides=config.strides or form.strides)


def rpn_targets(config: TrainConfig, data: Dataset) -> RegionTargets:
    """What makes the targets of a run of `rpn`."""
    form = region_form(config, data)
    return RegionTargets(crop_of(config, data), form.levels, form.scale)


def region_targets(config: TrainConfig, data: Dataset) -> RegionTargets:
    """What makes the targets of a run of `faster_rcnn` or `mask_rcnn`."""
    form = region_form(config, data)
    return RegionTargets(
        crop_of(config, data),
        form.levels,
        form.scale,
        form.training_counts[1] + MOST_OBJECTS,
        OBJECT_TASKS[data.task],
    )

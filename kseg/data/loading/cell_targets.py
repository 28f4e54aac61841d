"""The targets of networks that predict at every cell of some levels."""

from __future__ import annotations

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.data.loading.matching import Matcher
from kseg.data.objects import mask_window
from kseg.data.sample import Dataset, Objects

STRIDES, FINE_STRIDES = (8, 16, 32), (4, 8, 16)  # of the levels
FINE_SIDE = 192  # pixels; smaller crops have FINE_STRIDES
MASKS = 32  # cells of an image whose masks are trained
SAMPLES = 28  # points a side at which a mask is trained
GROWTH, MARGIN = 0.125, 1.0  # share of a box around it, at least so many pixels


class CellTargets:
    """Makes the target of a crop, as kseg.training.losses.objects describes it."""

    def __init__(self, size: tuple[int, int], strides: tuple[int, ...], masks: bool):
        step = max(strides)
        self.size = tuple(-(-side // step) * step for side in size)  # after padding
        self.matcher = Matcher(self.size, strides)
        self.mask_stride = min(strides) // 2
        self.masks = masks

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without objects."""
        cells = self.matcher.cells
        target: dict[str, np.ndarray] = {
            "classes": np.full(cells, -1, np.int32),
            "boxes": np.zeros((cells, 4), np.float32),
        }
        if self.masks:
            target["mask_cells"] = np.full(MASKS, -1, np.int32)
            target["masks"] = np.zeros((MASKS, SAMPLES, SAMPLES), np.uint8)
            target["mask_boxes"] = np.zeros((MASKS, 4), np.float32)
        return target

    def of(
        self, objects: Objects, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The target of a crop's objects; `random` chooses the cells of `masks`."""
        target = self.blank()
        owner = self.matcher.match(objects)
        cells = np.flatnonzero(owner >= 0)
        target["classes"][owner < 0] = owner[owner < 0]
        target["classes"][cells] = objects.class_ids[owner[cells]]
        target["boxes"][cells] = objects.boxes[owner[cells]]
        if self.masks:
            self.add_masks(target, objects, owner, random)
        return target

    def add_masks(
        self,
        target: dict[str, np.ndarray],
        objects: Objects,
        owner: np.ndarray,
        random: np.random.Generator,
    ) -> None:
        """Adds the masks of at most MASKS cells: one of each object, then others."""
        assert objects.masks is not None
        cells = random.permutation(np.flatnonzero(owner >= 0))
        _, first = np.unique(owner[cells], return_index=True)
        others = np.setdiff1d(np.arange(len(cells)), first)
        chosen = cells[np.concatenate([random.permutation(first), others])[:MASKS]]
        painted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for place, cell in enumerate(chosen):
            index = int(owner[cell])
            if index not in painted:
                region = grown(objects.boxes[index], self.size)
                painted[index] = region, sampled(objects, index, region)
            region, target["masks"][place] = painted[index]
            target["mask_boxes"][place] = region / self.mask_stride
        target["mask_cells"][: len(chosen)] = chosen


def grown(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A box (4,) with a margin of GROWTH of its sides, at least 1 pixel, in the image.

    Masks are trained in the margin too, so that they end where the object does.
    """
    x0, y0, x1, y1 = box
    x, y = (max(MARGIN, GROWTH * side) for side in (x1 - x0, y1 - y0))
    height, width = size
    result = np.float32([x0 - x, y0 - y, x1 + x, y1 + y])
    return np.clip(result, 0, np.float32([width, height, width, height]))


def sampled(objects: Objects, index: int, region: np.ndarray) -> np.ndarray:
    """The mask of an object at a grid of points in a region, (SAMPLES, SAMPLES) uint8.

    The points are the centres of equal cells; the pixel that one is in decides.
    """
    assert objects.masks is not None
    top, bottom, left, right = mask_window(objects.boxes[index])
    x0, y0, x1, y1 = region
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES
    rows = np.floor(y0 + (y1 - y0) * steps).astype(int)
    columns = np.floor(x0 + (x1 - x0) * steps).astype(int)
    inside = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    result = np.zeros((SAMPLES, SAMPLES), np.uint8)
    mask = objects.masks[index]
    result[np.ix_(*inside)] = mask[
        np.ix_(rows[inside[0]] - top, columns[inside[1]] - left)
    ]
    return result


def crop_of(config: TrainConfig, data: Dataset) -> tuple[int, int]:
    """The size (height, width) of the training crops."""
    return config.size or data.default_crop(config.max_side)


def strides_of(config: TrainConfig, data: Dataset) -> tuple[int, ...]:
    """The strides of the levels: --strides, or finer ones for small crops."""
    fine = max(crop_of(config, data)) < FINE_SIDE
    return config.strides or (FINE_STRIDES if fine else STRIDES)


def cell_targets(config: TrainConfig, data: Dataset) -> CellTargets:
    """What makes the targets of a run."""
    strides, masks = strides_of(config, data), OBJECT_TASKS[data.task]
    return CellTargets(crop_of(config, data), strides, masks)

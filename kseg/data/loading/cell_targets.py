"""The targets of networks that predict at every cell of some levels."""

from __future__ import annotations

import cv2
import numpy as np

from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.data.loading.matching import Matcher
from kseg.data.sample import Dataset, Objects

STRIDES, FINE_STRIDES = (8, 16, 32), (4, 8, 16)  # of the levels
FINE_SIDE = 192  # pixels; smaller crops have FINE_STRIDES
MASKS = 32  # cells of an image whose masks are trained


class CellTargets:
    """Makes the target of a crop, as kseg.training.losses.objects describes it."""

    def __init__(self, size: tuple[int, int], strides: tuple[int, ...], masks: bool):
        step = max(strides)
        self.size = tuple(-(-side // step) * step for side in size)  # after padding
        self.matcher = Matcher(self.size, strides)
        self.mask_stride = min(strides) // 2
        self.masks = masks
        self.grid = tuple(side // self.mask_stride for side in self.size)

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without objects."""
        cells = self.matcher.cells
        target: dict[str, np.ndarray] = {
            "classes": np.full(cells, -1, np.int32),
            "boxes": np.zeros((cells, 4), np.float32),
        }
        if self.masks:
            target["mask_cells"] = np.full(MASKS, -1, np.int32)
            target["masks"] = np.zeros((MASKS, *self.grid), np.uint8)
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
        painted: dict[int, np.ndarray] = {}
        for place, cell in enumerate(chosen):
            index = int(owner[cell])
            if index not in painted:
                painted[index] = self.paint(objects, index)
            target["masks"][place] = painted[index]
            target["mask_boxes"][place] = objects.boxes[index] / self.mask_stride
        target["mask_cells"][: len(chosen)] = chosen

    def paint(self, objects: Objects, index: int) -> np.ndarray:
        """The mask of an object at the resolution of the prototypes, (h, w) uint8.

        A cell is 1 if half of its pixels are in the mask.
        """
        assert objects.masks is not None
        step = self.mask_stride
        left, top, right, bottom = objects.boxes[index].astype(int)
        r0, c0 = top // step, left // step
        r1, c1 = -(-bottom // step), -(-right // step)
        window = np.zeros(((r1 - r0) * step, (c1 - c0) * step), np.float32)
        y, x = top - r0 * step, left - c0 * step
        mask = objects.masks[index]
        window[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        small = cv2.resize(window, (c1 - c0, r1 - r0), interpolation=cv2.INTER_AREA)
        result = np.zeros(self.grid, np.uint8)
        result[r0:r1, c0:c1] = small >= 0.5
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

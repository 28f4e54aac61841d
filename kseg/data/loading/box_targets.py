"""The targets of networks whose loss matches objects itself: a list of boxes."""

from __future__ import annotations

import logging

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.cell_targets import crop_of
from kseg.data.sample import Dataset, Objects

log = logging.getLogger(__name__)

MOST_OBJECTS = 100  # of an image
NONE, IGNORED = -1, -2  # in place of a class: no object, a crowd


class BoxTargets:
    """Makes lists of at most `limit` objects, whose places without one are filled.

    - `classes` (limit,) int32: the class of an object, NONE, or IGNORED for a crowd;
    - `boxes` (limit, 4) float32 x0, y0, x1, y1 in pixels of the crop.
    """

    def __init__(self, size: tuple[int, int], limit: int = MOST_OBJECTS):
        self.size, self.limit = size, limit
        self._reported = False

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without objects."""
        return {
            "classes": np.full(self.limit, NONE, np.int32),
            "boxes": np.zeros((self.limit, 4), np.float32),
        }

    def of(
        self, objects: Objects, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The target of a crop's objects; `random` chooses among more than `limit`."""
        return self.filled(objects, self.chosen(objects, random))

    def filled(self, objects: Objects, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """The target with the classes and boxes of the `chosen` objects."""
        target = self.blank()
        ignored = objects.crowd[chosen]
        count = len(chosen)
        target["classes"][:count] = np.where(
            ignored, IGNORED, objects.class_ids[chosen]
        )
        target["boxes"][:count] = objects.boxes[chosen]
        return target

    def chosen(self, objects: Objects, random: np.random.Generator) -> np.ndarray:
        """The indices of the objects of a target; logs once that some are left out."""
        count = len(objects.boxes)
        if count <= self.limit:
            return np.arange(count)
        if not self._reported:
            self._reported = True
            log.warning(
                "an image has %d objects: %d of them, chosen at random, are trained at "
                "a time",
                count,
                self.limit,
            )
        return np.sort(random.permutation(count)[: self.limit])


def box_targets(config: TrainConfig, data: Dataset) -> BoxTargets:
    """What makes the targets of a run: no more objects than queries."""
    return BoxTargets(crop_of(config, data), config.queries or MOST_OBJECTS)

"""What networks that find objects are trained with; a network adds an entry."""

from __future__ import annotations

from typing import Callable, Protocol

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.box_targets import box_targets
from kseg.data.loading.cell_targets import cell_targets
from kseg.data.sample import Dataset, Objects


class Targets(Protocol):
    """Makes the target of a crop of `size` (height, width): arrays by name.

    All targets of a run have the same names, shapes and types.
    """

    size: tuple[int, int]

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without objects."""
        ...

    def of(
        self, objects: Objects, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The target of a crop's objects; `random` decides where there is a choice."""
        ...


TARGETS: dict[str, Callable[[TrainConfig, Dataset], Targets]] = {
    "instances": cell_targets,
    "detr": box_targets,
}


def targets_of(config: TrainConfig, data: Dataset) -> Targets:
    """What makes the targets of a run."""
    return TARGETS[config.model](config, data)

"""What networks that find objects are trained with; a network adds an entry."""

from __future__ import annotations

from typing import Callable, Protocol

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.box_targets import box_targets
from kseg.data.loading.cell_targets import cell_targets
from kseg.data.loading.proposal_targets import (
    Inputs,
    fast_targets,
    rcnn_targets,
    warped,
    with_proposals,
)
from kseg.data.loading.region_targets import region_targets, rpn_targets
from kseg.data.proposals import ProposalSplit, keep_all
from kseg.data.sample import Dataset, Objects, Split


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
    "localize": box_targets,
    "yolo": box_targets,
    "rpn": rpn_targets,
    "faster_rcnn": region_targets,
    "mask_rcnn": region_targets,
    "fast_rcnn": fast_targets,
    "rcnn": rcnn_targets,
    "detr": box_targets,
}
# Network -> function of a configuration that gives what changes the images and targets
# of a batch to the network's inputs and targets, where the input is not the images.
INPUTS: dict[str, Callable[[TrainConfig], Inputs]] = {
    "fast_rcnn": with_proposals,
    "rcnn": warped,
}
# Networks whose targets need the proposals of selective search.
PROPOSED = ("fast_rcnn", "rcnn")


def targets_of(config: TrainConfig, data: Dataset) -> Targets:
    """What makes the targets of a run."""
    return TARGETS[config.model](config, data)


def training_split(config: TrainConfig, data: Dataset) -> Split:
    """The training images, with proposals if the network needs them."""
    split = data.split("train")
    if config.model not in PROPOSED:
        return split
    keep_all(split, "train")
    return ProposalSplit(split)

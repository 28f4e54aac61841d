"""The training of each network that finds objects; a network adds an entry."""

from __future__ import annotations

from kseg.training.detection.cells import CELLS
from kseg.training.detection.detr import DETR
from kseg.training.detection.grid import GRID
from kseg.training.detection.one_object import ONE_OBJECT
from kseg.training.detection.proposals import FAST_RCNN, RCNN
from kseg.training.detection.regions import PROPOSALS, REGIONS
from kseg.training.detection.system import ObjectSystem

SYSTEMS: dict[str, ObjectSystem] = {
    "instances": CELLS,
    "localize": ONE_OBJECT,
    "yolo": GRID,
    "rpn": PROPOSALS,
    "faster_rcnn": REGIONS,
    "mask_rcnn": REGIONS,
    "fast_rcnn": FAST_RCNN,
    "rcnn": RCNN,
    "detr": DETR,
}

"""The training of each network that finds objects; a network adds an entry."""

from __future__ import annotations

from kseg.training.detection.cells import CELLS
from kseg.training.detection.proposals import FAST_RCNN, RCNN
from kseg.training.detection.system import ObjectSystem

SYSTEMS: dict[str, ObjectSystem] = {
    "instances": CELLS,
    "fast_rcnn": FAST_RCNN,
    "rcnn": RCNN,
}

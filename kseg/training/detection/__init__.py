"""The training of each network that finds objects; a network adds an entry."""

from __future__ import annotations

from kseg.training.detection.cells import CELLS
from kseg.training.detection.detr import DETR
from kseg.training.detection.system import ObjectSystem

SYSTEMS: dict[str, ObjectSystem] = {"instances": CELLS, "detr": DETR}

"""Training of networks whose cells have classes and boxes: `yolo`."""

from __future__ import annotations

from typing import Any

from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss


def loss(config: TrainConfig, data: Dataset) -> JointLoss:
    """Raises InputError for a crop of another size than the network's only one."""
    from kseg.data.loading.cell_targets import crop_of
    from kseg.models.detection.yolo import input_size
    from kseg.training.losses.grid import GridLoss

    size, only = crop_of(config, data), input_size(config.grid_head)
    if only and size != only:
        raise InputError(
            f"--size {format_size(size)}: with --grid-head dense the network is for "
            f"one size; use {format_size(only)}"
        )
    return GridLoss(size)


def network_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    return {}


def decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    return {"kind": "boxes", "score": 0.2, "nms": 0.5, "max_detections": 100}


GRID = ObjectSystem(loss, network_options, decoder)

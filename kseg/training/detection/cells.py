"""Training of networks that predict at every cell of some levels: `instances`."""

from __future__ import annotations

from typing import Any

from edge.core.constants import VARIANCES
from edge.predict.boxes import ANCHOR_SCALE, anchor_grid
from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.data.sample import Dataset
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss


def loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.data.loading.cell_targets import cell_targets, strides_of
    from kseg.training.losses.objects import ObjectLoss

    size = cell_targets(config, data).size
    return ObjectLoss(*anchor_grid(size, strides_of(config, data)))


def network_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.cell_targets import strides_of

    return {"strides": strides_of(config, data), "masks": OBJECT_TASKS[data.task]}


def decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.cell_targets import strides_of

    return {
        "strides": list(strides_of(config, data)),
        "anchor_scale": ANCHOR_SCALE,
        "variances": list(VARIANCES),
        "score": 0.3,
        "nms": 0.5,
        "max_detections": 100,
    }


CELLS = ObjectSystem(loss, network_options, decoder)

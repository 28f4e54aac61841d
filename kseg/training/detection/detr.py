"""Training of `detr`, whose queries are assigned to the objects of an image."""

from __future__ import annotations

from typing import Any

from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss

STRIDE, FINE_STRIDE = 32, 8  # of the features that the transformer reads
FINE_SIDE = 192  # pixels; smaller crops have FINE_STRIDE


def loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.data.loading.cell_targets import crop_of
    from kseg.training.losses.detr import DetrLoss

    return DetrLoss(crop_of(config, data))


def network_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.cell_targets import crop_of

    fine = max(crop_of(config, data)) < FINE_SIDE
    strides = config.strides or (FINE_STRIDE if fine else STRIDE,)
    return {"strides": strides, "frozen": config.weights != "none"}


def decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """No box is suppressed: a `nms` of 1."""
    return {"kind": "boxes", "score": 0.3, "nms": 1.0, "max_detections": 100}


DETR = ObjectSystem(loss, network_options, decoder)

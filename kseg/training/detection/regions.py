"""Training of networks that propose regions: `rpn`, `faster_rcnn`, `mask_rcnn`."""

from __future__ import annotations

from typing import Any

from edge.predict.region_anchors import RATIOS
from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss

SMALL_WIDTHS = {"plain": 256}  # of dense layers, on encoders that are small themselves
FULL_WIDTH = 1024
DETECTIONS = 100


def rpn_loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.training.losses.rpn import RpnLoss

    return RpnLoss()


def region_loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.data.loading.region_targets import region_form
    from kseg.training.losses.regions import RegionLoss

    return RegionLoss(region_form(config, data).sampled)


def common_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """The options that all networks of regions have.

    The batch normalizations of a pretrained encoder keep their statistics.
    """
    from kseg.data.loading.region_targets import region_form

    form = region_form(config, data)
    usual = SMALL_WIDTHS.get(config.encoder, FULL_WIDTH)
    return {
        "strides": form.strides,
        "anchor_scale": form.scale,
        "fc_width": config.fc_width or usual,
        "frozen": config.weights != "none",
    }


def rpn_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.region_targets import region_form

    before = region_form(config, data).training_counts[0]
    return {**common_options(config, data), "before": before}


def region_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.region_targets import region_form

    form = region_form(config, data)
    counts = {"counts": form.counts, "training_counts": form.training_counts}
    return {**common_options(config, data), **counts}


def rpn_decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    return {**region_decoder(config, data), "nms": 0.7}


def region_decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """What the predictor needs; the rest describes how the network found its boxes."""
    from kseg.data.loading.region_targets import region_form

    form = region_form(config, data)
    return {
        "kind": "regions",
        "score": 0.3,
        "nms": 0.5,
        "max_detections": DETECTIONS,
        "strides": list(form.levels),
        "anchor_scale": form.scale,
        "ratios": list(RATIOS),
    }


PROPOSALS = ObjectSystem(rpn_loss, rpn_options, rpn_decoder)
REGIONS = ObjectSystem(region_loss, region_options, region_decoder)

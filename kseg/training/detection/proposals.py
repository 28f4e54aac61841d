"""Training of networks that classify proposals: `fast_rcnn` and `rcnn`."""

from __future__ import annotations

from typing import Any

from edge.predict.region_boxes import WEIGHTS
from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset
from kseg.training.detection.rcnn import finish_rcnn
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss


def fast_loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.training.losses.proposals import ProposalLoss

    return ProposalLoss()


def fast_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.proposal_targets import fast_strides

    return {"strides": fast_strides(config, data)}


def fast_decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    return decoder_of_kind("fast_rcnn")


def decoder_of_kind(kind: str) -> dict[str, Any]:
    """The parameters that both networks have; NMS is that of the papers."""
    return {
        "kind": kind,
        "weights": list(WEIGHTS),
        "score": 0.3,
        "nms": 0.3,
        "max_detections": 100,
    }


def rcnn_loss(config: TrainConfig, data: Dataset) -> JointLoss:
    from kseg.training.losses.proposals import ClassLoss

    return ClassLoss()


def rcnn_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.proposal_targets import warp_of

    return {"crop": warp_of(config)[0]}


def rcnn_decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    from kseg.data.loading.proposal_targets import warp_of

    side, context = warp_of(config)
    kind = decoder_of_kind("rcnn")
    return {**kind, "side": side, "context": context, "classifier": "softmax"}


FAST_RCNN = ObjectSystem(fast_loss, fast_options, fast_decoder)
RCNN = ObjectSystem(rcnn_loss, rcnn_options, rcnn_decoder, finish_rcnn)

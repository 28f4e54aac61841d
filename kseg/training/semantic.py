"""The loss, the metrics and the validation of semantic segmentation in training."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset


def semantic_loss(
    config: TrainConfig, data: Dataset, known_weights: Optional[dict[str, float]] = None
) -> Any:
    """Makes the loss of a configuration.

    Class weights are computed from the training masks, unless `known_weights` gives
    them by class name. Raises InputError for an unknown loss, and for weights with a
    loss that does not support them.
    """
    from kseg.data.class_weights import class_weights, count_pixels

    if not config.hard_share:
        raise InputError("--hard-share 0: is a share of the pixels, over 0; see --help")
    new_loss = kind_of_loss(config)
    try:
        loss = new_loss(config.loss)
        if config.border_weight:
            loss.check_weights("--border-weight")
        if config.class_weights == "none":
            return loss
        loss.check_weights("--class-weights")
    except ValueError as error:
        raise InputError(f"--{error}") from None
    if known_weights:
        return new_loss(config.loss, tuple(known_weights[x] for x in data.class_names))
    counts = count_pixels(data.split("train"), data.num_classes)
    return new_loss(config.loss, class_weights(config.class_weights, counts))


def kind_of_loss(config: TrainConfig) -> Callable[..., Any]:
    """SegmentationLoss, or with teachers what adds their term to it."""
    from kseg.training.losses.distillation import DistillationLoss
    from kseg.training.losses.segmentation import SegmentationLoss

    hard = {
        "hard_probability": config.hard_probability,
        "hard_share": config.hard_share,
    }
    if not config.teacher:
        return partial(SegmentationLoss, **hard)
    return partial(
        DistillationLoss,
        teacher_weight=config.teacher_weight,
        temperature=config.teacher_temperature,
        **hard,
    )


class SemanticMetrics:
    """Mean IoU in training and validation (a `TaskMetrics`)."""

    headline = "mean_iou"
    shown = (headline,)

    def __init__(self, config: TrainConfig, data: Dataset):
        self.num_classes, self.config = data.num_classes, config

    def network_options(self) -> dict[str, Any]:
        from kseg.training.heads import checked_heads

        heads = checked_heads(self.config)
        return {"heads": heads} if heads else {}

    def decoder(self) -> dict[str, Any]:
        return {}

    def epochs_between(self, steps: int) -> int:
        return 1

    def for_compile(self) -> list[Any]:
        from kseg.evaluation.metrics.keras_metrics import MeanIoU

        return [MeanIoU(self.num_classes)]

    def blank_target(self) -> np.ndarray:
        """Returns a mask (1, 1, 1) uint8 of void."""
        return np.full((1, 1, 1), IGNORE_INDEX, np.uint8)

    def validation(
        self, network: Any, batches: Any, loss: Any
    ) -> Callable[[], dict[str, float]]:
        """Returns a function that computes `loss` and `mean_iou` over `batches`."""
        import keras

        # A second model of the same layers: `network` is saved, so it stays uncompiled.
        measured = keras.Model(network.inputs, network.output)
        measured.compile(loss=loss, metrics=self.for_compile())
        return lambda: measured.evaluate(batches, verbose=0, return_dict=True)

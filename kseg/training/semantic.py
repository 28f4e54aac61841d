"""Semantic segmentation in training: its loss, its metric, its validation."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset


def semantic_loss(
    config: TrainConfig, data: Dataset, counted: Optional[dict[str, float]] = None
) -> Any:
    """The loss of a configuration, its class weights counted over the training masks.

    `counted` are those weights where they are known already. Raises InputError for what
    is no sum of losses, and for weights that it cannot take.
    """
    from kseg.data.class_weights import class_weights, count_pixels
    from kseg.training.losses.segmentation import SegmentationLoss

    try:
        loss = SegmentationLoss(config.loss)
        if config.border_weight:
            loss.check_weights("--border-weight")
        if config.class_weights == "none":
            return loss
        loss.check_weights("--class-weights")
    except ValueError as error:
        raise InputError(f"--{error}") from None
    if counted:
        return SegmentationLoss(
            config.loss, tuple(counted[x] for x in data.class_names)
        )
    counts = count_pixels(data.split("train"), data.num_classes)
    return SegmentationLoss(config.loss, class_weights(config.class_weights, counts))


class SemanticMetrics:
    """Mean IoU, in training and validation; a `TaskMetrics` of setup.py."""

    headline = "mean_iou"

    def __init__(self, config: TrainConfig, data: Dataset):
        self.num_classes = data.num_classes

    def for_compile(self) -> list[Any]:
        from kseg.evaluation.metrics.keras_metrics import MeanIoU

        return [MeanIoU(self.num_classes)]

    def blank_target(self) -> np.ndarray:
        """A mask (1, 1, 1) uint8 of void."""
        return np.full((1, 1, 1), IGNORE_INDEX, np.uint8)

    def validation(
        self, network: Any, batches: Any, loss: Any
    ) -> Callable[[], dict[str, float]]:
        """A function that gives `loss` and `mean_iou` over `batches`, by Keras."""
        import keras

        # The same layers: `network` itself is saved, and is not to be compiled.
        measured = keras.Model(network.inputs, network.output)
        measured.compile(loss=loss, metrics=self.for_compile())
        return lambda: measured.evaluate(batches, verbose=0, return_dict=True)

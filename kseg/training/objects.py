"""The loss, the metrics and the validation of objects in training."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.core.progress import evenly_spaced
from kseg.data.chosen import SomeImages
from kseg.data.sample import Dataset, Split
from kseg.training.detection import SYSTEMS
from kseg.training.losses.joint import JointLoss

log = logging.getLogger(__name__)

VALIDATED = 200  # images at most
STEPS_BETWEEN = 100  # about, between two validations
MAX_DETECTIONS = 300  # of an image in validation


def object_loss(
    config: TrainConfig, data: Dataset, known_weights: Optional[dict[str, float]] = None
) -> JointLoss:
    """Makes the loss of a configuration."""
    return SYSTEMS[config.model].loss(config, data)


def finish(config: TrainConfig, data: Dataset, folder: Path) -> None:
    """Trains what the network's system trains after the last epoch, if anything."""
    system = SYSTEMS.get(config.model)
    if system and system.finish:
        system.finish(config, data, folder)


class ObjectMetrics:
    """Average precision in validation (a `TaskMetrics`)."""

    def __init__(self, config: TrainConfig, data: Dataset):
        self.config, self.data = config, data
        self.masks = OBJECT_TASKS[data.task]
        self.shown = ("mask_ap", "box_ap") if self.masks else ("box_ap",)
        self.headline = self.shown[0]

    def network_options(self) -> dict[str, Any]:
        return SYSTEMS[self.config.model].network_options(self.config, self.data)

    def decoder(self) -> dict[str, Any]:
        return SYSTEMS[self.config.model].decoder(self.config, self.data)

    def epochs_between(self, steps: int) -> int:
        """AP takes as long as many steps: few images are validated less often."""
        return max(1, STEPS_BETWEEN // steps)

    def for_compile(self) -> None:
        return None

    def blank_target(self) -> dict[str, Any]:
        """Returns the target of an image without objects, with a batch axis."""
        from kseg.data.loading.targets import targets_of

        blank = targets_of(self.config, self.data).blank()
        return {name: value[None] for name, value in blank.items()}

    def validation(
        self, network: Any, batches: Any, loss: Any
    ) -> Callable[[], dict[str, float]]:
        """Returns a function that computes the average precision of the val split.

        Images are predicted one by one, at most VALIDATED, as they are in evaluation.
        """
        from edge.predict.open import predictor_of
        from kseg.evaluation.keras_engines import keras_engine
        from kseg.evaluation.loop import evaluate
        from kseg.evaluation.objects import ObjectEvaluator
        from kseg.models import geometry

        info = replace(
            self.data.info,
            decoder=self.decoder(),
            geometry=geometry(network),
            max_side=self.config.max_side,
        )
        predictor = predictor_of(keras_engine(network, info, True), info)
        split = some_images(self.data.split("val"), VALIDATED)

        known: list[str] = []  # problems that were logged in an earlier epoch

        def validate() -> dict[str, float]:
            evaluator = ObjectEvaluator(self.data.class_names, self.masks, fast=True)
            evaluator.decoder["max_detections"] = MAX_DETECTIONS
            evaluate(predictor, split, evaluator)
            if not evaluator.num_objects and not known:
                known.append(
                    f"{self.data.name}: no object is labelled in the val images, so "
                    f"val_{self.headline} is 0; label some of them"
                )
                log.warning(known[0])
            return evaluator.headlines()

        return validate


def some_images(split: Split, count: int) -> Split:
    """At most `count` images of a split, spread evenly over it."""
    total = len(split.sizes)
    return split if total <= count else SomeImages(split, evenly_spaced(total, count))

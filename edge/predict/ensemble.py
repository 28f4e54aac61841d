"""Averages what several models of one task predict."""

from __future__ import annotations

from typing import Callable, Dict, Sequence, Tuple

import numpy as np

from edge.core.errors import InputError, listed
from edge.predict.base import Predictor
from edge.predict.semantic import SemanticPredictor
from edge.predict.tta import TTA, SemanticTTA


class SemanticEnsemble(SemanticTTA):
    """The mean of the probabilities of several semantic models, then the best class.

    Each model sees each image, and each pass of test-time augmentation, in its own way;
    its probabilities are resized to the input size of the first model and averaged
    there with equal weights. The mean of probabilities is the usual combination of
    networks that were trained apart (Lakshminarayanan, Pritzel and Blundell, NeurIPS
    2017, equation of section 2.4).

    Raises InputError for models that give labels alone.
    """

    averages = True

    def __init__(self, predictors: Sequence[SemanticPredictor], tta: TTA):
        super().__init__(predictors[0], tta)
        self.members = [SemanticTTA(each, tta) for each in predictors]
        # Each was fitted for its model alone; none was for the mean of all.
        self.temperature = float(np.mean([each.temperature for each in self.members]))
        for member in self.members:
            member.stages = self.stages
            if member.info.head == "labels":
                raise InputError(
                    "several models are averaged, but one of them outputs labels only; "
                    "export it with --head logits, or use its run"
                )

    def _probabilities(
        self,
        image: np.ndarray,
        order: str,
        scale: float,
        mirrored: bool,
        base: Tuple[int, int],
    ) -> np.ndarray:
        parts = (
            member._probabilities(image, order, scale, mirrored, base)
            for member in self.members
        )
        total = next(parts)
        for part in parts:
            total = total + part
        return total / len(self.members)


# Task -> class whose arguments are the predictors and the passes of each.
ENSEMBLES: Dict[str, Callable[..., Predictor]] = {"semantic": SemanticEnsemble}


def average(
    predictors: Sequence[Predictor], names: Sequence[str], tta: TTA
) -> Predictor:
    """One predictor of the mean of several; `names` are theirs in messages.

    Raises InputError for tasks whose results cannot be averaged, and for models whose
    classes or images differ.
    """
    first = predictors[0].info
    for predictor, name in zip(predictors, names):
        info = predictor.info
        if info.task not in ENSEMBLES:
            raise InputError(
                f"{name}: several models of the task {info.task} cannot be averaged, "
                f"only those of {', '.join(ENSEMBLES)}; give one of them, such as "
                f"{names[0]}"
            )
        if info.class_names != first.class_names:
            raise InputError(
                f"{name}: has the classes {listed(info.class_names)}, but {names[0]} "
                f"has {listed(first.class_names)}; give models of the same classes"
            )
        channels = predictor.engine.channels, info.white_level
        if channels != (predictors[0].engine.channels, first.white_level):
            raise InputError(
                f"{name}: takes images of another kind (grey, RGB or 16 bits) than "
                f"{names[0]}; give models that were trained on the same kind"
            )
    return ENSEMBLES[first.task](predictors, tta)

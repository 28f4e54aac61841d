"""A weighted sum of named losses: `SegmentationLoss("ce+0.5*dice")`."""

from __future__ import annotations

from math import isfinite
from typing import Any, Optional, Sequence

import keras

from edge.core.constants import IGNORE_INDEX
from kseg.training.losses.pixel import (
    HARD_PROBABILITY,
    HARD_SHARE,
    cross_entropy,
    focal,
    ohem,
)
from kseg.training.losses.region import dice, lovasz, tversky
from kseg.training.losses.replicas import replica_share

LOSSES = {
    "ce": cross_entropy,
    "focal": focal,
    "dice": dice,
    "tversky": tversky,
    "lovasz": lovasz,
    "ohem": ohem,
}
OVER_PIXELS = ("ce", "focal", "ohem")  # means over pixels; they support weights


def terms_of(spec: str) -> list[tuple[float, str]]:
    """Parses a sum of losses into (factor, name) pairs. Raises ValueError if invalid.

    >>> terms_of("ce+0.5*dice")
    [(1.0, 'ce'), (0.5, 'dice')]
    """
    terms = []
    for text in spec.split("+"):
        factor, _, name = text.rpartition("*")
        name = name.strip()
        if name not in LOSSES:
            raise ValueError(
                f"loss {spec!r}: unknown loss {name!r}; use one of "
                f"{', '.join(sorted(LOSSES))}, or a sum such as ce+0.5*dice"
            )
        terms.append((factor_of(factor, spec) if "*" in text else 1.0, name))
    return terms


def factor_of(text: str, spec: str) -> float:
    """Parses a factor. Raises ValueError unless it is a finite number over 0."""
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not (factor > 0 and isfinite(factor)):
        raise ValueError(
            f"loss {spec!r}: the factor {text!r} must be a number over 0, such as 0.5"
        )
    return factor


@keras.saving.register_keras_serializable("kseg")
class SegmentationLoss(keras.losses.Loss):
    """A sum of LOSSES for `compile`, such as `SegmentationLoss("ce+0.5*dice")`.

    `sample_weight` (B, H, W) and `class_weights` (C,) apply to the losses that are
    means over pixels (OVER_PIXELS); Dice, Tversky and Lovasz ignore them in a sum.
    `hard_probability` and `hard_share` are `probability` and `share` of `ohem`.
    Raises ValueError for weights if no loss of the sum supports them, and for a `spec`
    that is not a sum of LOSSES.
    """

    def __init__(
        self,
        spec: str = "ce",
        class_weights: Optional[Sequence[float]] = None,
        ignore_index: int = IGNORE_INDEX,
        name: str = "segmentation_loss",
        hard_probability: float = HARD_PROBABILITY,
        hard_share: float = HARD_SHARE,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.spec, self.terms = spec, terms_of(spec)
        self.ignore_index = ignore_index
        self.hard = {"probability": hard_probability, "share": hard_share}
        self.class_weights = None
        if class_weights is not None:
            self.check_weights("class weights")
            self.class_weights = tuple(float(weight) for weight in class_weights)

    @property
    def takes_weights(self) -> bool:
        """Whether a loss of the sum supports weights."""
        return any(name in OVER_PIXELS for _, name in self.terms)

    def pixel_weights(self, sample_weight: Optional[Any]) -> Optional[Any]:
        """The weights (B, H, W) of the pixels among the sample weights; None: none."""
        return sample_weight

    def check_weights(self, what: str) -> None:
        """Raises ValueError if weights, described by `what`, would have no effect."""
        if not self.takes_weights:
            raise ValueError(
                f"loss {self.spec!r}: does not support {what}; add one of "
                f"{', '.join(OVER_PIXELS)}"
            )

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Optional[Any] = None
    ) -> Any:
        # Keras would multiply the scalar that `call` returns by the map of weights.
        with keras.name_scope(self.name):
            return self.total(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.total(y_true, y_pred)

    def total(self, mask: Any, logits: Any, weight: Optional[Any] = None) -> Any:
        """Computes the sum: scalar float32."""
        if weight is not None:
            self.check_weights("pixel weights")
        weights = {"weight": weight, "class_weights": self.class_weights}
        loss = sum(
            factor
            * LOSSES[name](
                mask,
                logits,
                self.ignore_index,
                **(weights if name in OVER_PIXELS else {}),
                **(self.hard if name == "ohem" else {}),
            )
            for factor, name in self.terms
        )
        if keras.backend.backend() != "tensorflow":
            return loss
        return replica_share(loss)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "spec": self.spec,
            "class_weights": self.class_weights and list(self.class_weights),
            "ignore_index": self.ignore_index,
            "hard_probability": self.hard["probability"],
            "hard_share": self.hard["share"],
        }

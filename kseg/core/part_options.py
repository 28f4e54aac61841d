"""Groups of options for parts of a network that are off by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.names import CONTEXTS, OUTPUT_STRIDES
from kseg.core.options import option


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """Parts that are also in the files of a network."""

    title = "Network"

    context: str = option(
        "none",
        "what the coarsest features of unet and FCN pass through",
        choices=CONTEXTS,
    )
    output_stride: Optional[int] = option(
        None,
        "coarsest stride of the encoders of keras.applications, but not vgg16; at 16 "
        "the last stage is dilated; default 32",
        choices=OUTPUT_STRIDES,
    )


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """Heads that only training has, and the weights of their losses."""

    title = "Loss"

    auxiliary: float = option(
        0.0,
        "weight of the cross-entropy of two more outputs, at strides 8 and 16, such as "
        "0.4; they are not saved in the model; 0 is off",
        most=100,
    )
    boundary: float = option(
        0.0,
        "weight of the loss of an output that finds the boundaries between classes, "
        "such as 1; it is not saved in the model; 0 is off",
        most=100,
    )

    @property
    def training_heads(self) -> tuple[str, ...]:
        """The names of the heads whose losses have a weight."""
        weights = {"auxiliary": self.auxiliary, "boundary": self.boundary}
        return tuple(name for name, weight in weights.items() if weight)

"""How a network begins, with the scaled and padded image, and ends, with logits."""

from __future__ import annotations

from typing import Any, Sequence

from keras import layers

from kseg.models.layers.sizes import CropLike, PadToMultiple
from kseg.models.layers.upsampling import upsample


def prepared(
    image: Any,
    multiple: int,
    scale: float | Sequence[float] = 1 / 127.5,
    offset: float | Sequence[float] = -1.0,
) -> Any:
    """(B, H, W, C) in [0, 255] -> scaled and padded to what the network's stride needs.

    By default to [-1, 1]. Padding follows the scaling: it is the middle of the scale,
    which convolutions see as nothing.
    """
    x = layers.Rescaling(scale, offset=offset, name="rescale")(image)
    return PadToMultiple(multiple, name="pad")(x)


def to_logits(score: Any, image: Any, stride: int, upsampling: str) -> Any:
    """Scores at `stride` -> float32 logits at the image's own size."""
    if stride > 1:
        score = upsample(score, stride, upsampling, "score_up")
    return CropLike(dtype="float32", name="logits")([score, image])

"""The first layers of a network, which scale and pad the image, and its logits."""

from __future__ import annotations

from typing import Any, Sequence

from keras import layers

from kseg.models.layers.sizes import CropLike, PadToMultiple
from kseg.models.layers.upsampling import upsample


def prepare_input(
    image: Any,
    multiple: int,
    scale: float | Sequence[float] = 1 / 127.5,
    offset: float | Sequence[float] = -1.0,
) -> Any:
    """Scales (B, H, W, C) from [0, 255] and pads it to a multiple of the stride.

    The default scale is [-1, 1]. The padding is zeros after scaling, the middle of the
    range, like the zero padding of convolutions.
    """
    x = layers.Rescaling(scale, offset=offset, name="rescale")(image)
    return PadToMultiple(multiple, name="pad")(x)


def to_logits(score: Any, image: Any, stride: int, upsampling: str) -> Any:
    """Scores (B, h, w, C) at `stride` -> float32 logits (B, H, W, C), as `image`."""
    if stride > 1:
        score = upsample(score, stride, upsampling, "score_up")
    return CropLike(dtype="float32", name="logits")([score, image])

"""Feature pyramid: Lin et al., "Feature Pyramid Networks" (CVPR 2017)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.upsampling import upsample

Block = Callable[..., Any]


def fpn(
    taps: dict[int, Any], width: int, block: Block, upsampling: str = "bilinear"
) -> dict[int, Any]:
    """Stride -> features (B, H / stride, W / stride, `width`), for each of `taps`.

    A 1x1 convolution brings every tap to `width` channels; from the coarsest to the
    finest, each is added to the upsampled sum before it; `block` ends each level.
    """
    coarsest, *finer = sorted(taps, reverse=True)
    x = conv_bn_relu(taps[coarsest], width, kernel=1, name=f"lateral{coarsest}")
    sums = {coarsest: x}
    for stride in finer:
        for step in range((coarsest // stride).bit_length() - 1):
            name = f"up{stride}" if not step else f"up{stride}_{step}"
            x = upsample(x, 2, upsampling, f"{name}_enlarge")
        skip = conv_bn_relu(taps[stride], width, kernel=1, name=f"lateral{stride}")
        x = layers.Add(name=f"sum{stride}")([x, skip])
        sums[stride], coarsest = x, stride
    return {s: block(sums[s], width, f"level{s}") for s in sorted(sums)}

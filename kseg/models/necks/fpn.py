"""Feature pyramid: Lin et al., "Feature Pyramid Networks" (CVPR 2017)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.upsampling import upsample

Block = Callable[..., Any]


def normalized(x: Any, width: int, name: str) -> Any:
    """A 1x1 convolution with batch normalization and ReLU."""
    return conv_bn_relu(x, width, kernel=1, name=name)


def linear(x: Any, width: int, name: str) -> Any:
    """A 1x1 convolution alone, as in the paper."""
    return layers.Conv2D(width, 1, name=name)(x)


def smoothing(x: Any, width: int, name: str) -> Any:
    """A 3x3 convolution alone, as in the paper."""
    return layers.Conv2D(width, 3, padding="same", name=name)(x)


def fpn(
    taps: dict[int, Any],
    width: int,
    block: Block,
    upsampling: str = "bilinear",
    lateral: Block = normalized,
) -> dict[int, Any]:
    """Stride -> features (B, H / stride, W / stride, `width`), for each of `taps`.

    `lateral` brings every tap to `width` channels; from the coarsest to the finest,
    each is added to the upsampled sum before it; `block` ends each level. The paper has
    `linear` and `smoothing`, upsampled by "nearest".
    """
    coarsest, *finer = sorted(taps, reverse=True)
    x = lateral(taps[coarsest], width, name=f"lateral{coarsest}")
    sums = {coarsest: x}
    for stride in finer:
        for step in range((coarsest // stride).bit_length() - 1):
            name = f"up{stride}" if not step else f"up{stride}_{step}"
            x = upsample(x, 2, upsampling, f"{name}_enlarge")
        skip = lateral(taps[stride], width, name=f"lateral{stride}")
        x = layers.Add(name=f"sum{stride}")([x, skip])
        sums[stride], coarsest = x, stride
    return {s: block(sums[s], width, f"level{s}") for s in sorted(sums)}

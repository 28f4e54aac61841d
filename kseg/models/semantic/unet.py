"""U-Net: Ronneberger, Fischer and Brox (MICCAI 2015).

`unet` takes any encoder and uses same padding and batch normalization. `unet_paper` is
the network of the paper: its convolutions are valid, so the output is smaller than the
input, and large images are processed in tiles without visible seams.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Optional

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.auxiliary_heads import with_heads
from kseg.models.layers.blocks import conv_bn_relu, conv_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.pyramid_pooling import with_context
from kseg.models.layers.sizes import ValidInput
from kseg.models.layers.upsampling import upsample

MAX_WIDTH = 96  # the largest decoder width for encoders of classification networks


def unet(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "bilinear",
    context: Optional[str] = None,
    heads: Collection[str] = (),
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    Each stage upsamples the features, concatenates the skip connection from the
    encoder, and convolves. If the encoder has a tap at stride 1, the decoder mirrors
    it, as in the paper. Encoders of classification networks have none, and their taps
    have more channels than a decoder needs: 1x1 convolutions reduce them, each stage
    has a single 3x3 convolution, and the scores are upsampled at the end.

    `context` names what the coarsest features pass through (CONTEXTS), instead of a 1x1
    convolution. With `heads` the result is a dict, see `with_heads`.
    """
    features = encode(image)
    mirrored = 1 in features.taps
    deepest, *strides = sorted(features.taps, reverse=True)
    x = features.tap(deepest)
    if context:
        x = with_context(x, context, x.shape[-1] if mirrored else MAX_WIDTH)
    elif not mirrored:
        x = conv_bn_relu(x, MAX_WIDTH, kernel=1, name="neck")
    decoded, skips = {deepest: x}, {}
    for stride in strides:
        skip = features.tap(stride)
        width = skip.shape[-1] if mirrored else min(MAX_WIDTH, 16 * stride)
        pool = features.pool_for(upsampling, stride)
        x = upsample(x, 2, upsampling, f"up{stride}_enlarge", pool)
        if not mirrored:
            skip = conv_bn_relu(skip, width // 2, kernel=1, name=f"skip{stride}")
        x = layers.Concatenate(name=f"up{stride}_join")([x, skip])
        for number in (1, 2) if mirrored else (1,):
            x = conv_bn_relu(x, width, name=f"up{stride}_{number}")
        decoded[stride], skips[stride] = x, skip
    score = layers.Conv2D(num_classes, 1, name="score")(x)  # (H / stride, W / stride)
    logits = to_logits(score, image, stride, upsampling)
    return with_heads(logits, num_classes, heads, decoded, skips)


DEPTH = 4  # poolings of unet_paper
MIN_INPUT, INPUT_STEP, BORDER = 188, 16, 92


def unet_paper(
    image: Any, num_classes: int, width: int = 64, upsampling: str = "transposed"
) -> Any:
    """image (B, H, W, C) -> logits (B, H - 184, W - 184, num_classes).

    H and W are 188 + 16 k: with 31,030,658 parameters, 572x572x1 gives 388x388x2.
    Raises ValueError for an `upsampling` that needs pixels outside the tile.
    """
    if upsampling not in ("transposed", "nearest"):
        raise ValueError(
            "unet_paper: `upsampling` must be transposed or nearest, got "
            f"{upsampling}, which needs pixels outside the tile; unet accepts any."
        )
    x = ValidInput(MIN_INPUT, INPUT_STEP, BORDER, name="valid")(image)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    skips, crop = [], 4
    for stage in range(DEPTH):
        x = two_valid(x, width << stage, f"down{stage}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{stage}_pool")(x)
    x = two_valid(x, width << DEPTH, f"down{DEPTH}")
    x = layers.Dropout(0.5, name="dropout")(x)
    for stage in reversed(range(DEPTH)):
        x = up_convolution(x, width << stage, upsampling, f"up{stage}")
        skip = layers.Cropping2D(crop, name=f"up{stage}_crop")(skips[stage])
        x = layers.Concatenate(name=f"up{stage}_join")([skip, x])
        x = two_valid(x, width << stage, f"up{stage}")
        crop = 2 * (crop + 4)  # four convolutions of a stage lose 4 pixels a side
    return layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)


def two_valid(x: Any, width: int, name: str) -> Any:
    for number in (1, 2):
        x = conv_relu(x, width, padding="valid", name=f"{name}_{number}")
    return x


def up_convolution(x: Any, width: int, upsampling: str, name: str) -> Any:
    """The paper's 2x2 up-convolution: twice the size, half the channels."""
    if upsampling == "transposed":
        return layers.Conv2DTranspose(
            width, 2, strides=2, kernel_initializer="he_normal", name=f"{name}_enlarge"
        )(x)
    x = upsample(x, 2, upsampling, f"{name}_enlarge")
    return layers.Conv2D(width, 1, name=f"{name}_narrow")(x)

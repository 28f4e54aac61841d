"""FCN-32s, 16s and 8s: Long, Shelhamer and Darrell (CVPR 2015).

The fully connected layers of a classifier become convolutions that score the image at
stride 32. Scores of finer taps are added to them, and transposed convolutions,
initialized as bilinear, upsample the sum. On VGG16 with 21 classes, 32s, 16s and 8s
have 136,152,917, 134,815,994 and 134,489,759 parameters, as in the paper.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Collection, Optional

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.auxiliary_heads import with_heads
from kseg.models.layers.blocks import conv_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.pyramid_pooling import WIDTH, with_context
from kseg.models.layers.upsampling import upsample

# Kernel size of fc6, and channels of fc6 and fc7, in the original classifiers.
# GoogLeNet has no such layers; the other encoders get small ones.
CLASSIFIERS = {"vgg16": (7, 4096), "alexnet": (6, 4096), "googlenet": (0, 0)}
DEFAULT_CLASSIFIER = (3, 256)


def fcn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    finest: int,
    upsampling: str = "transposed",
    fc_width: Optional[int] = None,
    context: Optional[str] = None,
    heads: Collection[str] = (),
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    The scores of stride 32 and of every finer stride down to `finest` are summed. Those
    of the finer taps are initialized to zero, so that a finer network starts with the
    output of the coarser one. An encoder of output stride 16 has no scores at 32.

    `context` names what the features pass through before they are scored (CONTEXTS).
    With `heads`, which read the encoder, the result is a dict, see `with_heads`.
    """
    features = encode(image, deepest=32)
    stride = features.deepest
    x = with_context(classifier(features, fc_width), context, WIDTH)
    score = layers.Conv2D(num_classes, 1, name=f"score{stride}")(x)
    while stride > finest:
        stride //= 2
        score = upsample(score, 2, upsampling, f"up{stride}")
        skip = layers.Conv2D(
            num_classes, 1, kernel_initializer="zeros", name=f"score{stride}"
        )(features.pooled_features(stride))
        score = layers.Add(name=f"join{stride}")([score, skip])
    logits = to_logits(score, image, stride, upsampling)
    encoded = {s: features.pooled_features(s) for s in features.taps}
    return with_heads(logits, num_classes, heads, encoded, encoded)


def classifier(features: Features, fc_width: Optional[int]) -> Any:
    """Applies fc6 and fc7 as convolutions, with dropout, to the coarsest features."""
    x = features.tap(features.deepest)
    kernel, width = CLASSIFIERS.get(features.encoder, DEFAULT_CLASSIFIER)
    if not kernel:
        if fc_width:
            raise ValueError(
                f"{features.encoder} has no layer fc6, so `fc_width` cannot be set."
            )
        return layers.Dropout(0.4, name="dropout")(x)
    for name, size in (("fc6", kernel), ("fc7", 1)):
        norm = features.normalized
        x = conv_relu(x, fc_width or width, size, name=name, batch_norm=norm)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return x


fcn32s = partial(fcn, finest=32)
fcn16s = partial(fcn, finest=16)
fcn8s = partial(fcn, finest=8)

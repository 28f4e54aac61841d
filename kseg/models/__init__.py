"""Networks by name: `build_model("unet", num_classes=11, encoder="mobilenetv2")`."""

from __future__ import annotations

from typing import Any

import keras

from kseg.models.encoders import ENCODERS
from kseg.models.fcn import fcn8s, fcn16s, fcn32s
from kseg.models.layers import with_batch_norm
from kseg.models.unet import unet

MODELS = {"unet": unet, "fcn32s": fcn32s, "fcn16s": fcn16s, "fcn8s": fcn8s}

# Keras gives MobileNetV2 0.999, ImageNet's: with the few steps of a small data set
# the running statistics then lag far behind the weights.
BATCH_NORM_MOMENTUM = 0.95


def build_model(
    name: str,
    num_classes: int,
    encoder: str = "plain",
    channels: int = 3,
    weights: str = "none",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    **encoder_options: Any,
) -> keras.Model:
    """The network: (B, H, W, channels) float32 in [0, 255] -> logits (B, H, W, C).

    H and W are free, from the network's stride up. `weights` are the encoder's:
    "imagenet", "none" or a file. Raises ValueError for names that are not known.
    """
    for kind, value, known in (("model", name, MODELS), ("encoder", encoder, ENCODERS)):
        if value not in known:
            raise ValueError(f"`{kind}` must be one of {sorted(known)}, got {value!r}.")
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be 2 or more, got {num_classes}.")
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (RGB), got {channels}.")
    image = keras.Input((None, None, channels), name="image")

    def encode(x: Any, **request: Any) -> dict[int, Any]:
        return ENCODERS[encoder](x, weights=weights, **request, **encoder_options)

    logits = MODELS[name](image, num_classes, encode)
    model = keras.Model(image, logits, name=f"{name}_{encoder}")
    return with_batch_norm(model, batch_norm_momentum)


def minimum_size(model: keras.Model) -> int:
    """The smallest height and width in pixels that `model` makes sense of."""
    return model.get_layer("pad").multiple

"""Heads for training: outputs at coarser strides, and one that finds boundaries.

They improve the features that the network's own output uses, and are left out of the
trained model: Zhao et al., "Pyramid Scene Parsing Network" (CVPR 2017), section 3.3;
Fan et al., "Rethinking BiSeNet For Real-time Semantic Segmentation" (STDC, CVPR 2021).
"""

from __future__ import annotations

from typing import Any, Collection, Mapping

from keras import layers

from kseg.models.layers.blocks import conv_bn_relu

TRAINING_HEADS = ("auxiliary", "boundary")
LOGITS, BOUNDARY = "logits", "boundary"  # outputs; an auxiliary one has its stride
AUXILIARY_STRIDES = (8, 16)
BOUNDARY_STRIDE = 8
AUXILIARY_WIDTH, BOUNDARY_WIDTH = 64, 32


def auxiliary_name(stride: int) -> str:
    """The output of the auxiliary head at a stride."""
    return f"auxiliary{stride}"


def with_heads(
    logits: Any,
    num_classes: int,
    heads: Collection[str],
    decoded: Mapping[int, Any],
    encoded: Mapping[int, Any],
) -> Any:
    """`logits`, or with `heads`, names of TRAINING_HEADS, a dict of all outputs.

    `decoded` and `encoded` are features by stride (B, H / stride, W / stride, c), of
    the decoder and of the encoder's skip connections. "auxiliary" adds scores of the
    classes at AUXILIARY_STRIDES of the decoder, "boundary" one score at
    BOUNDARY_STRIDE of the encoder, as STDC's detail head. No score is upsampled.
    Raises ValueError for an unknown head, and if there are no features of a stride.
    """
    outputs = {LOGITS: logits}
    for name in heads:
        if name not in TRAINING_HEADS:
            known = list(TRAINING_HEADS)
            raise ValueError(f"`heads` must be some of {known}, got {name!r}.")
    if "auxiliary" in heads:
        for stride in AUXILIARY_STRIDES:
            x, name = features_at(decoded, stride), auxiliary_name(stride)
            outputs[name] = head(x, AUXILIARY_WIDTH, num_classes, name)
    if "boundary" in heads:
        x = features_at(encoded, BOUNDARY_STRIDE)
        outputs[BOUNDARY] = head(x, BOUNDARY_WIDTH, 1, BOUNDARY)
    return outputs if heads else logits


def head(x: Any, width: int, channels: int, name: str) -> Any:
    """A 3x3 convolution, batch norm, ReLU and 1x1 scores (B, h, w, channels)."""
    x = conv_bn_relu(x, width, name=name)
    return layers.Conv2D(channels, 1, name=f"{name}_score")(x)


def features_at(features: Mapping[int, Any], stride: int) -> Any:
    if stride not in features:
        raise ValueError(
            f"the heads for training need features at stride {stride}; this network "
            f"has {', '.join(map(str, sorted(features)))}."
        )
    return features[stride]

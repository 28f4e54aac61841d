"""Fast R-CNN: one pass over the image, then the classes of given boxes.

Girshick, "Fast R-CNN" (ICCV 2015). On VGG16 with 20 classes it has 134,690,729
parameters.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import keras
from keras import layers

from kseg.models.boxes.roi_pool import SIZE, RoIPool
from kseg.models.encoders.features import Features
from kseg.models.necks.fpn import fpn, linear, smoothing

STRIDE = 16
FC_WIDTHS = {"vgg16": 4096, "alexnet": 4096}  # of the encoders that have such layers
FC_WIDTH = 256
JOINED = 24  # channels of joined features; RoIPool takes many times their memory
POOL, ROWS = "roi_pool", "pooled_rows"  # the first layers of the network's second part
ROLES = {"scores": "score", "boxes": "score_box"}  # output -> its dense layer

Heads = Callable[[Any, Any], dict[str, Any]]


def fast_rcnn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    proposals: Any,
    strides: Sequence[int] = (STRIDE,),
    fc_width: Optional[int] = None,
) -> dict[str, Any]:
    """image (B, H, W, C), proposals (B, N, 4) -> the outputs by role, float32.

    Proposals are x0, y0, x1, y1 in pixels, right and bottom edges exclusive. `scores`
    (B, N, num_classes + 1) are logits, the background first; `boxes` (B, N, 4 *
    (num_classes + 1)) are the moves of each class, encoded as
    edge.predict.proposals describes. The features of the finest of `strides` are
    pooled; see `pooled_from`. `fc_width` is that of the two dense layers. Raises
    ValueError for a stride that the encoder does not have.
    """
    found = encode(image, deepest=max(strides))
    features = pooled_from(found, strides)
    x = RoIPool(min(strides), name=POOL)([features, proposals])
    x = layers.Reshape((-1, SIZE * SIZE * features.shape[-1]), name=ROWS)(x)
    x = dense_layers(x, fc_width or FC_WIDTHS.get(found.encoder, FC_WIDTH))
    return {
        "scores": scored(x, num_classes + 1, 0.01, ROLES["scores"], "scores"),
        "boxes": scored(x, 4 * (num_classes + 1), 0.001, ROLES["boxes"], "boxes"),
    }


def pooled_from(found: Features, strides: Sequence[int]) -> Any:
    """The features at the finest of `strides`: those of the encoder, if it is the only.

    The paper has one stride, 16. RoIPool rounds boxes to cells, so small objects need
    finer ones, which alone see little of what is around an object: of several strides,
    the coarser features are added to the finest as in a feature pyramid.
    """
    taps = {stride: found.tap(stride) for stride in strides}
    if len(taps) == 1:
        return taps[min(taps)]
    return fpn(taps, JOINED, smoothing, "nearest", linear)[min(taps)]


def dense_layers(x: Any, width: int) -> Any:
    """The layers fc6 and fc7, with dropout: (..., c) -> (..., width)."""
    for name in ("fc6", "fc7"):
        x = layers.Dense(width, activation="relu", name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return x


def scored(x: Any, channels: int, deviation: float, layer: str, role: str) -> Any:
    """A dense layer that starts near 0, as in the paper: (..., channels) float32."""
    start = keras.initializers.RandomNormal(stddev=deviation)
    x = layers.Dense(channels, kernel_initializer=start, name=layer)(x)
    return layers.Activation("linear", dtype="float32", name=role)(x)


def parts(model: keras.Model) -> tuple[keras.Model, Heads]:
    """The network in two parts, which share its weights: the backbone and the heads.

    The backbone is image (B, H, W, C) -> features. The heads are a function of features
    and proposals (B, N, 4) -> the outputs by role, without dropout. They are no model:
    one that starts inside another changes that, which could not be saved any more.
    """
    features, _ = model.get_layer(POOL).input
    image = model.get_layer("image").output
    chain = [model.get_layer(name) for name in (POOL, ROWS, "fc6", "fc7")]
    ends = {role: model.get_layer(name) for role, name in ROLES.items()}

    def heads(features: Any, proposals: Any) -> dict[str, Any]:
        x = [features, proposals]
        for layer in chain:
            x = layer(x)
        return {role: layer(x) for role, layer in ends.items()}

    return keras.Model(image, features, name="backbone"), heads

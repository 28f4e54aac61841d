"""The parts that networks of regions share: pyramid, proposals, heads.

Widths and layers are those of torchvision's R-CNN networks on ResNet50.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

from keras import initializers, layers

from kseg.models.boxes.anchors import RATIOS
from kseg.models.detection.region_layers import (
    JoinBoxes,
    Proposals,
    RegionFeatures,
    SplitBoxes,
)
from kseg.models.encoders.features import Features
from kseg.models.necks.fpn import fpn, linear, smoothing

STRIDES = (4, 8, 16, 32)
FC_WIDTH = 1024  # units of the dense layers; levels have a quarter as many channels
BOX_SIZE, MASK_SIZE = 7, 14  # cells of a side that the heads see
COUNTS, TRAINING_COUNTS = (1000, 1000), (2000, 2000)  # of proposals


def pyramid(
    image: Any,
    encode: Callable[..., Features],
    strides: Sequence[int],
    width: int,
    upsampling: str,
    frozen: bool,
) -> dict[int, Any]:
    """Stride -> features (B, h, w, width); one level more than `strides`.

    The last level is every second cell of the one before. With `frozen`, neither the
    encoder's batch normalizations nor its layers up to the first stride are trained.
    Raises ValueError for strides that are not each twice the one before.
    """
    doubled = tuple(strides[0] * 2**k for k in range(len(strides)))
    if tuple(strides) != doubled:
        raise ValueError(
            f"`strides` must each be twice the one before, got {tuple(strides)}."
        )
    features = encode(image, deepest=max(strides))
    taps = {stride: features.tap(stride) for stride in strides}
    if frozen:
        freeze(image, taps)
    levels = fpn(taps, width, smoothing, upsampling, linear)
    last = max(strides)
    pool = layers.MaxPooling2D(1, 2, name=f"level{2 * last}")
    return {**levels, 2 * last: pool(levels[last])}


def freeze(image: Any, taps: dict[int, Any]) -> None:
    """Freezes the layers before the finest tap, and all batch normalizations."""
    import keras

    finest = keras.Model(image, taps[min(taps)]).layers
    for layer in keras.Model(image, list(taps.values())).layers:
        if layer in finest or isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def proposals(
    image: Any,
    levels: dict[int, Any],
    counts: Sequence[int],
    training_counts: Sequence[int],
    scale: float,
) -> tuple[Any, Any]:
    """The region proposal network: boxes (B, N, 4), scores (B, N), see `Proposals`.

    Its layers are the same at each level.
    """
    width, number = levels[min(levels)].shape[-1], len(RATIOS)
    small = initializers.RandomNormal(stddev=0.01)
    shared = layers.Conv2D(
        width, 3, padding="same", activation="relu", name="rpn",
        kernel_initializer="he_normal",
    )  # fmt: skip
    score = layers.Conv2D(number, 1, name="rpn_score", kernel_initializer=small)
    move = layers.Conv2D(4 * number, 1, name="rpn_move", kernel_initializer=small)
    rows: dict[str, list[Any]] = {"objectness": [], "deltas": []}
    for stride, level in levels.items():
        x = shared(level)
        scored = layers.Reshape((-1,), name=f"objectness{stride}")
        rows["objectness"].append(scored(score(x)))
        rows["deltas"].append(layers.Reshape((-1, 4), name=f"deltas{stride}")(move(x)))
    objectness, deltas = (
        layers.Concatenate(axis=1, dtype="float32", name=name)(each)
        for name, each in rows.items()
    )
    layer = Proposals(tuple(levels), counts, training_counts, scale, name="proposals")
    return layer(image, objectness, deltas, list(levels.values()))


def box_head(
    levels: dict[int, Any],
    strides: Sequence[int],
    boxes: Any,
    num_classes: int,
    width: int,
) -> tuple[Any, Any]:
    """The logits (B, N, C + 1) of boxes, and their deltas (B, N, 4 (C + 1)).

    The background is the first class. Two dense layers of `width` on 7x7 cells.
    """
    fine = [levels[stride] for stride in strides]
    x = RegionFeatures(strides, BOX_SIZE, name="box_features")(boxes, fine)
    x = layers.Reshape((-1, BOX_SIZE**2 * x.shape[-1]), name="box_rows")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(
            width, activation="relu", kernel_initializer="he_normal", name=name
        )(x)
    outputs = {"score_class": (num_classes + 1, 0.01)}
    outputs["score_box"] = (4 * (num_classes + 1), 0.001)
    logits, deltas = (
        layers.Dense(
            units,
            kernel_initializer=initializers.RandomNormal(stddev=deviation),
            dtype="float32",
            name=name,
        )(x)
        for name, (units, deviation) in outputs.items()
    )
    return logits, deltas


def mask_head(
    levels: dict[int, Any], strides: Sequence[int], boxes: Any, num_classes: int
) -> Any:
    """The logits of masks (B, N, 28, 28, C + 1), background first.

    Four 3x3 convolutions on 14x14 cells of the box, as wide as the levels, and a
    transposed one.
    """
    fine = [levels[stride] for stride in strides]
    width = fine[0].shape[-1]
    x = RegionFeatures(strides, MASK_SIZE, name="mask_features")(boxes, fine)
    x = JoinBoxes(name="mask_join")(x)
    he = {"kernel_initializer": "he_normal", "activation": "relu"}
    for number in range(1, 5):
        x = layers.Conv2D(width, 3, padding="same", name=f"mask{number}", **he)(x)
    x = layers.Conv2DTranspose(width, 2, 2, name="mask_enlarge", **he)(x)
    x = layers.Conv2D(num_classes + 1, 1, dtype="float32", name="score_mask")(x)
    return SplitBoxes(dtype="float32", name="mask_logits")([x, boxes])

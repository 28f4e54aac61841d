"""One object for each image: its class and its box, from pooled features."""

from __future__ import annotations

from typing import Any, Callable

import keras
from keras import layers, ops

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import separable
from kseg.models.necks.fpn import fpn

STRIDE = 32  # of the features that are averaged
TAPS, FINEST = (8, 16, STRIDE), 8  # strides of the pyramid, and of the maps
PYRAMID_WIDTH, MAPS = 64, 16
WIDTH = 256  # of the dense layer
SCALE = 30.0  # of the first weights: with small ones every centre is that of the image


def localize(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "bilinear",
) -> dict[str, Any]:
    """image (B, H, W, C) -> the outputs by role, float32, one row for each image.

    `scores` (B, 1, num_classes) are probabilities, `boxes` (B, 1, 4) are cy, cx, h, w
    in shares of the padded image. `logits` (B, 1, num_classes) are those of the scores,
    for the loss.

    The mean of the features says what the object is, but hardly where: the dense layer
    also gets the centres of MAPS maps, from the finest level of a feature pyramid, and
    so does the box.
    """
    features = encode(image, deepest=STRIDE)
    mean = layers.GlobalAveragePooling2D(name="pool")(features.tap(STRIDE))
    taps = {stride: features.tap(stride) for stride in TAPS}
    finest = fpn(taps, PYRAMID_WIDTH, separable, upsampling)[FINEST]
    peaked = keras.initializers.VarianceScaling(SCALE)
    maps = layers.Conv2D(MAPS, 1, kernel_initializer=peaked, name="maps")(finest)
    centers = MapCenters(name="centers")(maps)
    x = layers.Dense(WIDTH, kernel_initializer="he_normal", name="fc")(mean)
    x = layers.Add(name="join")([x, without_bias(WIDTH, "fc_centers")(centers)])
    x = layers.Activation("relu", name="fc_relu")(x)
    x = layers.Reshape((1, WIDTH), name="row")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    row = layers.Reshape((1, 2 * MAPS), name="center_row")(centers)
    place = layers.Dense(4, name="place")(x)
    place = layers.Add(name="both")([place, without_bias(4, "place_centers")(row)])
    return {
        "scores": layers.Softmax(dtype="float32", name="scores")(logits),
        "boxes": layers.Activation("sigmoid", dtype="float32", name="boxes")(place),
        "logits": logits,
    }


def without_bias(units: int, name: str) -> layers.Dense:
    """A dense layer whose result is added to that of one with a bias.

    Two layers in place of one on joined features: the features have other ranges, and
    joined in int8, those of the smaller range would have a few of the 256 values.
    """
    return layers.Dense(
        units, use_bias=False, kernel_initializer="he_normal", name=name
    )


@keras.saving.register_keras_serializable("kseg")
class MapCenters(layers.Layer):
    """(B, h, w, K) -> (B, 2 * K): the mean y and x of each map, in shares of its sides.

    Cells are weighted by the softmax of the map (Levine et al., "End-to-End Training of
    Deep Visuomotor Policies", JMLR 2016).
    """

    def call(self, maps: Any) -> Any:
        _, rows, columns, count = ops.shape(maps)
        flat = ops.reshape(maps, (-1, rows * columns, count))
        weights = ops.softmax(ops.transpose(flat, (0, 2, 1)), axis=-1)
        y = (ops.arange(rows, dtype="float32") + 0.5) / ops.cast(rows, "float32")
        x = (ops.arange(columns, dtype="float32") + 0.5) / ops.cast(columns, "float32")
        cells = ops.stack(ops.meshgrid(y, x, indexing="ij"), axis=-1)
        cells = ops.cast(ops.reshape(cells, (-1, 2)), weights.dtype)
        return ops.reshape(ops.matmul(weights, cells), (-1, 2 * count))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape[0], 2 * input_shape[-1]

"""Building blocks that the networks share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kseg import tensorflow_ops


def conv_bn_relu(x: Any, width: int, kernel: int = 3, name: str = "conv") -> Any:
    """Convolution without bias, batch norm, ReLU; height and width stay."""
    x = layers.Conv2D(
        width,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable("kseg")
class BatchNorm(layers.BatchNormalization):
    """Keras's own over the last axis, in one operation while TensorFlow trains it.

    Weights, configuration and inference are those of the parent class.
    """

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        fused = keras.backend.backend() == "tensorflow" and x.dtype == "float32"
        if not (training and self.trainable and fused):
            return super().call(x, training=training, mask=mask)
        gamma = self.gamma if self.scale else ops.ones_like(self.moving_mean)
        beta = self.beta if self.center else ops.zeros_like(self.moving_mean)
        y, mean, variance = tensorflow_ops.normalize_batch(x, gamma, beta, self.epsilon)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return y


def with_batch_norm(model: keras.Model, momentum: float) -> keras.Model:
    """The same network and weights, its batch norms made `BatchNorm` of `momentum`."""

    def clone(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if not isinstance(layer, layers.BatchNormalization):
            return layer.__class__.from_config(config)
        return BatchNorm.from_config({**config, "momentum": momentum})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


@keras.saving.register_keras_serializable("kseg")
class PadToMultiple(layers.Layer):
    """Zeros below and to the right until height and width divide by `multiple`.

    The sizes are known to the graph alone, so one set of weights takes any of them;
    where they are static and fit already, the layer leaves no operation behind.
    """

    def __init__(self, multiple: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        below, right = -height % self.multiple, -width % self.multiple
        if isinstance(below, int) and isinstance(right, int) and not below + right:
            return x
        return ops.pad(x, [[0, 0], [0, below], [0, right], [0, 0]])

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        height, width = (s and s + -s % self.multiple for s in (height, width))
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("kseg")
class CropLike(layers.Layer):
    """[x, image] -> x without the rows and columns that `image` does not have."""

    def call(self, inputs: list[Any]) -> Any:
        x, image = inputs
        _, height, width, _ = ops.shape(image)
        if all(isinstance(side, int) for side in (height, width)):
            if tuple(x.shape[1:3]) == (height, width):
                return x
        return x[:, :height, :width]

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        (batch, _, _, channels), (_, height, width, _) = input_shapes
        return batch, height, width, channels


@keras.saving.register_keras_serializable("kseg")
class Enlarge(layers.Layer):
    """Bilinear enlargement by a whole factor, half-pixel centres, any size."""

    def __init__(self, factor: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        size = (height * self.factor, width * self.factor)
        if all(isinstance(side, int) for side in size):
            return ops.image.resize(x, size, interpolation="bilinear")
        return tensorflow_ops.resize_bilinear(x, size)  # no other backend gets here

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        height, width = (s and s * self.factor for s in (height, width))
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def to_signed(image: Any, multiple: int) -> Any:
    """(B, H, W, C) in [0, 255] -> [-1, 1], padded to what the network's stride needs.

    Padding follows the scaling: it is mid-grey, which convolutions see as nothing.
    """
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(image)
    return PadToMultiple(multiple, name="pad")(x)


def to_logits(score: Any, image: Any, stride: int) -> Any:
    """Scores at `stride` -> float32 logits at the image's own size."""
    x = score
    if stride > 1:
        x = Enlarge(stride, dtype="float32", name="score_resize")(x)
    return CropLike(dtype="float32", name="logits")([x, image])


def bilinear_kernel(factor: int, channels: int) -> np.ndarray:
    """Weights (k, k, C, C) with which a transposed convolution enlarges bilinearly.

    k = 2 * factor for even factors; each channel goes to itself alone. (Long, Shelhamer
    and Darrell, section 3.3.)
    """
    size = 2 * factor - factor % 2
    centre = (size - 1) / 2
    line = 1 - np.abs(np.arange(size) - centre) / factor
    kernel = np.zeros((size, size, channels, channels), np.float32)
    kernel[:, :, np.arange(channels), np.arange(channels)] = np.outer(line, line)[
        ..., None
    ]
    return kernel


@keras.saving.register_keras_serializable("kseg")
class Bilinear(keras.initializers.Initializer):
    """Starts a transposed convolution as bilinear enlargement by `factor`."""

    def __init__(self, factor: int):
        self.factor = factor

    def __call__(self, shape: tuple, dtype: Any = None) -> Any:
        kernel = bilinear_kernel(self.factor, shape[-1])
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def transposed(x: Any, factor: int, name: str) -> Any:
    """A learned transposed convolution, bilinear at the start; channels stay."""
    return layers.Conv2DTranspose(
        x.shape[-1],
        2 * factor - factor % 2,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(factor),
        name=name,
    )(x)

"""Building blocks that the networks share."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Collection, Optional, Sequence

import keras
import numpy as np
from keras import layers, ops

from kseg import tensorflow_ops

if TYPE_CHECKING:
    from kseg.models.encoders import Features


FUSED = ("float32", "bfloat16", "float16")  # what fused batch norm takes
ENCODER = "encoder_"  # how the names of an encoder's layers begin


def conv_relu(
    x: Any,
    width: int,
    kernel: int = 3,
    strides: int = 1,
    padding: str = "same",
    name: str = "conv",
    batch_norm: bool = False,
) -> Any:
    """Convolution and ReLU; with `batch_norm` between them the bias is left out."""
    x = layers.Conv2D(
        width,
        kernel,
        strides,
        padding,
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if batch_norm:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def conv_bn_relu(
    x: Any, width: int, kernel: int = 3, name: str = "conv", **options: Any
) -> Any:
    """Convolution without bias, batch norm, ReLU; height and width stay."""
    return conv_relu(x, width, kernel, name=name, batch_norm=True, **options)


@keras.saving.register_keras_serializable("kseg")
class BatchNorm(layers.BatchNormalization):
    """Keras's own over the last axis, in one operation while TensorFlow trains it.

    Weights, configuration and inference are those of the parent class. Under a
    `tf.distribute` strategy each replica normalizes its own images, and the running
    statistics move by the mean of theirs: Keras would let each replica's drift apart.
    """

    def add_weight(self, *args: Any, trainable: bool = True, **options: Any) -> Any:
        if not trainable:
            options["aggregation"] = "mean"
        return super().add_weight(*args, trainable=trainable, **options)

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        fused = keras.backend.backend() == "tensorflow" and x.dtype in FUSED
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


def with_batch_norm(
    model: keras.Model, momentum: float, encoder: Collection[str] = ()
) -> keras.Model:
    """The same network and weights, its batch norms made `BatchNorm` of `momentum`.

    The names of the layers in `encoder` get ENCODER in front. Those that Keras made up
    for them, whose counter runs over all models of a process, are counted anew.
    """
    counts: dict[str, int] = {}

    def name_of(layer: layers.Layer) -> str:
        if layer.name not in encoder:
            return layer.name
        kind = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        if not re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            return ENCODER + layer.name
        counts[kind] = counts.get(kind, 0) + 1
        return f"{ENCODER}{kind}_{counts[kind]}"

    def clone(layer: layers.Layer) -> layers.Layer:
        config = {**layer.get_config(), "name": name_of(layer)}
        if not isinstance(layer, layers.BatchNormalization):
            return layer.__class__.from_config(config)
        return BatchNorm.from_config({**config, "momentum": momentum})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def as_float32(model: keras.Model) -> keras.Model:
    """The same network in float32 with weights of its own, whatever it was trained in.

    Loss and optimizer are not taken along.
    """

    def clone(layer: layers.Layer) -> layers.Layer:
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    # A clone of a compiled model is compiled.
    return keras.Model(copy.inputs, copy.outputs, name=model.name)


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
class ValidInput(layers.Layer):
    """Passes an image on to a network of valid convolutions, and names its sizes.

    Each side has to be `least` + k * `step` pixels. The network's output lacks `border`
    pixels on each side: the Segmenter mirrors the picture there and works in tiles.
    """

    def __init__(self, least: int, step: int, border: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.least, self.step, self.border = least, step, border

    def call(self, x: Any) -> Any:
        for side in x.shape[1:3]:
            if side is not None and (
                side < self.least or (side - self.least) % self.step
            ):
                raise ValueError(
                    f"the network takes sides of {self.least} + k * {self.step} "
                    f"pixels, got {side}; the nearest is {self.nearest(side)}"
                )
        return x

    def nearest(self, side: int) -> int:
        """The side that the network takes nearest to `side`."""
        return self.least + max(0, round((side - self.least) / self.step)) * self.step

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"least": self.least, "step": self.step, "border": self.border}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kseg")
class Enlarge(layers.Layer):
    """Enlargement by a whole factor, half-pixel centres, any size.

    `interpolation` is "bilinear" or "nearest".
    """

    def __init__(self, factor: int, interpolation: str = "bilinear", **kwargs: Any):
        super().__init__(**kwargs)
        self.factor, self.interpolation = factor, interpolation

    def call(self, x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        size = (height * self.factor, width * self.factor)
        static = all(isinstance(side, int) for side in size)
        # Keras clips what it resized in half precision, which takes longer than that.
        direct = keras.backend.backend() == "tensorflow" and x.dtype != "float32"
        if static and not direct:
            return ops.image.resize(x, size, interpolation=self.interpolation)
        # No other backend gets here.
        return tensorflow_ops.resize(x, size, self.interpolation)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return enlarged(input_shape, self.factor)

    def get_config(self) -> dict[str, Any]:
        own = {"factor": self.factor, "interpolation": self.interpolation}
        return {**super().get_config(), **own}


def enlarged(shape: tuple, factor: int) -> tuple:
    """The shape (B, H, W, C) at `factor` times the size; None stays."""
    batch, height, width, channels = shape
    height, width = (s and s * factor for s in (height, width))
    return batch, height, width, channels


@keras.saving.register_keras_serializable("kseg")
class MaxUnpool(layers.Layer):
    """[x, before, after] -> x where the maxima of a 2x2 pooling were, zero elsewhere.

    x (B, h, w, C); `before` (B, 2h, 2w, C) and `after` (B, h, w, C) are the pooling's
    input and output. The first of equal values is the maximum, row by row, as in
    argmax. (Zeiler and Fergus, 2014; Badrinarayanan, Kendall and Cipolla, 2017.) It
    compares rather than asking for positions: no builtin of TFLite gives them.
    """

    def call(self, inputs: list[Any]) -> Any:
        x, before, after = inputs
        zero = ops.zeros_like(x)
        corners, taken = [], None
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            here = ops.equal(before[:, row::2, column::2], after)
            first = here
            if taken is not None:
                first = ops.logical_and(here, ops.logical_not(taken))
                here = ops.logical_or(here, taken)
            taken = here
            corners.append(ops.where(first, x, zero))
        return woven(*corners)

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        return enlarged(input_shapes[0], 2)


def woven(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four (B, h, w, C) -> (B, 2h, 2w, C): each pixel a 2x2 square [[a, b], [c, d]]."""
    _, height, width, channels = ops.shape(a)
    flat = (-1, height, 2 * width, channels)
    upper = ops.reshape(ops.stack([a, b], axis=3), flat)
    lower = ops.reshape(ops.stack([c, d], axis=3), flat)
    rows = ops.stack([upper, lower], axis=2)
    return ops.reshape(rows, (-1, 2 * height, 2 * width, channels))


def prepared(
    image: Any,
    multiple: int,
    scale: float | Sequence[float] = 1 / 127.5,
    offset: float | Sequence[float] = -1.0,
) -> Any:
    """(B, H, W, C) in [0, 255] -> scaled and padded to what the network's stride needs.

    By default to [-1, 1]. Padding follows the scaling: it is the middle of the scale,
    which convolutions see as nothing.
    """
    x = layers.Rescaling(scale, offset=offset, name="rescale")(image)
    return PadToMultiple(multiple, name="pad")(x)


def to_logits(score: Any, image: Any, stride: int, upsampling: str) -> Any:
    """Scores at `stride` -> float32 logits at the image's own size."""
    if stride > 1:
        score = upsample(score, stride, upsampling, "score_up")
    return CropLike(dtype="float32", name="logits")([score, image])


def bilinear_kernel(factor: int, size: int, channels: int) -> np.ndarray:
    """Weights (size, size, C, C) that make a transposed convolution bilinear.

    Exactly so for a size of 2 * factor - factor % 2 (Long, Shelhamer and Darrell,
    section 3.3); a factor of 1 leaves things as they are. Each channel goes to itself.
    """
    centre = (size - 1) / 2
    line = np.maximum(0, 1 - np.abs(np.arange(size) - centre) / factor)
    each = np.arange(channels)
    kernel = np.zeros((size, size, channels, channels), np.float32)
    kernel[:, :, each, each] = np.outer(line, line)[..., None]
    return kernel


@keras.saving.register_keras_serializable("kseg")
class Bilinear(keras.initializers.Initializer):
    """Starts a transposed convolution as bilinear enlargement by `factor`."""

    def __init__(self, factor: int):
        self.factor = factor

    def __call__(self, shape: tuple, dtype: Any = None) -> Any:
        kernel = bilinear_kernel(self.factor, shape[0], shape[-1])
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def transposed(x: Any, factor: int, name: str, kernel: Optional[int] = None) -> Any:
    """A learned transposed convolution, bilinear at the start; channels stay.

    Warns where `kernel` (default 2 * factor - factor % 2) is no multiple of the stride:
    output pixels then see different numbers of weights, which shows as a checkerboard
    (Odena, Dumoulin and Olah, Distill 2016).
    """
    kernel = kernel or 2 * factor - factor % 2
    if kernel % factor:
        warnings.warn(
            f"{name}: a kernel of {kernel} is no multiple of the stride of {factor}: "
            "expect a checkerboard",
            stacklevel=2,
        )
    return layers.Conv2DTranspose(
        x.shape[-1],
        kernel,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(factor),
        name=name,
    )(x)


def resize_conv(x: Any, factor: int, name: str) -> Any:
    """Bilinear enlargement, then a 3x3 convolution that starts as doing nothing."""
    x = Enlarge(factor, name=f"{name}_resize")(x)
    return layers.Conv2D(
        x.shape[-1],
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(1),
        name=name,
    )(x)


def unpool(x: Any, stride: int, name: str, features: Features) -> Any:
    """`x` back to `stride`, at the positions of the maxima that the encoder kept there.

    Where the channels differ a 1x1 convolution brings `x` to those of the pooling.
    """
    before, after = features.pool(stride)
    if x.shape[-1] != after.shape[-1]:
        x = conv_bn_relu(x, after.shape[-1], kernel=1, name=f"{name}_narrow")
    return MaxUnpool(name=name)([x, before, after])


UPSAMPLINGS = {
    "nearest": lambda x, factor, name: Enlarge(factor, "nearest", name=name)(x),
    "bilinear": lambda x, factor, name: Enlarge(factor, name=name)(x),
    "transposed": transposed,
    "resize-conv": resize_conv,
}


def upsample(
    x: Any,
    factor: int,
    how: str,
    name: str,
    features: Optional[Features] = None,
    stride: int = 0,
) -> Any:
    """(B, H, W, C) -> (B, factor * H, factor * W, C), as one of UPSAMPLINGS or unpool.

    `features` and the `stride` to get to are what unpooling needs. Raises ValueError
    for an unknown name, and for unpooling where there are no positions.
    """
    if how == "unpool":
        if features is None or factor != 2:
            raise ValueError(
                "`upsampling` unpool puts features back into the 2x2 pools they came "
                "from: unet and segnet have them; choose another here"
            )
        return unpool(x, stride, name, features)
    if how not in UPSAMPLINGS:
        known = sorted([*UPSAMPLINGS, "unpool"])
        raise ValueError(f"`upsampling` must be one of {known}, got {how!r}.")
    return UPSAMPLINGS[how](x, factor, name)

"""Upsampling of features."""

from __future__ import annotations

import warnings
from typing import Any, Optional

import keras
from keras import layers, ops

from kseg.models.layers.bilinear import bilinear_kernel
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.fused import doubled, on_processor, resize

Pool = tuple[Any, Any]  # input and output of a 2x2 max pooling


@keras.saving.register_keras_serializable("kseg")
class Enlarge(layers.Layer):
    """Upsampling by an integer factor with half-pixel centres, for any size.

    `interpolation` is "bilinear" or "nearest".
    """

    def __init__(self, factor: int, interpolation: str = "bilinear", **kwargs: Any):
        super().__init__(**kwargs)
        self.factor, self.interpolation = factor, interpolation

    def call(self, x: Any, training: Any = None) -> Any:
        is_doubled = self.factor == 2 and self.interpolation == "bilinear"
        if training and is_doubled and on_processor():
            return doubled(x)
        _, height, width, _ = ops.shape(x)
        size = (height * self.factor, width * self.factor)
        static = all(isinstance(side, int) for side in size)
        # In half precision, Keras also clips the result, which is slower than resizing.
        direct = keras.backend.backend() == "tensorflow" and x.dtype != "float32"
        if static and not direct:
            return ops.image.resize(x, size, interpolation=self.interpolation)
        # Only on TensorFlow: the sizes of other backends are static.
        return resize(x, size, self.interpolation)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return enlarged(input_shape, self.factor)

    def get_config(self) -> dict[str, Any]:
        own = {"factor": self.factor, "interpolation": self.interpolation}
        return {**super().get_config(), **own}


def enlarged(shape: tuple, factor: int) -> tuple:
    """The shape (B, factor * H, factor * W, C); None stays None."""
    batch, height, width, channels = shape
    height, width = (s and s * factor for s in (height, width))
    return batch, height, width, channels


@keras.saving.register_keras_serializable("kseg")
class MaxUnpool(layers.Layer):
    """[x, before, after] -> x at the positions of the pooling's maxima, zero elsewhere.

    x (B, h, w, C) -> (B, 2h, 2w, C). `before` (B, 2h, 2w, C) and `after` (B, h, w, C)
    are the input and output of a 2x2 max pooling. Of equal values the first one, row by
    row, is the maximum, as in argmax. The positions are found by comparison, as no
    builtin operator of TFLite returns them. Zeiler and Fergus (2014); Badrinarayanan,
    Kendall and Cipolla (2017).
    """

    def call(self, inputs: list[Any]) -> Any:
        x, before, after = inputs
        zero = ops.zeros_like(x)
        corners, found = [], None
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            here = ops.equal(before[:, row::2, column::2], after)
            first = here
            if found is not None:
                first = ops.logical_and(here, ops.logical_not(found))
                here = ops.logical_or(here, found)
            found = here
            corners.append(ops.where(first, x, zero))
        return interleave(*corners)

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        return enlarged(input_shapes[0], 2)


def interleave(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four (B, h, w, C) -> (B, 2h, 2w, C): each pixel becomes [[a, b], [c, d]]."""
    _, height, width, channels = ops.shape(a)
    flat = (-1, height, 2 * width, channels)
    upper = ops.reshape(ops.stack([a, b], axis=3), flat)
    lower = ops.reshape(ops.stack([c, d], axis=3), flat)
    rows = ops.stack([upper, lower], axis=2)
    return ops.reshape(rows, (-1, 2 * height, 2 * width, channels))


@keras.saving.register_keras_serializable("kseg")
class Bilinear(keras.initializers.Initializer):
    """Initializes a transposed convolution as bilinear upsampling by `factor`."""

    def __init__(self, factor: int):
        self.factor = factor

    def __call__(self, shape: tuple, dtype: Any = None) -> Any:
        kernel = bilinear_kernel(self.factor, shape[0], shape[-1])
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def transposed(x: Any, factor: int, name: str, kernel: Optional[int] = None) -> Any:
    """A transposed convolution, initialized as bilinear upsampling.

    Warns if `kernel` (default 2 * factor - factor % 2) is not a multiple of the stride:
    output pixels then depend on different numbers of weights, which causes checkerboard
    artifacts (Odena, Dumoulin and Olah, Distill 2016).
    """
    kernel = kernel or 2 * factor - factor % 2
    if kernel % factor:
        warnings.warn(
            f"{name}: the kernel size {kernel} is not a multiple of the stride "
            f"{factor}; expect checkerboard artifacts",
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
    """Bilinear upsampling, then a 3x3 convolution initialized as the identity."""
    x = Enlarge(factor, name=f"{name}_resize")(x)
    return layers.Conv2D(
        x.shape[-1],
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(1),
        name=name,
    )(x)


def unpool(x: Any, before: Any, after: Any, name: str) -> Any:
    """Max unpooling of `x` (B, h, w, C) to the size of `before`, see `MaxUnpool`.

    `before` and `after` are the input and output of a 2x2 max pooling. If the numbers
    of channels differ, a 1x1 convolution changes that of `x` first.
    """
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
    pool: Optional[Pool] = None,
) -> Any:
    """(B, H, W, C) -> (B, factor * H, factor * W, C) by one of UPSAMPLINGS or unpool.

    Unpooling needs `pool`, the input and output of the corresponding 2x2 max pooling.
    Raises ValueError for an unknown name, and for unpooling without a pooling.
    """
    if how == "unpool":
        if pool is None or factor != 2:
            raise ValueError(
                "`upsampling` unpool needs the encoder's 2x2 max poolings, which only "
                "unet and segnet use; choose another one."
            )
        return unpool(x, *pool, name)
    if how not in UPSAMPLINGS:
        known = sorted([*UPSAMPLINGS, "unpool"])
        raise ValueError(f"`upsampling` must be one of {known}, got {how!r}.")
    return UPSAMPLINGS[how](x, factor, name)

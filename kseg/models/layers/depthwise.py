"""A depthwise convolution that trains faster: with JAX, and in bfloat16."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from kseg.models.layers.fused import depthwise, on_processor


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """The depthwise convolution of Keras, computed in another way while training.

    Weights, configuration and outputs are those of the parent class, for channels last
    and a depth multiplier of 1. With JAX it is a sum of shifted and scaled copies of
    its input, with TensorFlow `fused.depthwise`, without dilation.

    A saved network has the parent class, see `norm.as_float32`. The name is that of the
    parent too: what analyses networks knows layers by the names of their classes.
    """

    def call(self, inputs: Any) -> Any:
        """Maps (B, H, W, C) to (B, h, w, C)."""
        kernel = ops.cast(self.kernel, inputs.dtype)
        if keras.backend.backend() == "tensorflow":
            y = depthwise(inputs, kernel, self.strides[0], self.padding)
        else:
            y = shifted(self._padded(inputs), kernel, self.strides, self.dilation_rate)
        return self.activation(y + self.bias if self.use_bias else y)

    def _padded(self, x: Any) -> Any:
        """The input with the zeros of `padding="same"`; the larger part at the end."""
        if self.padding != "same":
            return x
        margins = []
        for axis, rate in enumerate(self.dilation_rate):
            step, side = self.strides[axis], x.shape[axis + 1]
            reach = (self.kernel_size[axis] - 1) * rate + 1
            missing = max(0, (-(-side // step) - 1) * step + reach - side)
            margins.append((missing // 2, missing - missing // 2))
        return ops.pad(x, [(0, 0), *margins, (0, 0)])


def shifted(x: Any, kernel: Any, steps: tuple[int, int], rates: tuple[int, int]) -> Any:
    """The convolution of a padded input as a sum of shifted and scaled copies of it.

    x (B, H, W, C), kernel (h, w, C, 1). XLA merges the sum into one loop over memory,
    also in the gradients. Its grouped convolutions are slower: see docs/benchmarks.md.
    """
    rows, columns = kernel.shape[:2]
    sides = [
        (x.shape[axis + 1] - 1 - (side - 1) * rate) // step * step + 1
        for axis, (side, rate, step) in enumerate(
            zip((rows, columns), rates, steps, strict=True)
        )
    ]
    terms = [
        x[
            :,
            row * rates[0] : row * rates[0] + sides[0] : steps[0],
            column * rates[1] : column * rates[1] + sides[1] : steps[1],
        ]
        * kernel[row, column, :, 0]
        for row in range(rows)
        for column in range(columns)
    ]
    return sum(terms[1:], terms[0])


def is_faster_for(layer: layers.Layer) -> bool:
    """Whether `DepthwiseConv2D` would train faster in the place of a layer."""
    if isinstance(layer, DepthwiseConv2D) or not can_replace(layer):
        return False
    if keras.backend.backend() == "jax":
        return True
    strided = layer.strides[0] == layer.strides[1] > 1
    plain = strided and tuple(layer.dilation_rate) == (1, 1)
    return plain and layer.compute_dtype == "bfloat16" and on_processor()


def can_replace(layer: layers.Layer) -> bool:
    """Whether `DepthwiseConv2D` computes what a layer computes."""
    return (
        isinstance(layer, layers.DepthwiseConv2D)
        and layer.depth_multiplier == 1
        and layer.data_format == "channels_last"
    )

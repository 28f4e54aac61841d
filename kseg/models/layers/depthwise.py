"""A depthwise convolution that trains faster with JAX."""

from __future__ import annotations

from typing import Any

from keras import layers, ops


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """A depthwise convolution as a sum of shifted and scaled copies of its input.

    Weights, configuration and outputs are those of the parent class, for channels last
    and a depth multiplier of 1. With JAX, XLA merges the sum into one loop over memory,
    also in the gradients. Its grouped convolutions are slower: see docs/benchmarks.md.
    A saved network has the parent class, see `norm.as_float32`. The name is that of the
    parent too: what analyses networks knows layers by the names of their classes.
    """

    def call(self, inputs: Any) -> Any:
        """Maps (B, H, W, C) to (B, h, w, C)."""
        x, kernel = self._padded(inputs), ops.cast(self.kernel, inputs.dtype)
        steps, rates = self.strides, self.dilation_rate
        sides = [
            (x.shape[axis + 1] - 1 - (side - 1) * rate) // step * step + 1
            for axis, (side, rate, step) in enumerate(
                zip(self.kernel_size, rates, steps, strict=True)
            )
        ]
        terms = [
            x[
                :,
                row * rates[0] : row * rates[0] + sides[0] : steps[0],
                column * rates[1] : column * rates[1] + sides[1] : steps[1],
            ]
            * kernel[row, column, :, 0]
            for row in range(self.kernel_size[0])
            for column in range(self.kernel_size[1])
        ]
        y = sum(terms[1:], terms[0])
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


def can_be_shifted(layer: layers.Layer) -> bool:
    """Whether `DepthwiseConv2D` computes what a layer computes."""
    return (
        isinstance(layer, layers.DepthwiseConv2D)
        and layer.depth_multiplier == 1
        and layer.data_format == "channels_last"
    )

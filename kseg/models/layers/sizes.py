"""Layers that bring an image to a size that a network takes, and back."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


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
    pixels on each side: the predictor mirrors the image there and works in tiles.
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

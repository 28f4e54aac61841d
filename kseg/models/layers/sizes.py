"""Layers that pad an image to a size that a network accepts, and crop its output."""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import layers, ops


def fixed_size(model: keras.Model) -> Optional[tuple[int, int]]:
    """The only (height, width) of a network's images; None for any."""
    _, height, width, _ = model.input_shape
    return (height, width) if height and width else None


@keras.saving.register_keras_serializable("kseg")
class PadToMultiple(layers.Layer):
    """Pads with zeros below and to the right to multiples of `multiple`.

    Sizes are read at run time, so that a network accepts any size. If the size is
    static and already a multiple, no operation is added to the graph.
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
    """[x, image] -> x cropped below and to the right to the size of `image`."""

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
    """Passes the image on to a network of valid convolutions and checks its size.

    Each side has to be `least` + k * `step` pixels. The network's output lacks `border`
    pixels on each side: the predictor pads the image by reflection and works in tiles.
    The arguments keep the names that saved files use.
    """

    def __init__(self, least: int, step: int, border: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.min_input, self.input_step, self.valid_border = least, step, border

    def call(self, x: Any) -> Any:
        for side in x.shape[1:3]:
            if side is not None and side != self.nearest(side):
                raise ValueError(
                    f"the network takes sides of {self.min_input} + k * "
                    f"{self.input_step} pixels, got {side}; the nearest is "
                    f"{self.nearest(side)}"
                )
        return x

    def nearest(self, side: int) -> int:
        """The allowed side nearest to `side`."""
        steps = max(0, round((side - self.min_input) / self.input_step))
        return self.min_input + steps * self.input_step

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "least": self.min_input,
            "step": self.input_step,
            "border": self.valid_border,
        }

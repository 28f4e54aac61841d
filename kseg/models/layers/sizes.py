"""Layers that pad an image to a size that a network accepts, and crop its output."""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import layers, ops


def fixed_size(model: keras.Model) -> Optional[tuple[int, int]]:
    """The only (height, width) of a network's images; None for any."""
    _, height, width, _ = model.input_shape
    return (height, width) if height and width else None


# The zeros are those after scaling: the middle of -1..1, like the grey that fills crops
# of small images in training. The edge continues the last row and column.
ZEROS, EDGE = PADDINGS = ("zeros", "edge")


@keras.saving.register_keras_serializable("kseg")
class PadToMultiple(layers.Layer):
    """Pads below and to the right to multiples of `multiple`, in one of PADDINGS.

    Sizes are read at run time, so that a network accepts any size. If the size is
    static and already a multiple, no operation is added to the graph. Raises ValueError
    for an unknown `mode`.
    """

    def __init__(self, multiple: int, mode: str = ZEROS, **kwargs: Any):
        super().__init__(**kwargs)
        if mode not in PADDINGS:
            raise ValueError(f"`mode` must be one of {PADDINGS}, got {mode!r}.")
        self.multiple, self.mode = multiple, mode

    def call(self, x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        below, right = -height % self.multiple, -width % self.multiple
        if isinstance(below, int) and isinstance(right, int) and not below + right:
            return x
        if self.mode == EDGE:
            return repeat_last(repeat_last(x, 1, below), 2, right)
        return ops.pad(x, [[0, 0], [0, below], [0, right], [0, 0]])

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        height, width = (s and s + -s % self.multiple for s in (height, width))
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        mode = {"mode": self.mode} if self.mode != ZEROS else {}
        return {**super().get_config(), "multiple": self.multiple, **mode}


def repeat_last(x: Any, axis: int, count: Any) -> Any:
    """x (B, H, W, C) with `count` more copies of the last slice along an axis.

    A slice and a concatenation for a static count: operators that every accelerator
    takes. Gathered for another, whose size is known at run time.
    """
    if not isinstance(count, int):
        size = ops.shape(x)[axis]
        return ops.take(x, ops.minimum(ops.arange(size + count), size - 1), axis=axis)
    if not count:
        return x
    last = x[:, -1:] if axis == 1 else x[:, :, -1:]
    return ops.concatenate([x, *[last] * count], axis=axis)


def set_padding(model: keras.Model, mode: str) -> None:
    """Sets the mode of a network's PadToMultiple, if it has one."""
    for layer in model.layers:
        if isinstance(layer, PadToMultiple):
            layer.mode = mode


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

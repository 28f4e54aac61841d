"""Pyramid pooling: features averaged over parts of the image, from all of it to 1/16.

Zhao et al., "Pyramid Scene Parsing Network" (CVPR 2017), in the light form of Peng et
al., "PP-LiteSeg" (2022): 1, 2x2 and 4x4 bins, added instead of concatenated.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import keras
from keras import layers, ops

from kseg.models.layers.blocks import conv_bn_relu, conv_relu
from kseg.models.layers.fused import average_bins, resize

WIDTH = 128  # channels of the sum
BINS = (1, 2, 4)  # on each side


def bin_windows(side: Any, bins: int) -> tuple[Any, Any, Any]:
    """Number, step and length of the bins along a side of `side` cells.

    Bin i has the cells from i * step to i * step + length - 1. All bins have the same
    length, so that they are one pooling of a device; they cover the side and overlap if
    it is not divisible. There are at most as many bins as cells.

    >>> bin_windows(8, 4), bin_windows(7, 4), bin_windows(5, 2), bin_windows(2, 4)
    ((4, 2, 2), (4, 1, 4), (2, 2, 3), (2, 1, 1))
    """
    count = min(bins, side)
    step = side // count
    return count, step, side - (count - 1) * step


def pooling_of(size: Sequence[int], bins: int) -> tuple[Any, Any]:
    """Lengths and steps, each (height, width), of the pooling over the bins of a map.

    >>> pooling_of((7, 8), 4)
    ((4, 2), (1, 2))
    """
    _, steps, lengths = zip(*(bin_windows(side, bins) for side in size), strict=True)
    return lengths, steps


@keras.saving.register_keras_serializable("kseg")
class BinPool(layers.Layer):
    """(B, H, W, C) -> means of `bins` x `bins` bins, (B, min(bins, H), ..., C).

    The bins of each side are those of `bin_windows`. H and W may be unknown until run
    time; if they are static, this is a pooling with a fixed window.
    """

    def __init__(self, bins: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        if not (isinstance(height, int) and isinstance(width, int)):
            # Only on TensorFlow: the sizes of other backends are static.
            return average_bins(x, self.bins)
        lengths, steps = pooling_of((height, width), self.bins)
        return ops.average_pool(x, lengths, steps, padding="valid")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        height, width = (side and min(side, self.bins) for side in (height, width))
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}


@keras.saving.register_keras_serializable("kseg")
class ResizeLike(layers.Layer):
    """[x, other] -> x (B, h, w, C) resized bilinearly to the height and width of other.

    Cells have half-pixel centres.
    """

    def call(self, inputs: list[Any]) -> Any:
        x, other = inputs
        _, height, width, _ = ops.shape(other)
        static = isinstance(height, int) and isinstance(width, int)
        if static and tuple(x.shape[1:3]) == (height, width):
            return x
        # In half precision, Keras also clips the result, which is slower than resizing.
        direct = keras.backend.backend() == "tensorflow" and x.dtype != "float32"
        if static and not direct:
            return ops.image.resize(x, (height, width), interpolation="bilinear")
        return resize(x, (height, width), "bilinear")

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        (batch, _, _, channels), (_, height, width, _) = input_shapes
        return batch, height, width, channels


def pyramid_pooling(x: Any, width: int) -> Any:
    """Features (B, h, w, C) -> (B, h, w, width).

    A 1x1 convolution reduces the features. The means over the BINS of these are
    convolved (1x1), resized and added to them; a 3x3 convolution follows. PP-LiteSeg
    leaves out the features themselves, which here, as in Zhao et al., are in the sum:
    they are the only ones of their stride. The convolutions of the bins have no batch
    normalization: a bin has one value for each image, too few for statistics.
    """
    x = conv_bn_relu(x, WIDTH, kernel=1, name="context")
    summands = [x]
    for bins in BINS:
        name = f"context{bins}"
        pooled = BinPool(bins, name=f"{name}_pool")(x)
        pooled = conv_relu(pooled, WIDTH, kernel=1, name=name)
        summands.append(ResizeLike(name=f"{name}_resize")([pooled, x]))
    x = layers.Add(name="context_sum")(summands)
    return conv_bn_relu(x, width, name="context_join")


CONTEXTS: dict[str, Callable[[Any, int], Any]] = {"pyramid": pyramid_pooling}


def with_context(x: Any, context: Optional[str], width: int) -> Any:
    """`x` through one of CONTEXTS, with `width` channels; unchanged for None.

    Raises ValueError for an unknown name.
    """
    if context is None:
        return x
    if context not in CONTEXTS:
        raise ValueError(
            f"`context` must be one of {sorted(CONTEXTS)}, got {context!r}."
        )
    return CONTEXTS[context](x, width)

"""Stride and receptive field of a network's features.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill, 2019), compute sizes forwards, layer by layer. Here the interval of one cell
is followed backwards through the graph. The results are the same if all paths have the
same centre, and still exact if they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Callable, NamedTuple, Optional

from kseg.models.analysis.graph import Graph, Step, Tensor, known_kind

Span = tuple[int, int]  # the first and the last cell along one axis
Stride = tuple[Fraction, Fraction]  # pixels between cells, (vertical, horizontal)


class Window(NamedTuple):
    """The inputs that an output depends on along one axis, ignoring borders.

    Output o depends on the inputs from (o * step + first) // over to (o * step + last)
    // over. A `step` of 0 means that all outputs depend on one input.
    """

    step: int = 1
    first: int = 0
    last: int = 0
    over: int = 1

    def __call__(self, span: Span) -> Span:
        low, high = span
        first = (low * self.step + self.first) // self.over
        return first, (high * self.step + self.last) // self.over


POINTWISE = Window()
Rule = Callable[[Any, int, int, int], Optional[Window]]


def sliding(
    kernel: int, stride: int, dilation: int, padding: str, before: int, after: int
) -> Window:
    """The window of a convolution or pooling; `before` inputs give `after` outputs."""
    reach = dilation * (kernel - 1)
    missing = (after - 1) * stride + reach + 1 - before
    above = max(0, missing) // 2 if padding == "same" else 0
    return Window(stride, -above, reach - above)


def convolution(layer: Any, axis: int, before: int, after: int) -> Window:
    kernel, stride, dilation = (
        setting[axis]
        for setting in (layer.kernel_size, layer.strides, layer.dilation_rate)
    )
    return sliding(kernel, stride, dilation, layer.padding, before, after)


def pooling(layer: Any, axis: int, before: int, after: int) -> Window:
    kernel, stride = layer.pool_size[axis], layer.strides[axis]
    return sliding(kernel, stride, 1, layer.padding, before, after)


def transposed(layer: Any, axis: int, before: int, after: int) -> Window:
    """Input i contributes to the outputs i * stride - above + [0, reach]."""
    stride = layer.strides[axis]
    reach = layer.dilation_rate[axis] * (layer.kernel_size[axis] - 1)
    surplus = (before - 1) * stride + reach + 1 - after
    above = max(0, surplus) // 2 if layer.padding == "same" else 0
    return Window(1, above - reach + stride - 1, above, stride)


def upsampling(layer: Any, axis: int, before: int, after: int) -> Optional[Window]:
    """Nearest uses one input along each axis, bilinear (half-pixel centres) two."""
    factor = after // before
    if getattr(layer, "interpolation", "bilinear") == "bilinear":
        return Window(2, 1 - factor, factor, 2 * factor)
    return Window(over=factor) if layer.interpolation == "nearest" else None


def nearest(layer: Any, axis: int, before: int, after: int) -> Window:
    return Window(over=after // before)


def zero_padding(layer: Any, axis: int, before: int, after: int) -> Window:
    above = layer.padding[axis][0]
    return Window(1, -above, -above)


def cropping(layer: Any, axis: int, before: int, after: int) -> Window:
    above = layer.cropping[axis][0]
    return Window(1, above, above)


def corner(layer: Any, axis: int, before: int, after: int) -> Window:
    """Padding or cropping below and to the right."""
    return POINTWISE


def unknown(layer: Any, axis: int, before: int, after: int) -> Optional[Window]:
    """An unknown layer that keeps height and width is assumed to be pointwise."""
    if before == after:
        return POINTWISE
    return Window(step=0) if before == 1 else None


RULES: dict[str, Rule] = {
    "AveragePooling2D": pooling,
    "Conv2D": convolution,
    "Conv2DTranspose": transposed,
    "CropLike": corner,
    "Cropping2D": cropping,
    "DepthwiseConv2D": convolution,
    "Enlarge": upsampling,
    "MaxPooling2D": pooling,
    "MaxUnpool": nearest,
    "PadToMultiple": corner,
    "SeparableConv2D": convolution,
    "UpSampling2D": upsampling,
    "ZeroPadding2D": zero_padding,
}


def window_of(step: Step, source: Tensor, axis: int) -> Optional[Window]:
    """The window of `step` on `source` along axis 0 (height) or 1 (width).

    None if each output depends on the whole axis.
    """
    target = step.outputs[0]
    if not (source.is_spatial and target.is_spatial):
        return None
    kind = known_kind(step.layer, RULES)
    rule = RULES[kind] if kind else unknown
    return rule(step.layer, axis, source.shape[1 + axis], target.shape[1 + axis])


def strides(graph: Graph) -> dict[Tensor, Stride]:
    """The stride of each tensor with height and width, in pixels of the image.

    If a step has inputs of several strides, the largest is used; broadcast inputs are
    ignored.
    """
    known = {graph.image: (Fraction(1), Fraction(1))}
    for step in graph.steps:
        pairs = [
            tuple(known[source][axis] * ratio(step, source, axis) for axis in (0, 1))
            for source in step.inputs
            if source in known
        ]
        pairs = [pair for pair in pairs if all(pair)]
        if pairs:
            stride = tuple(map(max, zip(*pairs, strict=True)))
            known.update(dict.fromkeys(step.outputs, stride))
    return known


def ratio(step: Step, source: Tensor, axis: int) -> Fraction:
    """Stride after / stride before; 0 if outputs do not correspond to input cells."""
    window = window_of(step, source, axis)
    return Fraction(window.step, window.over) if window else Fraction(0)


@dataclass(frozen=True)
class Field:
    """A receptive field in pixels, the largest over all cells.

    `whole` is True if some path pools over the whole image. Height and width are then
    those of the other paths, 0 if there are none.
    """

    height: int
    width: int
    whole: bool = False


def receptive_field(graph: Graph, tensor: Tensor) -> Field:
    """The receptive field of a tensor's cells, ignoring the borders of the image.

    After upsampling, the fields of neighbouring cells differ, so all cells of a period
    are evaluated.
    """
    known = strides(graph)
    period = math.lcm(*(side.numerator for pair in known.values() for side in pair))
    extents, whole = [], False
    for axis in (0, 1):
        cells = math.ceil(period / known[tensor][axis]) if tensor in known else 1
        found = [field_of(graph, tensor, axis, cell) for cell in range(cells)]
        extents.append(max(high - low + 1 for (low, high), _ in found))
        whole = whole or any(pooled for _, pooled in found)
    return Field(*extents, whole)


def field_of(graph: Graph, tensor: Tensor, axis: int, cell: int) -> tuple[Span, bool]:
    """The pixels that a cell depends on along an axis, and whether a path pools all."""
    spans: dict[Tensor, list[Span]] = {tensor: [(cell, cell)]}
    whole = False
    for step in reversed(graph.steps):
        reached = [span for out in step.outputs for span in spans.get(out, ())]
        for source in step.inputs if reached else ():
            window = window_of(step, source, axis)
            if window:
                spans.setdefault(source, []).append(window(union(reached)))
            else:
                whole = True
    return union(spans.get(graph.image, [(0, -1)])), whole


def union(spans: list[Span]) -> Span:
    """The smallest span that contains all `spans`."""
    return min(low for low, _ in spans), max(high for _, high in spans)

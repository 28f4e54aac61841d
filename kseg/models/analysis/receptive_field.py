"""What one cell of a network sees of the image: stride and receptive field.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill, 2019) derive sizes forwards, layer by layer. Here one cell's interval is
followed backwards through the graph: the same numbers where all paths are centred on
each other, and exact where they are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Callable, NamedTuple, Optional

from kseg.models.analysis.graph import Graph, Step, Tensor, known_kind

Span = tuple[int, int]  # the first and the last cell along one axis
Stride = tuple[Fraction, Fraction]  # pixels from cell to cell, down and across


class Window(NamedTuple):
    """Which inputs an output sees along one axis, borders left aside.

    Output o sees the inputs from (o * step + first) // over to (o * step + last) //
    over; a `step` of 0 is one input that all outputs share.
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
    """A convolution's or a pooling's: `before` inputs become `after` outputs."""
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
    """Input i is spread over the outputs i * stride - above + [0, reach]."""
    stride = layer.strides[axis]
    reach = layer.dilation_rate[axis] * (layer.kernel_size[axis] - 1)
    surplus = (before - 1) * stride + reach + 1 - after
    above = max(0, surplus) // 2 if layer.padding == "same" else 0
    return Window(1, above - reach + stride - 1, above, stride)


def enlarging(layer: Any, axis: int, before: int, after: int) -> Optional[Window]:
    """Nearest takes one input an axis, bilinear (half-pixel centres) two."""
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
    """A layer that keeps height and width is taken for pointwise."""
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
    "Enlarge": enlarging,
    "MaxPooling2D": pooling,
    "MaxUnpool": nearest,
    "PadToMultiple": corner,
    "SeparableConv2D": convolution,
    "UpSampling2D": enlarging,
    "ZeroPadding2D": zero_padding,
}


def window_of(step: Step, source: Tensor, axis: int) -> Optional[Window]:
    """How `step` looks at `source` along axis 0 (height) or 1; None: at all of it."""
    target = step.outputs[0]
    if not (source.is_picture and target.is_picture):
        return None
    kind = known_kind(step.layer, RULES)
    rule = RULES[kind] if kind else unknown
    return rule(step.layer, axis, source.shape[1 + axis], target.shape[1 + axis])


def strides(graph: Graph) -> dict[Tensor, Stride]:
    """Pixels from one cell to the next, per axis, of the tensors that have cells.

    Where inputs of several strides meet, broadcast ones aside, the largest holds.
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
    """Stride after by stride before; 0 where cells have nothing to do with cells."""
    window = window_of(step, source, axis)
    return Fraction(window.step, window.over) if window else Fraction(0)


@dataclass(frozen=True)
class Field:
    """The pixels that can change one cell: the largest extent over all cells.

    `whole` tells that some path pools over the whole image; height and width are then
    those of the other paths, 0 if there are none.
    """

    height: int
    width: int
    whole: bool = False


def receptive_field(graph: Graph, tensor: Tensor) -> Field:
    """The field of `tensor`'s cells, borders of the image left aside.

    Behind an enlargement neighbours see differently much, so all cells of a period
    are tried.
    """
    known = strides(graph)
    period = math.lcm(*(side.numerator for pair in known.values() for side in pair))
    extents, whole = [], False
    for axis in (0, 1):
        cells = math.ceil(period / known[tensor][axis]) if tensor in known else 1
        found = [seen(graph, tensor, axis, cell) for cell in range(cells)]
        extents.append(max(high - low + 1 for (low, high), _ in found))
        whole = whole or any(pooled for _, pooled in found)
    return Field(*extents, whole)


def seen(graph: Graph, tensor: Tensor, axis: int, cell: int) -> tuple[Span, bool]:
    """The pixels that one cell sees along an axis, and whether it sees all besides."""
    spans: dict[Tensor, list[Span]] = {tensor: [(cell, cell)]}
    whole = False
    for step in reversed(graph.steps):
        reached = [span for out in step.outputs for span in spans.get(out, ())]
        for source in step.inputs if reached else ():
            window = window_of(step, source, axis)
            if window:
                spans.setdefault(source, []).append(window(hull(reached)))
            else:
                whole = True
    return hull(spans.get(graph.image, [(0, -1)])), whole


def hull(spans: list[Span]) -> Span:
    return min(low for low, _ in spans), max(high for _, high in spans)

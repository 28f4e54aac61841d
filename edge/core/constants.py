"""Constants shared by data, networks and drawing."""

from __future__ import annotations

import colorsys

IGNORE_INDEX = 255  # void and padding in masks
ENGINES = ("auto", "cpu", "gpu", "litert", "tflite-runtime", "onnx")  # of --engine
MODEL_SUFFIXES = (".tflite", ".onnx")  # of model files, in capitals too
MOST_THREADS = 1024  # of an engine
FULL_SIZE_TILE = (512, 512)  # of images at full size, by default


def palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """The first `count` RGB colours of Pascal VOC's palette; the first is black.

    >>> palette(3)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """
    colors = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> channel & 1) << (7 - bit)
            index >>= 3
        colors.append(tuple(channels))
    return tuple(colors)


def bright_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """The first `count` of a series of bright RGB colours, each far from the last.

    The hue of each follows that of the last by the golden ratio.

    >>> bright_colors(2)
    ((60, 242, 181), (242, 128, 60))
    """
    hues = ((0.444 + index * (5**0.5 - 1) / 2) % 1 for index in range(count))
    colors = (colorsys.hsv_to_rgb(hue, 0.75, 0.95) for hue in hues)
    return tuple((int(r * 255), int(g * 255), int(b * 255)) for r, g, b in colors)


VARIANCES = (0.1, 0.1, 0.2, 0.2)  # of dy, dx, dh, dw, as in the SSD networks
MAX_EXPONENT = 4.0  # a box is at most 55 times as long as its anchor
PADDING = 128  # mid-grey; networks scale it to 0

"""Values that data, networks and drawing agree on."""

from __future__ import annotations

IGNORE_INDEX = 255  # void and padding in every mask that kseg has read
ENGINES = ("auto", "cpu", "gpu", "litert", "tflite-runtime", "onnx")  # of --engine
FULL_SIZE_TILE = (512, 512)  # of images at full size, unless told otherwise


def palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` RGB colours, black first; Pascal VOC's, whose bits spread neighbours.

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


PADDING = 128  # mid-grey: what networks see as zero

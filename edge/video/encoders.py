"""The encoders of recordings with PyAV: the first of them that opens is taken."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Callable

import av

from edge.core.errors import InputError

# Fine enough for the times of frames, and not more than MPEG-4 allows (65535).
TIME_BASE = Fraction(1, 60_000)  # seconds
BITS_PER_PIXEL = 0.1  # of encoders without a constant quality, for each frame
NOMINAL_FPS = 25  # by which encoders plan their bit rate

# Name -> its options. ultrafast takes as much time as OpenCV's MPEG-4 encoder, and its
# files are as large; slower settings would take the time from the network.
ENCODERS = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"},
    "libopenh264": {},
    "h264_v4l2m2m": {},  # of boards; unverified
    "mpeg4": {},
}


def open_encoder(add_stream: Callable[..., Any], height: int, width: int) -> Any:
    """Open the first encoder that works, and add its stream to a container.

    `add_stream` is that of a container of PyAV; height and width are even. Raises
    InputError if no encoder opens.
    """
    for name, options in ENCODERS.items():
        try:
            # Tried apart from the container, from which no stream can be removed.
            configure(av.CodecContext.create(name, "w"), options, height, width).open()
        except (av.FFmpegError, ValueError):
            continue
        stream = add_stream(name, rate=NOMINAL_FPS)
        configure(stream.codec_context, options, height, width)
        return stream
    raise InputError(f"PyAV has none of the encoders {', '.join(ENCODERS)}")


def configure(context: Any, options: dict[str, str], height: int, width: int) -> Any:
    """Set what an encoder needs before it opens; returns it."""
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = TIME_BASE, Fraction(NOMINAL_FPS)
    context.thread_count = 1  # more would compete with the network
    context.options = dict(options)
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = 1  # 16 to 235
    if "crf" not in options:
        context.bit_rate = round(BITS_PER_PIXEL * width * height * NOMINAL_FPS)
    return context

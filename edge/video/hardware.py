"""Hardware decoders of boards: V4L2 M2M, as a Raspberry Pi 4 has it for H.264.

Unverified: no board with one was at hand. Therefore one is used only if
KSEG_READER=hardware asks for it. If none opens, FFmpeg's own decoder takes its place,
and a line says so.
"""

from __future__ import annotations

import logging
from typing import Any, Optional

import av

log = logging.getLogger(__name__)


def hardware_context(stream: Any) -> Optional[Any]:
    """An open hardware decoder for a video stream of PyAV; None if there is none."""
    own = stream.codec_context
    try:
        codec = av.Codec(f"{own.codec.canonical_name}_v4l2m2m", "r")
        context = av.CodecContext.create(codec, "r")
        context.extradata = own.extradata
        context.width, context.height = own.width, own.height
        context.pix_fmt = own.pix_fmt
        context.open()
        return context
    except (av.FFmpegError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        log.warning(
            f"no hardware decoder for {own.name} opens ({reason}); FFmpeg decodes it"
        )
        return None

"""What native libraries print, without secrets.

OpenCV, FFmpeg and GStreamer print addresses with their passwords, depending on their
versions and on environment variables such as OPENCV_FFMPEG_LOGLEVEL.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import Iterator

from edge.core.redaction import redact

LONGEST_LINE = 1 << 16  # bytes; a longer line is passed on in parts
END_SECONDS = 1.0  # a child process may keep the descriptor open
# Who sets one of these wants a log. OpenCV prints that of FFmpeg to stdout.
LOG_VARIABLES = (
    *("OPENCV_FFMPEG_DEBUG", "OPENCV_LOG_LEVEL", "OPENCV_VIDEOIO_DEBUG", "GST_DEBUG"),
    "OPENCV_FFMPEG_LOGLEVEL",
)
QUIET = "-8"  # the level of FFmpeg's log that kseg sets itself


@contextmanager
def filtered_output() -> Iterator[None]:
    """Pass every line that this process writes to stderr through `redact`.

    Stdout too, if a variable asks for the log of a library. Descriptors that are closed
    are left alone.
    """
    wanted = [os.environ.get(name, QUIET) for name in LOG_VARIABLES]
    logs = any(value != QUIET for value in wanted)
    with ExitStack() as stack:
        for descriptor in (2, 1) if logs else (2,):
            stack.enter_context(filtered(descriptor))
        yield


@contextmanager
def filtered(descriptor: int) -> Iterator[None]:
    """Pass every line that is written to a file descriptor through `redact`."""
    flush_all()
    try:
        saved = os.dup(descriptor)
    except OSError:
        yield
        return
    output, written = os.pipe()
    os.dup2(written, descriptor)
    os.close(written)
    copying = threading.Thread(target=copy_lines, args=(output, saved), daemon=True)
    copying.start()
    try:
        yield
    finally:
        flush_all()
        os.dup2(saved, descriptor)
        copying.join(END_SECONDS)


def flush_all() -> None:
    """Write what Python and the C library still hold back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # its reader has ended, or it is closed
            pass
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, TypeError, AttributeError):  # Windows: there is no such library
        pass


def copy_lines(output: int, target: int) -> None:
    """Copy lines from one descriptor to another until the first ends; closes both."""
    rest = b""
    while data := os.read(output, 1 << 12):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            write_redacted(target, line + b"\n")
    write_redacted(target, rest)
    os.close(output)
    os.close(target)


def write_redacted(target: int, line: bytes) -> None:
    """Write a line without secrets. A reader that has ended is no error."""
    text = redact(line.decode("utf-8", "surrogateescape"))
    data = text.encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[os.write(target, data) :]
    except OSError:
        pass

"""What native libraries print, without secrets.

OpenCV, FFmpeg and GStreamer print addresses with their passwords, depending on their
versions and on environment variables such as OPENCV_FFMPEG_LOGLEVEL.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import Any, Iterator, Optional

from edge.core.redaction import redact
from edge.core.system import flush_c_streams

LONGEST_LINE = 1 << 16  # bytes; a longer line is passed on in parts
END_SECONDS = 1.0  # a child process may keep the descriptor open
# Who sets one of these wants a log. OpenCV prints that of FFmpeg to stdout.
LOG_VARIABLES = (
    *("OPENCV_FFMPEG_DEBUG", "OPENCV_LOG_LEVEL", "OPENCV_VIDEOIO_DEBUG", "GST_DEBUG"),
    "OPENCV_FFMPEG_LOGLEVEL",
)
QUIET = "-8"  # the level of FFmpeg's log that kseg sets itself


class Filter:
    """Passes what this process writes to a file descriptor through `redact`, by line.

    The descriptor belongs to the whole process: threads share one filter, which ends
    with the last of them. A descriptor that is closed is left alone.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._lock = threading.Lock()
        self._holders = 0
        self._saved: Optional[int] = None

    def __enter__(self) -> Filter:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._begin()
        return self

    def __exit__(self, *_: Any) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._end()

    def end(self) -> None:
        """End the filter, whoever still holds it: the program ends."""
        with self._lock:
            self._end()

    def _begin(self) -> None:
        flush_all()
        try:
            self._saved = os.dup(self.descriptor)
        except OSError:
            return
        output, written = os.pipe()
        os.dup2(written, self.descriptor)
        os.close(written)
        given = (output, self._saved)
        self._copying = threading.Thread(target=copy_lines, args=given, daemon=True)
        self._copying.start()

    def _end(self) -> None:
        if self._saved is None:
            return
        flush_all()
        os.dup2(self._saved, self.descriptor)
        self._copying.join(END_SECONDS)  # closes `_saved`
        self._saved = None


STDOUT, STDERR = Filter(1), Filter(2)


@contextmanager
def filtered_output() -> Iterator[None]:
    """Filter stderr, and stdout if a variable asks for the log of a library."""
    wanted = [os.environ.get(name, QUIET) for name in LOG_VARIABLES]
    with ExitStack() as stack:
        stack.enter_context(STDERR)
        if any(value != QUIET for value in wanted):
            stack.enter_context(STDOUT)
        yield


def end_filters() -> None:
    """Pass on what was printed so far, at the end of the program."""
    for one in (STDOUT, STDERR):
        one.end()


def flush_all() -> None:
    """Write what Python and the C library still hold back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # its reader has ended, or it is closed
            pass
    flush_c_streams()


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

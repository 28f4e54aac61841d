"""What native libraries print to stderr, without secrets.

OpenCV, FFmpeg and GStreamer print addresses with their passwords, depending on their
versions and on environment variables such as OPENCV_FFMPEG_LOGLEVEL.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import Iterator

from edge.core.log import flush_stderr
from edge.core.redaction import redact

LONGEST_LINE = 1 << 16  # bytes; a longer line is passed on in parts
END_SECONDS = 1.0  # a child process may keep the descriptor open


@contextmanager
def filtered_stderr() -> Iterator[None]:
    """Pass every line that is written to file descriptor 2 through `redact`.

    This holds for the whole process. Where descriptor 2 is closed, nothing is done.
    """
    flush_stderr()
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    output, written = os.pipe()
    os.dup2(written, 2)
    os.close(written)
    copying = threading.Thread(target=copy_lines, args=(output, saved), daemon=True)
    copying.start()
    try:
        yield
    finally:
        flush_stderr()
        os.dup2(saved, 2)
        copying.join(END_SECONDS)


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

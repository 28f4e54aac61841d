"""Log messages on standard error, and suppression of native library output.

Library modules use `logging`; commands print each message as one line.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from edge.core.errors import InputError, in_one_line
from edge.core.redaction import redact

PACKAGES = ("edge", "kseg", "benchmarks")


def say(message: str) -> None:
    """Print one line of a command's log to stderr, if there is one, without secrets.

    Control characters, as names of files may have them, are escaped: a terminal would
    obey them. A text of several lines keeps its line ends.
    """
    show(redact(message))


def show(message: str) -> None:
    """As `say`, with secrets: for the link of the browser view, which has a token."""
    if sys.stderr is not None:
        text = "\n".join(map(in_one_line, message.split("\n")))
        with NATIVE_LOG.passing():
            print(text, file=sys.stderr, flush=True)


class StderrHandler(logging.Handler):
    """A logging handler that prints each message with `say`."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_log() -> None:
    """Print the log of our packages to stderr; called by commands, not by libraries."""
    for name in PACKAGES:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, StderrHandler) for handler in logger.handlers):
            logger.addHandler(StderrHandler())
            logger.setLevel(logging.INFO)


class NativeLog:
    """The text that native libraries write to file descriptor 2 while it is held.

    The descriptor belongs to the whole process: threads share one holding, which ends
    with the last of them. Where descriptor 2 is closed there is nothing to hold.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may log too
        self._holders = 0
        self._saved: Optional[int] = None
        self._held: Any = None

    def hold(self) -> None:
        """Redirect the descriptor to a temporary file, for the first holder."""
        with self._lock:
            self._holders += 1
            if self._holders > 1:
                return
            flush_stderr()
            try:
                self._saved = os.dup(2)
            except OSError:
                return
            self._held = self._new_file()
            os.dup2(self._held.fileno(), 2)

    @staticmethod
    def _new_file() -> Any:
        try:
            return tempfile.TemporaryFile()
        except OSError:  # a full disk, or no folder of temporary files
            return open(os.devnull, "wb+")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """In the block the descriptor is the one before: for lines of our own log."""
        with self._lock:
            if self._saved is None:
                yield
                return
            flush_stderr()
            os.dup2(self._saved, 2)
            try:
                yield
            finally:
                flush_stderr()
                os.dup2(self._held.fileno(), 2)

    def show(self) -> None:
        """Print the text that was held so far."""
        with self._lock:
            if self._saved is not None:
                flush_stderr()
                self._held.seek(0)
                os.write(self._saved, self._held.read())
                self._held.seek(0)
                self._held.truncate()

    def release(self) -> None:
        """Restore the descriptor, for the last holder."""
        with self._lock:
            self._holders -= 1
            if self._holders or self._saved is None:
                return
            flush_stderr()
            os.dup2(self._saved, 2)
            os.close(self._saved)
            self._held.close()
            self._saved = None


def flush_stderr() -> None:
    """Flush stderr, which is None in a process that was started without it."""
    if sys.stderr is not None:
        sys.stderr.flush()


NATIVE_LOG = NativeLog()


@contextmanager
def suppress_native_log() -> Iterator[None]:
    """Suppress what native libraries write to file descriptor 2.

    If the block raises anything but InputError or Ctrl-C, the suppressed text is
    printed first.
    """
    NATIVE_LOG.hold()
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException:
        NATIVE_LOG.show()
        raise
    finally:
        NATIVE_LOG.release()

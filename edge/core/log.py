"""Log messages on standard error, and suppression of native library output.

Library modules use `logging`; commands print each message as one line.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from contextlib import contextmanager
from typing import Iterator

from edge.core.errors import InputError

PACKAGES = ("edge", "kseg", "benchmarks")


def say(message: str) -> None:
    """Print one line of a command's log to stderr."""
    print(message, file=sys.stderr, flush=True)


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


@contextmanager
def suppress_native_log() -> Iterator[None]:
    """Suppress what native libraries write to file descriptor 2.

    If the block raises anything but InputError, the suppressed text is printed first.
    Not thread-safe: the descriptor belongs to the whole process.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except InputError:
            raise
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)

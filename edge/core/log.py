"""The log on standard error, and holding back what libraries write there.

Library modules log by `logging`; commands show that, a line a message.
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
    """One line of a command's log, to stderr."""
    print(message, file=sys.stderr, flush=True)


class Lines(logging.Handler):
    """Writes each message as `say` does."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_log() -> None:
    """Shows on stderr what our packages log; called by commands, not by libraries."""
    for name in PACKAGES:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, Lines) for handler in logger.handlers):
            logger.addHandler(Lines())
            logger.setLevel(logging.INFO)


@contextmanager
def native_log_held() -> Iterator[None]:
    """Holds back what libraries write straight to file descriptor 2.

    Where the block fails otherwise than by InputError, it is shown before that goes on.
    For one thread alone: the descriptor is the whole process's.
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

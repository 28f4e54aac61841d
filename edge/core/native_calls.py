"""Calls of a library in threads that nothing can end.

Opening a stream whose server is silent, or reading from one, may last longer than the
program. Python would take down the interpreter beside such a call, which can crash the
process after its last message: then it has another exit status.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import Iterator

_lock = threading.Lock()
_running = 0
_own = False


@contextmanager
def native_call() -> Iterator[None]:
    """Note that this thread is inside a library until the block ends."""
    global _running
    with _lock:
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1


def own_process() -> None:
    """Tell that this process is of this program alone, which may end it at once.

    Programs call it when they start. A program that calls kseg in its own process, such
    as a test, does not.
    """
    global _own
    _own = True


def end_process(status: int) -> None:
    """End an own process at once if a thread is inside a library; else return."""
    if not (_own and _running):
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    os._exit(status)

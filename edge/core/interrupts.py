"""Ctrl-C from the start of a program to its end.

It imports only what Python has loaded by itself, so that a program can call
`exit_on_interrupt` before all other imports.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import Iterator

CLOSING_SECONDS = 5.0  # for which a second Ctrl-C does not disturb the first
STOPPED = 130  # the exit status, that of shells for a program ended by SIGINT


def exit_on_interrupt(name: str) -> None:
    """Until `raise_on_interrupt`, Ctrl-C ends the process with one line.

    Nothing is to be saved while a program imports its libraries, and these turn a
    KeyboardInterrupt into errors of their own. A signal that the caller has the process
    ignore, as a shell's & does, stays ignored.
    """

    def stop(*_: object) -> None:
        try:
            os.write(2, f"{name}: stopped by Ctrl-C\n".encode())
        except OSError:
            pass
        os._exit(STOPPED)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)


def raise_on_interrupt() -> list[int]:
    """From now on Ctrl-C raises KeyboardInterrupt; returns the list of signals so far.

    The list tells that there was one, whatever became of the exception.
    """
    seen: list[int] = []

    def note(number: int, _: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        return seen
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread
        pass
    return seen


@contextmanager
def noted_interrupts() -> Iterator[list[int]]:
    """In the block Ctrl-C raises nothing; it is added to the list that is yielded.

    For a wait that a further Ctrl-C may end, while others still close their files. In
    other threads than the main one, and where the caller has the process ignore it, the
    list stays empty.
    """
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    try:
        if before in (signal.SIG_IGN, None):
            raise ValueError
        signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    except ValueError:
        yield seen
        return
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupt:
    """A handler of signals that raises KeyboardInterrupt, but not while files close.

    The signals of the next seconds are ignored: pressed twice, Ctrl-C would leave a
    video without its end. `seen` tells that there was a signal: Python drops an
    exception that is raised while it removes an object.
    """

    def __init__(self) -> None:
        self._raised = float("-inf")
        self.seen = False

    def __call__(self, *_: object) -> None:
        self.seen = True
        now = time.monotonic()
        if now - self._raised >= CLOSING_SECONDS:
            self._raised = now
            raise KeyboardInterrupt

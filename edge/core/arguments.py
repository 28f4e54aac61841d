"""Command-line helpers: the argument parser, argument types, exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Callable, NoReturn, Optional, Sequence

from edge.core.errors import GateFailed, InputError
from edge.core.log import say, show_log


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError with a one-line message."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def size(text: str) -> tuple[int, int]:
    """Parse a size for `type=`: '360x480' -> (360, 480), height first.

    >>> size("360x480")
    (360, 480)
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size; write HEIGHTxWIDTH in pixels, such as 360x480"
        )
    return int(height), int(width)


def positive(text: str) -> int:
    """Parse an integer of at least 1, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def nonnegative_int(text: str) -> int:
    """Parse an integer from 0 to 2**32 - 1, the range of seeds, for `type=`."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an integer from 0 to 4294967295"
        )
    return int(text)


def nonnegative_float(text: str) -> float:
    """Parse a finite number of at least 0, for `type=`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1, for `type=`."""
    if nonnegative_float(text) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return float(text)


def writable(text: str) -> Path:
    """Parse the path of a file to write, for `type=`; its folder must exist."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a file in an existing folder"
        )
    return path


def run(
    name: str, main: Callable[[Optional[Sequence[str]]], Optional[int]]
) -> NoReturn:
    """Run `main(argv)` and exit: 0 success, 2 invalid input, 3 failed gate, 130 Ctrl-C.

    Other exceptions keep their traceback and exit status 1.
    """
    show_log()
    try:
        status = main(None) or 0
        sys.stdout.flush()
    except (InputError, GateFailed) as refusal:
        say(f"{name}: {refusal}")
        status = refusal.status
    except KeyboardInterrupt:
        say(f"{name}: stopped by Ctrl-C")
        status = 130
    except BrokenPipeError:  # the reader of stdout, such as `head`, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)

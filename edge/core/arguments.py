"""What every command shares: its parser, types of arguments, and how it ends."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Callable, NoReturn, Optional, Sequence

from edge.core.errors import GateFailed, InputError
from edge.core.log import say, show_log


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def size(text: str) -> tuple[int, int]:
    """'360x480' -> (360, 480): height, then width.

    >>> size("360x480")
    (360, 480)
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; write HEIGHTxWIDTH in pixels, such as 360x480"
        )
    return int(height), int(width)


def positive(text: str) -> int:
    """A whole number from 1 up, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def nonnegative_int(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, which seeds may have, for `type=`."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 4294967295")
    return int(text)


def nonnegative_float(text: str) -> float:
    """A finite number from 0 up, for `type=`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return value


def share(text: str) -> float:
    """A number from 0 to 1, for `type=`."""
    if nonnegative_float(text) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return float(text)


def writable(text: str) -> Path:
    """A file in a folder that is there, for `type=`: known before the work begins."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in an existing folder")
    return path


def run(
    name: str, main: Callable[[Optional[Sequence[str]]], Optional[int]]
) -> NoReturn:
    """Runs `main(argv)` and exits: 0 done, 2 bad input, 3 gate, 130 Ctrl-C.

    Anything unforeseen keeps its traceback and Python's status 1.
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
    except BrokenPipeError:  # the reader of our stdout, `head` say, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)

"""What every command of kseg shares: its two kinds of refusal and how it ends."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NoReturn, Optional, Sequence


class BadInput(Exception):
    """Input or use that cannot work. The message names file, value and remedy."""

    status = 2


class GateFailed(Exception):
    """A condition that the user asked to hold does not hold."""

    status = 3


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")


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


def whole(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, which seeds may have, for `type=`."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 4294967295")
    return int(text)


def number(text: str) -> float:
    """A finite number from 0 up, for `type=`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return value


def make_folder(path: Path) -> Path:
    """The folder, made where needed. Raises BadInput where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be made a folder ({error.strerror}); name another"
        ) from None
    return path


def writable(text: str) -> Path:
    """A file in a folder that is there, for `type=`: known before the work begins."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in an existing folder")
    return path


@contextmanager
def replace_by(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, of the same suffix, which then takes its place.

    A reader finds the old file or the new one, never half of it, even after the power
    went. Where the block fails nothing is left of the new one.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes beside, then renames."""
    with replace_by(path) as part:
        part.write_text(text, encoding="utf-8")


def say(message: str) -> None:
    """One line of log, to stderr."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def native_log_held() -> Iterator[None]:
    """Holds back what libraries write straight to file descriptor 2.

    Where the block fails otherwise than by BadInput, it is shown before that goes on.
    For one thread alone: the descriptor is the whole process's.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BadInput:
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


def run(
    name: str, main: Callable[[Optional[Sequence[str]]], Optional[int]]
) -> NoReturn:
    """Runs `main(argv)` and exits: 0 done, 2 bad input, 3 gate, 130 Ctrl-C.

    Anything unforeseen keeps its traceback and Python's status 1.
    """
    try:
        status = main(None) or 0
        sys.stdout.flush()
    except (BadInput, GateFailed) as refusal:
        say(f"{name}: {refusal}")
        status = refusal.status
    except KeyboardInterrupt:
        say(f"{name}: stopped by Ctrl-C")
        status = 130
    except BrokenPipeError:  # the reader of our stdout, `head` say, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)

"""Command-line helpers: the argument parser, argument types, exit statuses."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence

from edge.core.constants import MOST_THREADS
from edge.core.errors import (
    LONGEST_PATH,
    GateFailed,
    InputError,
    in_one_line,
    reason_of,
    remedy_of,
    shortened,
)
from edge.core.files import try_writing
from edge.core.filtered_output import end_filters
from edge.core.imports import BrokenPackage, explained_imports
from edge.core.interrupts import raise_on_interrupt
from edge.core.log import say, show_log
from edge.core.native_calls import end_process
from edge.core.redaction import hide_in_tracebacks, remember
from edge.core.suggestions import closest
from edge.core.system import is_closed_pipe, print_any_text

OLDEST_PYTHON = (3, 9)
SIDE = 65536  # pixels, the largest of an image
WIDTH = 112  # columns of the help if it is not printed to a terminal


class Parser(argparse.ArgumentParser):
    """A parser with groups of options, of which `--help` shows the basic ones.

    `--help-all` shows all. Errors raise InputError with a one-line message.
    """

    def __init__(self, prog: str, description: Optional[str], **options: Any):
        """`description` is None under `python -OO`."""
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=help_formatter,
            add_help=False,
            **options,
        )
        self._positionals.title = "Arguments"
        # A value such as -1..1 is no option; Python 3.14 has this pattern.
        self._negative_number_matcher = re.compile(r"-\.?\d")
        self._groups: Dict[str, Any] = {}
        self._advanced: List[argparse.Action] = []
        self._named: List[argparse.Action] = []

    def option(
        self,
        title: str,
        *names: str,
        basic: bool = False,
        aliases: Sequence[str] = (),
        **extra: Any,
    ) -> None:
        """Add an option to the group `title`; `aliases` are accepted but not shown."""
        if title not in self._groups:
            self._groups[title] = self.add_argument_group(title)
        group = self._groups[title]
        action = group.add_argument(*names, **extra)
        self._named.append(action)
        if not basic:
            self._advanced.append(action)
        for alias in aliases:
            hidden = {**extra, "help": argparse.SUPPRESS, "dest": action.dest}
            group.add_argument(alias, **hidden)

    def add_help_options(self, title: str) -> None:
        """Add --help and --help-all to a group, after all other options."""
        for names, everything in ((("-h", "--help"), False), (("--help-all",), True)):
            self.option(
                title,
                *names,
                basic=True,
                action=ShowHelp,
                everything=everything,
                help="show all options" if everything else "show the basic options",
            )

    def format_usage(self) -> str:
        parts = [f"usage: {self.prog} [OPTIONS]"]
        for action in self._positionals._group_actions:
            name = str(action.metavar or action.dest.upper())
            several = f"{name} ..." if action.nargs == "+" else name
            parts.append(f"[{several}]" if action.nargs == "?" else several)
        return " ".join(parts) + "\n"

    def format_help(self, everything: bool = False) -> str:
        """The help of the basic options, or of all with `everything`."""
        texts = {action: action.help for action in self._advanced}
        for action in () if everything else self._advanced:
            action.help = argparse.SUPPRESS
        self.usage = self.format_usage().partition(": ")[2].strip()
        if self._advanced and not everything:
            count = len(self._named)
            self.epilog = (
                f"{count} options, {count - len(texts)} shown; --help-all shows all"
                f"{self._hidden_groups()}"
            )
        try:
            return super().format_help()
        finally:
            self.epilog = None
            for action, text in texts.items():
                action.help = text

    def _hidden_groups(self) -> str:
        """The groups of which no option is basic, for the last line of the help."""
        basic = set(self._named) - set(self._advanced)
        titles = [
            re.split(r"[,(]", title)[0].strip()  # without what explains it
            for title, group in self._groups.items()
            if not basic.intersection(group._group_actions)
        ]
        return f" ({', '.join(titles)})" if titles else ""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of argparse; of an unknown option, the one probably meant is named."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._meant(rest)}")
        return found

    def _meant(self, words: Sequence[str]) -> str:
        """The option that the first unknown one is like, for a message, or ""."""
        names = [name for action in self._named for name in action.option_strings]
        options = [word.partition("=")[0] for word in words if word[:2] == "--"]
        for action in self._positionals._group_actions:
            option = f"--{action.dest}"
            if option in options:
                return (
                    f"; give {action.metavar or action.dest.upper()} without {option}"
                )
        close = (closest(option, names) for option in options)
        meant = next(filter(None, close), None)
        return f"; did you mean {meant}?" if meant else ""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


class ShowHelp(argparse.Action):
    """Prints the help and exits."""

    def __init__(self, everything: bool, **options: Any):
        super().__init__(**{**options, "nargs": 0, "default": argparse.SUPPRESS})
        self.everything = everything

    def __call__(self, parser: Any, *_: Any) -> NoReturn:
        print(parser.format_help(self.everything), end="")
        raise SystemExit(0)


def help_formatter(prog: str) -> argparse.HelpFormatter:
    """A formatter with one line per option if the terminal is wide enough."""
    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    return argparse.RawDescriptionHelpFormatter(
        prog, max_help_position=25, width=max(60, min(columns, WIDTH) - 2)
    )


def size(text: str) -> tuple[int, int]:
    """Parse a size for `type=`: '360x480' -> (360, 480), height first.

    >>> size("360x480")
    (360, 480)
    """
    height, _, width = text.lower().partition("x")
    decimal = height.isdecimal() and width.isdecimal()
    if not (decimal and 0 < int(height) <= SIDE and 0 < int(width) <= SIDE):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size; write HEIGHTxWIDTH in pixels, such as 360x480"
        )
    return int(height), int(width)


def positive(text: str) -> int:
    """Parse an integer of at least 1, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def thread_count(text: str) -> int:
    """Parse a number of threads from 1 to MOST_THREADS, for `type=`."""
    if positive(text) > MOST_THREADS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an integer from 1 to {MOST_THREADS}"
        )
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
    """Parse the path of a file to write, for `type=`; its folder must exist.

    Whether it can be written is tried now, not after a long run.
    """
    path = Path(text)
    try:
        if path.is_dir():
            raise argparse.ArgumentTypeError(
                f"{text!r} is a folder; give the name of a file in it"
            )
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(missing_folder(path))
        try_writing(path)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be written ({reason_of(error)}); {remedy_of(error)}"
        ) from None
    return path


def missing_folder(path: Path) -> str:
    """Why no file can be written by this name, for a message: its folder."""
    if path.parent.exists():
        return f"{str(path)!r}: {path.parent} is a file; name a folder there"
    return f"{str(path)!r}: the folder {path.parent} does not exist; create it"


def run(
    name: str, main: Callable[[Optional[Sequence[str]]], Optional[int]]
) -> NoReturn:
    """Run `main(argv)` and exit: 0 success, 2 invalid input, 3 failed gate, 130 Ctrl-C.

    What the operating system refuses, such as a file without rights or on a full disk,
    is invalid input. Other exceptions keep their traceback, without the secrets of the
    command line, and exit status 1.
    """
    show_log()
    print_any_text()
    hide_in_tracebacks()
    for word in sys.argv[1:]:
        remember(word)
    if sys.stdout is None:  # closed by the caller: results go nowhere
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    interrupted = raise_on_interrupt()
    try:
        try:
            check_python()
            with explained_imports():
                status = main(None) or 0
            sys.stdout.flush()
        except BaseException as error:
            # Libraries turn a Ctrl-C while they are imported into errors of their own.
            ours = isinstance(error, (InputError, SystemExit))
            if interrupted and (not ours or isinstance(error, BrokenPackage)):
                raise KeyboardInterrupt from None
            raise
    except (InputError, GateFailed) as refusal:
        status = refusal.status
        say_last(f"{name}: {in_one_line(str(refusal))}")
    except KeyboardInterrupt:
        status = 130
        say_last(f"{name}: stopped by Ctrl-C")
    except OSError as error:
        if is_closed_pipe(error):  # the reader of stdout, such as `head`, has exited
            status = 0
        elif error.errno is None:
            raise
        else:
            status = 2
            say_last(f"{name}: {in_one_line(refusal_of(error))}")
    exit_with(status)


def refusal_of(error: OSError) -> str:
    """What the operating system has refused, in words, with the file if it is known.

    >>> refusal_of(PermissionError(13, "Permission denied", "a.png"))
    'a.png: Permission denied; change its rights or choose another place'
    """
    named = f"{shortened(error.filename, LONGEST_PATH)}: " if error.filename else ""
    return f"{named}{reason_of(error)}; {remedy_of(error)}"


def say_last(message: str) -> None:
    """Print the last line of the log, if someone still reads it."""
    try:
        say(message)
    except OSError:
        pass


def exit_with(status: int) -> NoReturn:
    """Exit with a status; what stdout cannot take any more is dropped."""
    end_filters()  # a thread that opens a stream may still hold the last line back
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    end_process(status)
    sys.exit(status)


def check_python() -> None:
    """Raises InputError if this Python is too old for `edge`."""
    if sys.version_info < OLDEST_PYTHON:
        needed, here = (
            ".".join(map(str, v)) for v in (OLDEST_PYTHON, sys.version_info[:3])
        )
        raise InputError(
            f"needs Python {needed} or newer, this is {here} ({sys.executable}); "
            "install a newer one, or a newer system"
        )

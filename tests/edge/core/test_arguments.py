"""Argument types, and exit statuses of commands."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.arguments import (
    Parser,
    nonnegative_float,
    nonnegative_int,
    positive,
    share,
    size,
    writable,
)
from edge.core.errors import InputError
from edge.core.files import make_folder
from tests.support.posix import needs_linux

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (size, "360x480", (360, 480)),
        (size, "1X1", (1, 1)),
        (positive, "1", 1),
        (positive, "007", 7),
        (nonnegative_int, "0", 0),
        (nonnegative_int, "12", 12),
        (nonnegative_float, "0", 0.0),
        (nonnegative_float, "1e-3", 0.001),
        (nonnegative_float, "2.5", 2.5),
        (share, "0", 0.0),
        (share, "0.25", 0.25),
        (share, "1", 1.0),
    ],
)
def test_the_parsers_accept_valid_text(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (size, "360"),
        (size, "360x"),
        (size, "x480"),
        (size, "0x480"),
        (size, "360x0"),
        (size, "-1x480"),
        (size, "360x480x3"),
        (size, "3.5x4"),
        (positive, "0"),
        (positive, "-1"),
        (positive, "1.5"),
        (positive, ""),
        (nonnegative_int, "-1"),
        (nonnegative_int, "two"),
        (nonnegative_float, "-0.1"),
        (share, "-0.1"),
        (share, "1.01"),
        (share, "nan"),
        (nonnegative_float, "nan"),
        (nonnegative_float, "inf"),
        (nonnegative_float, "1,5"),
    ],
)
def test_the_parsers_reject_invalid_text(parse, text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("name", ["new.json", "there.json"])
def test_a_file_in_an_existing_folder_is_writable(tmp_path, name):
    (tmp_path / "there.json").touch()
    assert writable(str(tmp_path / name)) == tmp_path / name


@pytest.mark.parametrize("name", [".", "gone/new.json", "there.json/new.json"])
def test_a_folder_and_a_file_in_a_missing_folder_are_not_writable(tmp_path, name):
    (tmp_path / "there.json").touch()
    with pytest.raises(
        argparse.ArgumentTypeError,
        match=r"gone does not exist; create it|there\.json is a file; name|is a folder",
    ):
        writable(str(tmp_path / name))


def test_make_folder_creates_parents_and_keeps_existing_files(tmp_path):
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == folder
    (folder / "kept").touch()
    assert make_folder(folder) == folder
    assert (folder / "kept").is_file()


@pytest.mark.parametrize("name", ["file", "file/folder"])
def test_make_folder_where_a_file_has_its_name(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as error:
        make_folder(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")


def ended(body: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run a process whose `main(argv)` is `body`."""
    code = (
        "from edge.core.arguments import Parser, positive, run\n"
        "from edge.core.errors import GateFailed, InputError\n"
        "def main(argv):\n"
        f"    {body}\n"
        "run('tool', main)\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("return None", 0, ""),
        ("return 0", 0, ""),
        ("return 130", 130, ""),
        ("raise InputError('a.png: not an image')", 2, "tool: a.png: not an image\n"),
        ("raise GateFailed('drop 0.03 > 0.02')", 3, "tool: drop 0.03 > 0.02\n"),
        ("raise KeyboardInterrupt", 130, "tool: stopped by Ctrl-C\n"),
        ("raise InputError('a\\nb\\x1b[2J: no')", 2, "tool: a\\nb\\x1b[2J: no\n"),
        (
            "open('gone/a.png')",
            *(2, "tool: gone/a.png: No such file or directory; check the path\n"),
        ),
        (
            "raise OSError(28, 'No space left on device')",
            *(2, "tool: No space left on device; free some space\n"),
        ),
    ],
)
def test_exit_status_and_message(body, status, message):
    done = ended(body)
    assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.parametrize("kind", ["ValueError", "OSError"])
def test_unexpected_errors_keep_their_traceback(kind):
    """An OSError without a number is not the system's."""
    done = ended(f"raise {kind}('unforeseen')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith(f"{kind}: unforeseen\n")


@needs_linux
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_disk_behind_a_stream_is_one_line_or_none(stream):
    """/dev/full is a disk that is always full."""
    code = (
        "from edge.core.arguments import run\n"
        "from edge.core.log import say\n"
        "run('tool', lambda argv: print('result') or say('log'))\n"
    )
    with open("/dev/full", "wb") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, **streams)
    assert done.returncode == 2
    if stream == "stdout":
        said = b"tool: No space left on device; free some space\n"
        assert done.stderr.endswith(said) and b"Traceback" not in done.stderr


PARSE = (
    "parser = Parser('tool.py', None); parser.add_argument('--n', type=positive); "
    "parser.add_help_options('General'); "
    "print(parser.parse_args(argv).n)"
)


def test_options_are_passed_to_the_command():
    done = ended(PARSE, "--n", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "0"], "argument --n: '0' is not an integer of at least 1"),
        (["--n"], "argument --n: expected one argument"),
        (["--m"], "unrecognized arguments: --m"),
        (["--hlep=1"], "unrecognized arguments: --hlep=1; did you mean --help?"),
        (
            ["x", "--x", "--Help-al"],
            "unrecognized arguments: x --x --Help-al; did you mean --help-all?",
        ),
    ],
)
def test_parser_errors_are_one_line(arguments, message):
    done = ended(PARSE, *arguments)
    assert done.returncode == 2
    assert done.stderr == f"tool: {message} (see tool.py --help)\n"


def test_an_argument_that_is_given_as_an_option_is_named():
    parser = Parser("tool", None)
    parser.add_argument("model", metavar="MODEL")
    parser.option("General", "--order")
    with pytest.raises(InputError, match="--model b; give MODEL without --model"):
        parser.parse_args(["--model", "a", "b"])


def test_the_basic_help_names_the_groups_that_it_does_not_show():
    parser = Parser("tool", None)
    parser.option("View", "--size", basic=True)
    parser.option("View", "--color")
    for name in ("--zones", "--events"):
        parser.option("Zones and events", name)
    parser.option("MQTT", "--mqtt")
    last = parser.format_help().splitlines()[-1]
    assert last == ("5 options, 1 shown; --help-all shows all (Zones and events, MQTT)")
    assert "(Zones" not in parser.format_help(everything=True)


def test_help_exits_with_0():
    done = ended(PARSE, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: tool.py")


def test_a_closed_pipe_is_not_an_error():
    """As in `tool | head -1`: the output exceeds the pipe's buffer."""
    code = (
        "from edge.core.arguments import run\n"
        "run('tool', lambda argv: print('line\\n' * 1_000_000))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        log = process.stderr.read()
    assert (process.returncode, log) == (0, "")

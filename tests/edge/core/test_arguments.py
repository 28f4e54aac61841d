"""The parsers of options, and how a command ends."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.arguments import (
    nonnegative_float,
    nonnegative_int,
    positive,
    share,
    size,
    writable,
)
from edge.core.errors import InputError
from edge.core.files import make_folder

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
def test_what_the_parsers_take(parse, text, value):
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
def test_what_the_parsers_refuse(parse, text):
    with pytest.raises(argparse.ArgumentTypeError) as refusal:
        parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize("name", ["new.json", "there.json"])
def test_a_file_in_a_folder_that_is_there_is_writable(tmp_path, name):
    (tmp_path / "there.json").touch()
    assert writable(str(tmp_path / name)) == tmp_path / name


@pytest.mark.parametrize("name", [".", "gone/new.json", "there.json/new.json"])
def test_a_folder_and_a_file_in_none_are_not_writable(tmp_path, name):
    (tmp_path / "there.json").touch()
    with pytest.raises(argparse.ArgumentTypeError, match="is not a file in an"):
        writable(str(tmp_path / name))


def test_make_folder_makes_those_above_too_and_keeps_what_is_there(tmp_path):
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == folder
    (folder / "kept").touch()
    assert make_folder(folder) == folder
    assert (folder / "kept").is_file()


@pytest.mark.parametrize("name", ["file", "file/folder"])
def test_make_folder_where_a_file_is_in_the_way(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as refusal:
        make_folder(tmp_path / name)
    assert str(refusal.value).startswith(f"{tmp_path / name}: ")


def ended(body: str, *arguments: str) -> subprocess.CompletedProcess:
    """A process whose `main(argv)` is `body`, run to its end."""
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
    ("body", "status", "said"),
    [
        ("return None", 0, ""),
        ("return 0", 0, ""),
        ("return 130", 130, ""),
        ("raise InputError('a.png: not an image')", 2, "tool: a.png: not an image\n"),
        ("raise GateFailed('drop 0.03 > 0.02')", 3, "tool: drop 0.03 > 0.02\n"),
        ("raise KeyboardInterrupt", 130, "tool: stopped by Ctrl-C\n"),
    ],
)
def test_status_and_the_one_line(body, status, said):
    done = ended(body)
    assert (done.returncode, done.stderr) == (status, said)


def test_what_nobody_foresaw_keeps_its_traceback():
    done = ended("raise ValueError('unforeseen')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: unforeseen\n")


PARSE = (
    "parser = Parser(prog='tool.py'); parser.add_argument('--n', type=positive); "
    "print(parser.parse_args(argv).n)"
)


def test_options_reach_the_command():
    done = ended(PARSE, "--n", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--n", "0"], "argument --n: '0' is not an integer of at least 1"),
        (["--n"], "argument --n: expected one argument"),
        (["--m"], "unrecognized arguments: --m"),
    ],
)
def test_complaints_of_the_parser_are_one_line(arguments, complaint):
    done = ended(PARSE, *arguments)
    assert done.returncode == 2
    assert done.stderr == f"tool: {complaint} (see tool.py --help)\n"


def test_help_ends_with_0():
    done = ended(PARSE, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: tool.py")


def test_a_reader_that_leaves_is_no_error():
    """As in `tool | head -1`: there is more to say than the pipe holds."""
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
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")

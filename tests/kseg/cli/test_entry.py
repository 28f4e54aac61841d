"""What holds for every command."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.cli.entry import main as kseg
from kseg.core.names import VERBS, __version__

ROOT = Path(__file__).parents[3]

# All helps in one process: the first that imports something heavy is named.
HELPS = f"""
import contextlib, io, os, runpy, sys
os.environ["COLUMNS"] = "112"  # as in a pipe
for verb in {list(VERBS)}:
    sys.argv = ["kseg", verb, "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_module("kseg", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, (verb, end.code)
    assert "usage: kseg " + verb in said.getvalue(), (verb, said.getvalue())
    assert len(said.getvalue().splitlines()) < 55, (verb, said.getvalue())
    heavy = {{"tensorflow", "keras", "matplotlib", "skimage"}} & set(sys.modules)
    assert not heavy, (verb, heavy)
"""


def run(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("options", [[], ["-OO"]], ids=["plain", "-OO"])
def test_help_waits_for_no_heavy_import(options):
    """`--help` within a second or two; under -OO there are no docstrings."""
    done = run(*options, "-c", HELPS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["train", "export"])
def test_bad_use_is_one_line_and_status_2(command):
    done = run("-m", f"kseg.{command}", "--no-such-option")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith(f"kseg {command}: ")


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "benchmark"])
def test_bad_use_of_each_is_refused(verb, monkeypatch, capsys):
    """The same in this process; one that exits has said its line on stderr."""
    monkeypatch.setattr(sys, "argv", ["kseg", verb, "--no-such-option"])
    with pytest.raises(SystemExit) as end:
        kseg()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"kseg {verb}: ")


def test_kseg_alone_lists_the_verbs(capsys):
    kseg([])
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in VERBS)


def test_an_unknown_verb_is_one_line():
    done = run("-m", "kseg", "dance")
    assert done.returncode == 2
    assert done.stderr.startswith("kseg: dance: is not a command of kseg; ")


def test_kseg_says_its_version(capsys):
    kseg(["--version"])
    assert capsys.readouterr().out == f"kseg {__version__}\n"


def test_a_near_miss_is_named():
    with pytest.raises(InputError, match="did you mean export[?]$"):
        kseg(["exprot"])


COMMANDS_ALONE = ("live", "tune", "prelabel", "benchmark", "completion")

# Each command as a module and as a function, imported in either order.
BOTH = f"""
import sys
first = sys.argv[1] == "function"
verbs = {[v for v in VERBS if v not in COMMANDS_ALONE]}
import kseg
for verb in verbs:
    if first:
        function = getattr(kseg, verb)
    module = __import__("kseg." + verb, fromlist=["x"])
    assert getattr(kseg, verb) is module or not first
    assert callable(module) and callable(getattr(kseg, verb))
    try:
        module(no_such_option=1)
    except TypeError as error:
        assert "no_such_option" in str(error), error
    else:
        raise AssertionError(verb)
assert not {{"tensorflow", "keras", "matplotlib"}} & set(sys.modules)
"""


@pytest.mark.parametrize("order", ["function", "module"])
def test_a_verb_is_a_function_and_a_module(order):
    done = run("-c", BOTH, order)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_command_without_a_function_says_so():
    done = run("-c", "import kseg.live; kseg.live('x')")
    assert done.returncode == 1
    assert (
        "TypeError: kseg.live has no Python function; run the command kseg live"
        in done.stderr
    )

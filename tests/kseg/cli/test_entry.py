"""What holds for every command."""

import subprocess
import sys
from pathlib import Path

import pytest

from kseg.cli.entry import VERBS
from kseg.cli.entry import main as kseg

ROOT = Path(__file__).parents[3]

# All helps in one process: the first that imports something heavy is named.
HELPS = f"""
import contextlib, io, runpy, sys
for verb in {list(VERBS)}:
    sys.argv = [verb, "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_module("kseg." + verb, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, (verb, end.code)
    assert "usage: python -m kseg." + verb in said.getvalue(), (verb, said.getvalue())
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
    assert done.stderr.startswith(f"kseg.{command}: ")


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "benchmark"])
def test_bad_use_of_each_is_refused(verb, monkeypatch, capsys):
    """The same in this process; one that exits has said its line on stderr."""
    monkeypatch.setattr(sys, "argv", ["kseg", verb, "--no-such-option"])
    with pytest.raises(SystemExit) as end:
        kseg()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"kseg.{verb}: ")


def test_kseg_alone_lists_the_verbs(capsys):
    kseg([])
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in VERBS)


def test_an_unknown_verb_is_one_line():
    done = run("-m", "kseg", "dance")
    assert done.returncode == 2
    assert done.stderr.startswith("kseg: dance: no such command; ")


def test_a_verb_that_is_imported_does_nothing():
    done = run("-c", "import kseg.train, kseg.export, kseg.report")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr

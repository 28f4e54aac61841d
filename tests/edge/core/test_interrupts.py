"""Ctrl-C while libraries are imported, while a command works, and pressed twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core import interrupts
from edge.core.interrupts import CLOSING_SECONDS, Interrupt
from tests.support.posix import needs_posix

ROOT = Path(__file__).resolve().parents[3]
PRESSED = "signal.raise_signal(signal.SIGINT)"


def ended(code: str) -> tuple[int, str]:
    """Run a program; its status and what it says.

    The tests may have been started with & in a shell, whose children ignore Ctrl-C.
    """
    first = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = subprocess.run(
        [sys.executable, "-c", first + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@needs_posix
def test_ctrl_c_during_imports_is_one_line():
    code = (
        "from edge.core.interrupts import exit_on_interrupt\n"
        "exit_on_interrupt('tool')\n"
        f"try:\n    {PRESSED}\nexcept BaseException:\n    print('caught')\n"
    )
    assert ended(code) == (130, "tool: stopped by Ctrl-C\n")


@needs_posix
def test_an_error_that_a_library_makes_of_ctrl_c_is_ctrl_c():
    """As an import in a C library may do."""
    code = f"""
from edge.core.arguments import run
def main(argv):
    try:
        {PRESSED}
    except KeyboardInterrupt:
        raise ImportError("numpy.core.multiarray failed to import")
run("tool", main)
"""
    assert ended(code) == (130, "tool: stopped by Ctrl-C\n")


@needs_posix
def test_a_signal_that_the_caller_ignores_stays_ignored():
    code = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from edge.core.interrupts import exit_on_interrupt, raise_on_interrupt\n"
        f"exit_on_interrupt('tool')\n{PRESSED}\n"
        f"raise_on_interrupt()\n{PRESSED}\n"
    )
    assert ended(code) == (0, "")


def test_a_second_press_waits_until_files_are_closed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now[0])
    handler = Interrupt()
    assert not handler.seen
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    assert handler.seen
    handler(signal.SIGINT, None)
    now[0] += CLOSING_SECONDS
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGTERM, None)

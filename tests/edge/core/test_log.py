"""The log on stderr, and native output that is held back."""

import os
import subprocess
import sys

from edge.core import log
from edge.core.log import say


def test_threads_share_the_suppression_and_stderr_is_restored():
    """Six threads that overlap in any order; then stderr is what it was."""
    code = """
import os, sys, threading, time
from edge.core.log import suppress_native_log
before = os.fstat(2).st_ino
def work(seconds):
    with suppress_native_log():
        os.write(2, b"native")
        time.sleep(seconds)
threads = [threading.Thread(target=work, args=(n / 50,)) for n in (1, 4, 2, 3, 1, 2)]
[t.start() for t in threads]; [t.join() for t in threads]
assert os.fstat(2).st_ino == before
print("still there", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "still there\n")


def test_without_a_stderr_nothing_goes_to_stdout():
    code = """
import os
os.close(2)
import sys; sys.stderr = None
from edge.core.log import say, suppress_native_log
say("lost")
with suppress_native_log():
    print("result")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "result\n")


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys):
    say("a\x1b[31m\r.png: is\x00 damaged")
    say("two\nlines, 3×4")
    assert capsys.readouterr().err == (
        "a\\x1b[31m\\r.png: is\\x00 damaged\ntwo\nlines, 3×4\n"
    )


def test_native_output_is_held_where_no_temporary_file_can_be_made(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log.tempfile, "TemporaryFile", full)
    with log.suppress_native_log():
        os.write(2, b"native")


def test_our_own_lines_pass_while_native_output_is_held():
    code = """
import os
from edge.core.log import say, suppress_native_log
with suppress_native_log():
    os.write(2, b"native")
    say("ours")
    os.write(2, b"native")
os.write(2, b"after")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "ours\nafter")

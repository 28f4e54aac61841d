"""The end of a process while a thread is inside a library."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.native_calls import end_process, native_call

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import atexit, sys, threading, time
from edge.core.arguments import run
from edge.core.native_calls import native_call, own_process

inside = threading.Event()

def hang():
    with native_call():
        inside.set()
        time.sleep(600)

def main(argv):
    atexit.register(print, "Python ends as usual")
    own_process()
    if sys.argv[1] == "hangs":
        threading.Thread(target=hang, daemon=True).start()
        inside.wait()
    print("result")
    raise KeyboardInterrupt

run("camera_demo", main)
"""


@pytest.mark.parametrize(
    ("word", "output"),
    [
        ("hangs", "result\n"),
        ("ends", "result\nPython ends as usual\n"),
    ],
)
def test_the_status_is_kept_although_a_call_hangs(word, output):
    ended = subprocess.run(
        [sys.executable, "-c", CODE, word], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (130, output)
    assert ended.stderr == "camera_demo: stopped by Ctrl-C\n"


def test_without_a_call_the_process_goes_on():
    with native_call():
        pass
    end_process(2)
    with pytest.raises(ZeroDivisionError), native_call():
        _ = 1 // 0
    end_process(2)


def test_a_process_of_another_program_goes_on():
    with native_call():
        end_process(2)

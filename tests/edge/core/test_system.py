"""What differs between systems: here for real, and as the others would have it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.core import system
from tests.support.posix import needs_linux, needs_posix

ROOT = Path(__file__).resolve().parents[3]


def ended(code: str, **options) -> subprocess.CompletedProcess:
    """A Python process that runs `code` with the module as `system`."""
    return subprocess.run(
        [sys.executable, "-c", f"from edge.core import system\n{code}"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        **options,
    )


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A system without /proc, a device tree and sysctl."""
    monkeypatch.setattr(system, "read_lines", lambda path: [])
    monkeypatch.setattr(system, "output_of", lambda command: "")


# --- processors and memory ---


@needs_linux
def test_cores_are_those_that_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    done = ended(f"{code}; print(system.usable_cores())")
    assert done.stdout.split() == [b"1"]


def test_without_affinity_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.usable_cores() == 1


def test_the_processor_is_named_on_linux(monkeypatch):
    lines = ["processor\t: 0", "model name\t: Some CPU @ 2 GHz", "", "model name\t: x"]
    monkeypatch.setattr(system, "read_lines", lambda path: lines)
    assert system.processor_name() == "Some CPU @ 2 GHz"


def test_the_processor_is_named_on_macos(monkeypatch, bare):
    monkeypatch.setattr(system, "MACOS", True)
    monkeypatch.setattr(system, "output_of", lambda command: "Apple M2")
    assert system.processor_name() == "Apple M2"


def test_every_system_names_a_processor_and_a_board(bare):
    assert system.processor_name()
    assert system.board_name() == system.processor_name()


def test_a_board_tells_its_model(monkeypatch):
    monkeypatch.setattr(system, "read_lines", lambda path: ["Raspberry Pi 5\0"])
    assert system.board_name() == "Raspberry Pi 5"


@pytest.mark.parametrize("key", ["flags\t\t", "Features\t"])
def test_the_features_of_a_processor(monkeypatch, key):
    lines = ["model name\t: no avx2", f"{key}: fp neon", "bugs\t: spectre_v1"]
    monkeypatch.setattr(system, "read_lines", lambda path: lines)
    assert system.processor_features() == {"fp", "neon"}


def test_features_are_unknown_without_proc(bare):
    assert system.processor_features() == set()


def test_free_memory_is_in_bytes(monkeypatch):
    lines = ["MemTotal:  9 kB", "MemAvailable:     12 kB"]
    monkeypatch.setattr(system, "read_lines", lambda path: lines)
    assert system.free_memory() == 12 * 1024


def test_free_memory_is_unknown_without_proc(bare):
    assert system.free_memory() is None


def test_files_and_programs_that_are_missing(tmp_path):
    assert system.read_lines(str(tmp_path / "none")) == []
    assert system.output_of([str(tmp_path / "none")]) == ""
    assert system.output_of([sys.executable, "-c", "raise SystemExit(1)"]) == ""
    assert system.output_of([sys.executable, "-c", "print(' a ')"]) == "a"


# --- processes and signals ---


@needs_posix
def test_a_process_past_its_time_is_ended():
    done = ended("import time; system.limit_process(0); time.sleep(50)")
    assert system.crash_name(done.returncode) == "SIGALRM"


@needs_linux
def test_a_process_past_its_memory_is_refused_more():
    """The limit is far above what Python has, far below what is asked."""
    done = ended("system.limit_process(60, 2**31); bytearray(2**32)")
    assert b"MemoryError" in done.stderr


def test_without_limits_nothing_happens(monkeypatch):
    monkeypatch.setattr(system, "WINDOWS", True)
    system.limit_process(0, 1)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0, None),
        (2, None),
        (255, None),
        (-9, "SIGKILL"),
        (-250, "signal 250"),
        (0xC0000005, "0xC0000005"),
        (0xC0000409, "0xC0000409"),
    ],
)
@needs_posix
def test_how_a_process_ended(status, name):
    assert system.crash_name(status) == name


def test_a_child_of_its_own_session_starts():
    done = ended("print(1)", **system.own_session())
    assert done.stdout.split() == [b"1"]


@needs_posix
def test_its_session_is_not_ours():
    done = ended("import os; print(os.getsid(0))", **system.own_session())
    assert int(done.stdout) != os.getsid(0)


def test_on_windows_it_has_a_process_group(monkeypatch):
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    assert system.own_session() == {"creationflags": 512}


def test_handlers_are_set_and_restored():
    before = signal.getsignal(signal.SIGINT)
    kept = system.handle_signals(signal.SIG_IGN, "SIGINT", "SIGNONE")
    try:
        assert list(kept) == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        system.restore_signals(kept)
    assert signal.getsignal(signal.SIGINT) == before


def test_other_threads_leave_signals_alone():
    """As when training is called in a thread of the user's own program."""
    before, kept = signal.getsignal(signal.SIGINT), []

    def work():
        kept.append(system.handle_signals(signal.SIG_IGN, "SIGINT"))
        system.restore_signals(kept[0])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert kept == [{}]
    assert signal.getsignal(signal.SIGINT) == before


# --- files and streams ---


@needs_posix
def test_c_streams_are_flushed():
    code = (
        "import ctypes, os\n"
        "ctypes.CDLL(None).printf(b'from C')\n"
        "system.flush_c_streams(); os._exit(0)"
    )
    assert ended(code).stdout == b"from C"


def test_a_file_replaces_another(tmp_path):
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_bytes(b"new")
    old.write_bytes(b"old")
    system.replace_file(new, old)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert old.read_bytes() == b"new"


class Locked:
    """A file that another program has open: `times` replacements are refused."""

    def __init__(self, times: int):
        self.times, self.calls = times, 0

    def replace(self, path) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise PermissionError(13, "is used by another process")


@pytest.mark.parametrize(("windows", "calls"), [(True, 3), (False, 1)])
def test_windows_tries_again_while_a_file_is_open(monkeypatch, windows, calls):
    monkeypatch.setattr(system, "WINDOWS", windows)
    new = Locked(2)
    if windows:
        system.replace_file(new, Path("old"))
    else:
        with pytest.raises(PermissionError):
            system.replace_file(new, Path("old"))
    assert new.calls == calls


def test_windows_does_not_try_for_ever(monkeypatch):
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr(system, "REPLACE_SECONDS", 0.0)
    with pytest.raises(PermissionError):
        system.replace_file(Locked(10**6), Path("old"))


@pytest.mark.parametrize(
    ("error", "windows", "closed"),
    [
        (BrokenPipeError(), False, True),
        (OSError(22, "Invalid argument"), False, False),
        (OSError(22, "Invalid argument"), True, True),
        (OSError(22, "Invalid argument", "a?.png"), True, False),
        (OSError(28, "No space left on device"), True, False),
    ],
)
def test_a_reader_that_is_gone(monkeypatch, error, windows, closed):
    monkeypatch.setattr(system, "WINDOWS", windows)
    assert system.is_closed_pipe(error) == closed


def test_what_an_encoding_lacks_is_escaped():
    """`×` is not in code page 437; \\udcff is an undecodable byte of a file name."""
    done = ended(
        "system.print_any_text(); print('3×4 \\udcff.png')",
        env={**os.environ, "PYTHONIOENCODING": "cp437", "PYTHONUTF8": "0"},
    )
    assert done.stdout.split() == [b"3\\xd74", b"\\udcff.png"]

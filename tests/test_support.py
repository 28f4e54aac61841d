"""What the tests are run with: one training for all workers, and budgets of time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.budgets import over_budget
from tests.support.leftovers import entries
from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[1]


def test_what_tests_leave_is_seen(tmp_path):
    for name in ("kseg/__pycache__/a.pyc", "saved_models/run/model.keras", ".cache/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    assert entries(tmp_path) == {
        *("kseg", "saved_models", "saved_models/run", "saved_models/run/model.keras")
    }


class Factory:
    """Gives the folder that pytest gives a worker, inside of that of the run."""

    def __init__(self, folder: Path):
        self.folder = folder

    def getbasetemp(self) -> Path:
        return self.folder


def test_workers_share_what_is_made_once(tmp_path, monkeypatch):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "model").write_text("whole", encoding="utf-8")

    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    monkeypatch.delenv("KSEG_TEST_MADE", raising=False)
    folders = {
        made_once(Factory(tmp_path / worker), "runs", make) for worker in ("gw0", "gw1")
    }
    assert folders == {tmp_path / "runs"} == set(made)
    assert len(made) == 1


def test_runs_share_what_is_made_in_a_folder_that_they_are_given(tmp_path, monkeypatch):
    made = []
    monkeypatch.setenv("KSEG_TEST_MADE", str(tmp_path))
    folders = {
        made_once(Factory(tmp_path / run), "runs", made.append) for run in ("a", "b")
    }
    assert folders == {tmp_path / "runs"} == set(made) and len(made) == 1


def test_what_failed_half_way_is_made_anew(tmp_path, monkeypatch):
    for name in ("PYTEST_XDIST_WORKER", "KSEG_TEST_MADE"):
        monkeypatch.delenv(name, raising=False)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("the disk is full")

    def make(folder: Path) -> None:
        (folder / "model").touch()

    with pytest.raises(OSError, match="full"):
        made_once(Factory(tmp_path), "runs", fail)
    folder = made_once(Factory(tmp_path), "runs", make)
    assert [path.name for path in folder.iterdir()] == ["model"]


def report(name: str, seconds: float, when: str = "call", *markers: str):
    return pytest.TestReport(
        name,
        (name, 1, name),
        dict.fromkeys(markers, 1),
        "passed",
        None,
        when,
        duration=seconds,
    )


def test_each_test_over_its_budget_is_a_line_the_longest_first():
    lines = over_budget(
        [
            report("quick", 4.9),
            report("plain", 5.5),
            report("its fixture", 30.0, "setup"),
            report("slow", 39.0, "call", "slow"),
            report("slower", 41.0, "call", "slow"),
        ]
    )
    assert lines == [
        "   41.0 s, over 40 s: slower",
        "    5.5 s, over 5 s: plain",
    ]


# Two workers, each with a test; what they see of threads and of each other's cache.
TESTS = """
import os, time

def test_one(tmp_path_factory):
    assert os.environ["OMP_NUM_THREADS"] == "1"
    (tmp_path_factory.getbasetemp().parent / "one").write_text(os.environ["KSEG_CACHE"])

def test_two(tmp_path_factory):
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    other = tmp_path_factory.getbasetemp().parent / "one"
    deadline = time.monotonic() + 60
    while not (other.exists() and other.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert other.read_text() not in ("", os.environ["KSEG_CACHE"])
"""


def test_workers_have_a_core_and_a_cache_of_their_own(tmp_path):
    pytest.importorskip("xdist", reason="pip install -e '.[dev]'")
    path = tmp_path / "test_workers.py"
    path.write_text(TESTS, encoding="utf-8")
    told = ("PYTEST_", "OMP_", "TF_", "KSEG_")  # by the run that this is part of
    names = [name for name in os.environ if not name.startswith(told)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tests.conftest"]
        + [f"--rootdir={tmp_path}", f"--basetemp={tmp_path / 'base'}", str(path)],
        cwd=ROOT,
        env={name: os.environ[name] for name in names},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout

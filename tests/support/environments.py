"""Virtual environments of the tests, created once outside the project.

They hold packages that conflict with kseg's own. They are in KSEG_TEST_CACHE, by
default ~/.cache/kseg-tests, named after their requirements, and created again if these
or Python change.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

CACHE = Path(os.environ.get("KSEG_TEST_CACHE", "~/.cache/kseg-tests")).expanduser()
# Python's environment variables could point outside the virtual environment.
VARIABLES = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
MADE_OF = "made_of.txt"
ROOT_OF_PROJECT = Path(__file__).resolve().parents[2]


def python_with(name: str, requirements: str) -> Path:
    """The Python of an environment with only `requirements`, one per line.

    Skips the test if they cannot be installed, with pip's message.
    """
    made_of = f"{sys.version}\n{requirements}"
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / MADE_OF).is_file():
            make(folder, python, requirements)
            (folder / MADE_OF).write_text(made_of, encoding="utf-8")
    return python


def make(folder: Path, python: Path, requirements: str) -> None:
    """Create the environment again; the caller marks it as complete."""
    run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    done = run([*pip, "-r", str(folder / "requirements.txt")])
    if done.returncode != 0:
        complaints = [x for x in done.stderr.splitlines() if x.startswith("ERROR")]
        pytest.skip(f"{folder.name} is not to be had: {(complaints or ['?'])[-1]}")


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    """Run a process without Python's environment variables; its output is text."""
    return subprocess.run(
        command, env=VARIABLES, capture_output=True, text=True, **options
    )

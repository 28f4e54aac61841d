"""Virtual environments that tests make once and keep, outside the project.

They hold packages that cannot be installed beside kseg's own. In KSEG_TEST_CACHE, or
~/.cache/kseg-tests; each named after its requirements, which it is made of anew when
these or Python change.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

CACHE = Path(os.environ.get("KSEG_TEST_CACHE", "~/.cache/kseg-tests")).expanduser()
# What Python is told by its environment would lead out of the one it runs in.
VARIABLES = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
MADE_OF = "made_of.txt"


def python_with(name: str, requirements: str) -> Path:
    """The Python of an environment with `requirements`, a line each, and no more.

    Skips the test where they cannot be installed, with pip's reason.
    """
    made_of = f"{sys.version}\n{requirements}"
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / MADE_OF).is_file():
            make(folder, python, requirements)
            (folder / MADE_OF).write_text(made_of)
    return python


def make(folder: Path, python: Path, requirements: str) -> None:
    """Makes the environment anew; the caller marks it as whole."""
    run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    (folder / "requirements.txt").write_text(requirements)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    done = run([*pip, "-r", str(folder / "requirements.txt")])
    if done.returncode != 0:
        complaints = [x for x in done.stderr.splitlines() if x.startswith("ERROR")]
        pytest.skip(f"{folder.name} is not to be had: {(complaints or ['?'])[-1]}")


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    """A process without what would lead its Python astray; its output as text."""
    return subprocess.run(
        command, env=VARIABLES, capture_output=True, text=True, **options
    )

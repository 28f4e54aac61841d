"""A Python of an emulated system, with the requirements of edge/ installed by its pip.

Programs of the system run through `qemu-aarch64`, which looks for each file in the
system's folder first: neither chroot nor binfmt_misc is needed. A script stands for the
system's Python. Processes that Python starts go through it too, because Python takes
the script for its own file (`sys.executable`), and so does a virtual environment.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock

from tests.arm.debian import Unavailable, find_emulator, unpack_debian, unpack_emulator
from tests.arm.systems import Processor, System
from tests.support.environments import CACHE, ROOT_OF_PROJECT

FOLDER = CACHE / "arm"
COMPLETE = "complete"
REVISION = 1  # increased when what is set up changes
NO_NETWORK = ("from versions: none", "ConnectionError", "name resolution")


class InstallationFailed(Exception):
    """The requirements cannot be installed on the system, with pip's reason."""


def environment(system: System) -> Path:
    """The Python of a virtual environment of the system with its requirements.

    Raises Unavailable if the system cannot be had, InstallationFailed if it can, but
    not the requirements.
    """
    root = root_of(system)
    kept(root.name, partial(unpack_debian, system.suite))
    requirements = (ROOT_OF_PROJECT / system.requirements).read_text(encoding="utf-8")
    key = hashlib.sha256(requirements.encode()).hexdigest()[:12]
    name = f"{system.suite}-python-{key}"

    def make(folder: Path, _: Path) -> None:
        python = write_script(folder / "python", emulator(), root)
        install(system, python, folder / "venv", requirements)

    return kept(name, make) / "venv" / "bin" / "python"


def root_of(system: System) -> Path:
    """The folder of the system's files."""
    return FOLDER / f"{system.suite}-{REVISION}"


def emulator() -> Path:
    """The program qemu-aarch64: that of the machine, else one in the cache."""
    there = find_emulator()
    if there:
        return there
    folder = kept("qemu", unpack_emulator)
    return find_emulator(folder / "usr" / "bin")


def kept(name: str, make: Callable[[Path, Path], object]) -> Path:
    """A folder of the cache, made once by `make(folder, scratch)`."""
    folder = FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / COMPLETE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            print(f"setting up {folder}", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                make(folder, Path(scratch))
            (folder / COMPLETE).write_text("", encoding="utf-8")
    return folder


def write_script(path: Path, emulator: Path, root: Path) -> Path:
    """A script that runs the system's Python; its variables name the processor."""
    words = (str(emulator), str(root / "usr/bin/python3"))
    emulator_word, python_word = map(shlex.quote, words)
    text = f'#!/bin/sh\nexec {emulator_word} -0 "$0" {python_word} "$@"\n'
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def variables(root: Path, **more: str) -> dict[str, str]:
    """Environment variables of programs in the system whose files are in `root`."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return {**own, "QEMU_LD_PREFIX": str(root), "PYTHONDONTWRITEBYTECODE": "1", **more}


def install(system: System, python: Path, folder: Path, requirements: str) -> None:
    """Make a virtual environment and install the requirements, as docs/boards.md says.

    Raises Unavailable without a network, and InstallationFailed.
    """
    listed = folder.parent / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q"]
    pip += ["--disable-pip-version-check", "-r", str(listed)]
    for command in ([str(python), "-m", "venv", str(folder)], pip):
        done = subprocess.run(
            command, env=variables(root_of(system)), capture_output=True, text=True
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason"]
            errors = [line for line in said if line.startswith("ERROR")] or said[-1:]
            if any(word in done.stderr for word in NO_NETWORK):
                raise Unavailable(errors[0])
            raise InstallationFailed(errors[0])


def prefix_of(system: System, processor: Processor, folder: Path) -> Path:
    """A folder with the system's files and the processor's /proc/cpuinfo."""
    folder.mkdir(parents=True)
    for entry in root_of(system).iterdir():
        (folder / entry.name).symlink_to(entry)
    (folder / "proc").mkdir()
    (folder / "proc" / "cpuinfo").write_text(processor.cpuinfo, encoding="utf-8")
    return folder

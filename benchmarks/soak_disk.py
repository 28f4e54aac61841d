"""A small disk that can be filled and freed."""

from __future__ import annotations

import resource
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

MEGABYTES = 16
KEPT = 40  # files of events, when the disk is freed
CHUNK = bytes(1 << 16)


class MountedDisk:
    """A file system in memory of MEGABYTES, mounted at `folder`; needs root."""

    kind = f"tmpfs of {MEGABYTES} MB"
    limits_all = False  # other folders have room

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )

    def __enter__(self) -> MountedDisk:
        return self

    def __exit__(self, *_: Any) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def watch(self, process: int) -> None:
        """Nothing: all processes see a full disk."""

    def fill(self) -> None:
        with suppress(OSError), (self.folder / "ballast").open("wb", 0) as file:
            while True:
                file.write(CHUNK)

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


class LimitedFiles:
    """A folder in which a process cannot write while the disk is said to be full.

    Without root, a limit of the size of its files stands for the full disk. It holds
    for all files of the process.
    """

    kind = "a limit of the size of files (RLIMIT_FSIZE)"
    limits_all = True

    def __init__(self, folder: Path):
        self.folder = folder
        self._process = 0
        folder.mkdir()

    def __enter__(self) -> LimitedFiles:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def watch(self, process: int) -> None:
        """Set the process that will be limited."""
        self._process = process

    def fill(self) -> None:
        self._limit(0)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        with suppress(ProcessLookupError):  # it has ended
            limits = size, resource.RLIM_INFINITY
            resource.prlimit(self._process, resource.RLIMIT_FSIZE, limits)


def small_disk(folder: Path) -> MountedDisk | LimitedFiles:
    """A mounted disk where this user may mount one, or else the limit of a process."""
    try:
        return MountedDisk(folder)
    except (OSError, subprocess.CalledProcessError):
        if folder.exists():
            folder.rmdir()
        return LimitedFiles(folder)


def remove_old(folder: Path) -> None:
    """Remove the oldest snapshots and recordings, as a user would."""
    with suppress(OSError):
        files = [x for x in folder.iterdir() if not x.name.startswith(".")]
        for path in sorted(files, key=lambda path: path.name)[:-KEPT]:
            path.unlink(missing_ok=True)

"""The lock of a run folder: one process at a time trains in it.

Two of the same default --output would mix their files. The system releases the lock
when the process ends, however it does. Windows, and file systems without locks, have
none.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError
from edge.core.file_lock import FileLock
from edge.core.files import make_folder, no_empty_folder
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import reserve

LOCK = ".lock"  # a file in the folder, while it is locked


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder, which is made if needed; one that stays empty is removed.

    Raises InputError if it is locked already.
    """
    with no_empty_folder(folder):
        lock = FileLock(make_folder(folder) / LOCK)
        try:
            lock.take()
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process is training in this folder; give another "
                "--output, or wait until it ends"
            ) from None
        try:
            yield
        finally:
            lock.release()


@contextmanager
def claimed(config: TrainConfig, group: ProcessGroup) -> Iterator[None]:
    """Locks the folder of a new or resumed run, in the main process of a group.

    Raises InputError as `locked` does, and as `reserve` does: another training may have
    ended there since the folder was reserved.
    """
    if not group.is_main:
        yield
        return
    with locked(config.run_folder):
        reserve(config)
        yield


def check_unlocked(folder: Path) -> None:
    """Raises InputError if a folder is locked: before the data are read."""
    if (folder / LOCK).exists():
        with locked(folder):
            pass

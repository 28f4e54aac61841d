"""The lock of a run folder: one training at a time writes to it.

Two with the same default --output would mix their files. The system releases the lock
when the process ends, however it does. Windows, and file systems without locks, have
none.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError, cannot_be
from edge.core.file_lock import FileLock
from edge.core.files import make_folder, no_empty_folder, remove_left
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.runs import (
    BEST,
    CHECKPOINT,
    CONFIG,
    HISTORY,
    LAST,
    LOCK,
    folds_of,
    reserve,
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder, which is made if needed; one that stays empty is removed.

    Raises InputError if it is locked already, or cannot be.
    """
    with no_empty_folder(folder):
        lock = FileLock(make_folder(folder) / LOCK)
        try:
            take(lock, folder)
            yield
        finally:
            lock.release()


def take(lock: FileLock, folder: Path) -> None:
    """Takes the lock of a folder. Raises InputError."""
    try:
        lock.take()
    except BlockingIOError:
        raise InputError(
            f"{folder}: another training is running there; wait until it ends, or give "
            "another --output"
        ) from None
    except OSError as error:
        raise cannot_be("locked", lock.path, error) from None


@contextmanager
def claimed(asked: TrainConfig, group: ProcessGroup) -> Iterator[None]:
    """Locks the folder of a new or resumed run, in the main process of a group.

    `asked` are the options of the call: those of a resumed run may say that it once
    replaced another. Raises InputError as `locked` does, and as `reserve` does: another
    training may have ended there since the folder was reserved.
    """
    if not group.is_main:
        yield
        return
    with locked(asked.run_folder):
        folder = reserve(asked)
        for name in (CHECKPOINT, BEST, LAST, HISTORY, CONFIG):
            remove_left(folder / name, seconds=0.0)  # only trainings write these
        yield


def reserve_unlocked(config: TrainConfig, group: ProcessGroup = ALONE) -> Path:
    """The folder of a new or resumed run, that no training writes to now.

    The main process of a group looks for others before it reads the data. Raises
    InputError as `reserve` and `locked` do.
    """
    folder = reserve(config)
    if group.is_main:
        check_unlocked(folder, *folds_of(folder))
    return folder


def check_unlocked(*folders: Path) -> None:
    """Raises InputError if one of the folders is locked."""
    for folder in folders:
        if (folder / LOCK).exists():
            with locked(folder):
                pass

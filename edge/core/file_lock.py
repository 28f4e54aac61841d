"""The lock of a file: one process at a time may have it.

The system releases it when the process ends, however it does.
"""

from __future__ import annotations

import os
from pathlib import Path

from edge.core.system import NO_LOCK, lock_file

FREE = -2  # instead of the number of an open file: the lock is not held


class FileLock:
    """The lock of the file `path`, which is created if needed."""

    def __init__(self, path: Path):
        self.path = path
        self._handle = FREE

    def take(self) -> None:
        """Lock the file; what is in it stays.

        Raises BlockingIOError if another process has it, and OSError if it cannot be
        created.
        """
        while self._handle == FREE:
            handle = lock_file(self.path)
            if handle == NO_LOCK or is_file_of(handle, self.path):
                self._handle = handle
            else:  # its owner has just renamed or removed it
                os.close(handle)

    def release(self) -> None:
        """Release the lock; an empty file is removed, if it is still the locked one."""
        if self._handle == FREE:
            return
        own = self._handle == NO_LOCK or is_file_of(self._handle, self.path)
        try:
            if own and not self.path.stat().st_size:
                self.path.unlink()
        except OSError:  # it was renamed
            pass
        if self._handle != NO_LOCK:
            os.close(self._handle)
        self._handle = FREE


def is_file_of(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False

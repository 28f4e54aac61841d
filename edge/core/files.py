"""Atomic file writing, and the cache folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError
from edge.core.system import replace_file


def make_folder(path: Path) -> Path:
    """Create the folder if needed. Raises InputError if it cannot be created."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: the folder cannot be created ({error.strerror}); choose another"
        ) from None
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`; it replaces `path` on success.

    A reader finds the old file or the new one, never a part of it, even after a power
    failure. If the block fails, the temporary file is removed.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        replace_file(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; lines end with LF on every system."""
    with atomic_write(path) as part:
        part.write_bytes(text.encode("utf-8"))


def cache_folder() -> Path:
    """The folder of trial results and TensorRT engines; KSEG_CACHE overrides it."""
    return Path(os.environ.get("KSEG_CACHE") or Path.home() / ".cache" / "kseg")

"""Files that are written whole or not at all, and the folder of cached results."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError


def make_folder(path: Path) -> Path:
    """The folder, made where needed. Raises InputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made a folder ({error.strerror}); name another"
        ) from None
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, of the same suffix, which then takes its place.

    A reader finds the old file or the new one, never half of it, even after the power
    went. Where the block fails nothing is left of the new one.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes beside, then renames."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def cache_folder() -> Path:
    """Where outcomes, and what TensorRT builds, are kept; KSEG_CACHE names another."""
    return Path(os.environ.get("KSEG_CACHE") or Path.home() / ".cache" / "kseg")

"""Atomic file writing, and the cache folder."""

from __future__ import annotations

import codecs
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError
from edge.core.system import replace_file

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by the suffix of its name.

    >>> is_archive(Path("camvid.ZIP")), is_archive(Path("v1.0"))
    (True, False)
    """
    return path.suffix.lower() in ARCHIVES


def no_folder(path: Path) -> str:
    """Why a path that is needed as a folder is none, and what to do, for a message."""
    if not path.exists():
        return "no such folder"
    if is_archive(path):
        return "is an archive; unpack it and give the folder that it makes"
    return "is a file, not a folder"


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


def read_text(path: Path) -> str:
    """Read UTF-8 text that a person may have written, or UTF-16 with its mark.

    A byte order mark, such as Notepad and PowerShell write, is left out; lines end with
    LF. Raises OSError or UnicodeDecodeError.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; lines end with LF on every system."""
    with atomic_write(path) as part:
        part.write_bytes(text.encode("utf-8"))


def cache_folder() -> Path:
    """The folder of trial results and TensorRT engines; KSEG_CACHE overrides it."""
    return Path(os.environ.get("KSEG_CACHE") or Path.home() / ".cache" / "kseg")

"""Atomic file writing, JSON, and the cache folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any, Iterator, Optional

from edge.core.errors import InputError, cannot_be
from edge.core.system import replace_file, user_number

LONGEST_STEM = 100  # bytes of a file's stem that its temporary file's name repeats
LEFT_SECONDS = 3600.0  # a temporary file not written to for as long is nobody's
DIGITS = 12  # of a temporary file's name where several write one file


def make_folder(path: Path) -> Path:
    """Create the folder if needed.

    Raises InputError if it cannot be created, or if files cannot be written to it:
    before the work whose results would be lost.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be("created", path, error) from None
    try:
        try_writing(path / "new")
    except OSError as error:
        raise cannot_be("written to", path, error) from None
    return path


@contextmanager
def no_empty_folder(path: Path) -> Iterator[None]:
    """If the block raises, empty folders that it made are removed: `path` and above."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # it has files, or was not made
            for folder in missing:
                folder.rmdir()
        raise


def check_writable(path: Path) -> Path:
    """The path of a file to write. Raises InputError where `try_writing` fails."""
    try:
        try_writing(path)
    except OSError as error:
        raise cannot_be("written", path, error) from None
    return path


def try_writing(path: Path) -> None:
    """Raises OSError if a file cannot be created beside `path`, or not by its name.

    It is tried with a file that is removed again: what the bits of rights say does not
    hold on every file system, and not for every user.
    """
    if is_special(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", str(path))
        return
    path = real_path(path)
    path.exists()  # raises ENAMETOOLONG for a name that no file can have
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    os.close(handle)
    os.unlink(name)


def is_special(path: Path) -> bool:
    """Whether a path is a device or pipe, such as /dev/null, that is not replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_torn(path: Path) -> bool:
    """Whether a file ends within a line, as after a power failure."""
    if is_special(path):
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # it is empty, or cannot be read
        return False


def real_path(path: Path) -> Path:
    """The file behind a link, so that writing replaces the file and not the link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def part_of(path: Path, number: str = "") -> Path:
    """The name of the temporary file that becomes `path`.

    It begins with a dot and has the same suffix; `number` follows the stem. A long name
    is shortened: with what is added it could exceed what file systems allow.

    >>> part_of(Path("out/a.png")).as_posix(), len(part_of(Path("a" * 251)).name)
    ('out/.a.part.png', 54)
    """
    stem = path.stem
    if len(os.fsencode(stem)) > LONGEST_STEM:
        digest = hashlib.sha256(os.fsencode(stem)).hexdigest()
        stem = f"{stem[:16]}-{digest[:31]}"
    return path.with_name(f".{stem}{number}.part{path.suffix}")


@contextmanager
def atomic_write(path: Path, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`; it replaces `path` on success.

    A reader finds the old file or the new one, never a part of it, with `sync` even
    after a power failure; so it is if several write the file at the same time. If the
    block fails, the temporary file is removed. A device or pipe gets the content; it is
    not replaced. An OSError names `path`.
    """
    if is_special(path):
        with written_to_special(path) as part:
            yield part
        return
    path = real_path(path)
    part = new_part(path)
    try:
        yield part
        if sync:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        replace_file(part, path)
    except BaseException as error:
        remove_part(part)  # not after success: the name may be another writer's then
        name_in(error, path, part)
        raise


def name_in(error: BaseException, path: Path, part: Path) -> None:
    """Let an error of the system that names no file, or `part`, name `path`."""
    if isinstance(error, OSError) and error.errno:
        if error.filename in (None, str(part)):
            error.filename, error.filename2 = str(path), None


def new_part(path: Path) -> Path:
    """Create the temporary file that becomes `path`, for this writer alone.

    Its name is `part_of(path)`, with more digits while another writer has that. What
    killed writers have left is removed: files not written to for LEFT_SECONDS. Raises
    OSError that names `path`.
    """
    try:
        return created(part_of(path), path)
    except FileExistsError:
        remove_left(path)
    return created(part_of(path, f"-{os.urandom(DIGITS // 2).hex()}"), path)


def created(part: Path, path: Path) -> Path:
    """Create an empty file. Raises OSError that names `path`, also if it is there."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        error.filename = str(path)
        raise
    return part


def remove_left(path: Path, seconds: float = LEFT_SECONDS) -> None:
    """Remove the temporary files of a file that were not written to for so long."""
    part, end = part_of(path), f".part{path.suffix}"
    more = f"{escape(part.name[: -len(end)])}-{'[0-9a-f]' * DIGITS}{escape(end)}"
    for each in (part, *part.parent.glob(more)):
        try:
            old = time.time() - each.lstat().st_mtime >= seconds
        except OSError:  # its writer has finished
            continue
        if old:
            remove_part(each)


def remove_part(part: Path) -> None:
    """Remove a temporary file if it is still there and can be removed."""
    try:
        part.unlink()
    except OSError:  # it replaced the file, or could never be written
        pass


@contextmanager
def written_to_special(path: Path) -> Iterator[Path]:
    """Yield a temporary file; its content goes to a device or pipe on success."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / f"part{path.suffix}"
        try:
            yield part
            with part.open("rb") as content, path.open("wb") as target:
                shutil.copyfileobj(content, target)
        except OSError as error:
            name_in(error, path, part)
            raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; lines end with LF on every system.

    Bytes of file names that are no UTF-8 are written as escapes, such as \\udce9.
    """
    with atomic_write(path) as part:
        part.write_bytes(text.encode("utf-8", errors="backslashreplace"))


def json_text(content: Any, indent: Optional[int] = None, escaped: bool = True) -> str:
    """JSON of nested dicts and sequences; every file and line of JSON is made here.

    JSON has no nan and no infinity: such a number becomes null. Letters beyond ASCII
    are `escaped`, or stay as they are.

    >>> json_text({"score": float("nan"), "boxes": [(1.5, float("inf"))]})
    '{"score": null, "boxes": [[1.5, null]]}'
    """
    form: Any = {"indent": indent, "ensure_ascii": escaped, "allow_nan": False}
    try:
        return json.dumps(content, **form)
    except ValueError:
        return json.dumps(without_nan(content), **form)


def without_nan(content: Any) -> Any:
    """Nested dicts and sequences with None in place of nan and infinity."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [without_nan(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def write_json(path: Path, content: Any, indent: Optional[int] = 1) -> None:
    """Write `json_text` and a newline atomically."""
    write_text(path, json_text(content, indent) + "\n")


def cache_folder() -> Path:
    """The folder of trial results and TensorRT engines; KSEG_CACHE overrides it.

    A user without a home folder, as in containers, has it among temporary files.
    Raises InputError if that folder is another user's.
    """
    if os.environ.get("KSEG_CACHE"):
        return Path(os.environ["KSEG_CACHE"])
    try:
        return Path.home() / ".cache" / "kseg"
    except RuntimeError:  # no HOME, and a user number without an entry in passwd
        return temporary_cache()


def temporary_cache() -> Path:
    """A folder of this user alone among temporary files."""
    folder = Path(tempfile.gettempdir()) / f"kseg-{user_number()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        own = stat.S_ISDIR(state.st_mode) and state.st_uid == user_number()
    except OSError:
        own = False
    if not own:  # what others put there would be run as an engine
        raise InputError(
            f"{folder}: is not a folder of this user; set HOME or KSEG_CACHE"
        )
    return folder
